import type { Operation } from '../../../interface/inputs/operations.ts';
import { parseInputs } from '../../../interface/inputs/parse.ts';
import type { InputName, ReadInput } from '../../../interface/inputs/schema.ts';
import type { Inputs } from '../../../interface/inputs/types.ts';
import type { Call } from '../tool.ts';

/** Reads the inputs of an operation. What is fixed goes before arguments and environment. */
export function fixInputs(
  read: ReadInput,
  operation: Operation,
  fixed: Readonly<Partial<Record<InputName, string>>> = {},
): ReadInput {
  return (name) => (name === 'operation' ? operation : (fixed[name] ?? read(name)));
}

/**
 * Parses the inputs of an operation from the arguments of a call and the environment of this server, as the
 * command line does.
 *
 * @throws ConfigurationError listing everything that is wrong
 */
export function parseFor<Name extends Operation>(
  operation: Name,
  { read, context }: Pick<Call, 'read' | 'context'>,
  fixed: Readonly<Partial<Record<InputName, string>>> = {},
): Extract<Inputs, { readonly operation: Name }> {
  const inputs = parseInputs(fixInputs(read, operation, fixed), context.env);
  return inputs as Extract<Inputs, { readonly operation: Name }>;
}
