import type { StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import type { ValueForm } from '../../interface/inputs/input.ts';
import { type InputName, inputNames, inputs } from '../../interface/inputs/schema.ts';
import { Problem, quoteWord } from '../../interface/inputs/values.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { environmentName } from '../terminal/help.ts';
import type { OwnArgument, OwnArguments, Tool } from './tool.ts';

type Arguments = Pick<Tool, 'inputs' | 'own' | 'defaults'>;

/** Characters of an argument; the longest that an input takes is a list of tables. */
const longest = 4000;

/** One argument as a schema describes it */
interface Described {
  readonly isFlag: boolean;
  readonly form: ValueForm | undefined;
  readonly description: string;
  readonly fallback: string | undefined;
}

/**
 * Makes the schema of a tool's arguments from the definitions of inputs, and checks by it. What an argument
 * says is left to the parsers of the inputs, which have the better messages.
 */
export function toArgumentSchema(tool: Arguments): StandardSchemaWithJSON<unknown, Record<string, string>> {
  const described = new Map<string, Described>([
    ...tool.inputs.map((name) => [name, describeInput(name, tool)] as const),
    ...Object.entries(tool.own).map(([name, own]) => [name, describeOwn(own)] as const),
  ]);
  const json = {
    type: 'object',
    properties: Object.fromEntries([...described].map(([name, one]) => [name, toJsonSchema(one)])),
    additionalProperties: false,
  };
  return {
    '~standard': {
      version: 1,
      vendor: 'supabase-backup',
      validate: (value) => check(value, described),
      jsonSchema: { input: () => json, output: () => json },
    },
  };
}

function describeInput(name: InputName, { defaults }: Arguments): Described {
  const { flag, parse, description, secret } = inputs[name];
  if (secret) throw new Error(`${name} is a secret, and no argument of a tool`);
  return {
    isFlag: flag === true,
    form: parse.form,
    description: description.replaceAll('`', ''),
    fallback: defaults?.[name],
  };
}

function describeOwn({ parse, description, default: fallback }: OwnArgument): Described {
  return { isFlag: false, form: parse.form, description, fallback };
}

function toJsonSchema({ isFlag, form, description, fallback }: Described): object {
  const words =
    fallback === undefined ? description : `${description} Here ${fallback} where it is left out.`;
  if (isFlag) return { type: 'boolean', description: words };
  switch (form?.kind) {
    case 'choice':
      return { type: 'string', enum: form.values, description: words };
    case 'integer':
      return { type: 'integer', minimum: form.least, maximum: form.most, description: words };
    case undefined:
      return { type: 'string', maxLength: longest, description: words };
  }
}

type Checked =
  | { readonly value: Record<string, string> }
  | { readonly issues: { readonly message: string }[] };

function check(value: unknown, described: ReadonlyMap<string, Described>): Checked {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { issues: [{ message: 'the arguments are no object' }] };
  const texts: Record<string, string> = {};
  const issues: { message: string }[] = [];
  for (const [name, given] of Object.entries(value)) {
    const argument = described.get(name);
    const text = argument === undefined ? undefined : toText(given, argument);
    if (argument === undefined) issues.push({ message: refuseUnknown(name, [...described.keys()]) });
    else if (text === undefined) issues.push({ message: `${name}: is not ${nameForm(argument)}` });
    else texts[name] = text;
  }
  return issues.length > 0 ? { issues } : { value: texts };
}

/** Returns the text that a parser takes; undefined for a value of another type than the schema says. */
function toText(given: unknown, { isFlag, form }: Described): string | undefined {
  if (isFlag) return typeof given === 'boolean' ? String(given) : undefined;
  if (form?.kind === 'integer') return Number.isSafeInteger(given) ? String(given) : undefined;
  return typeof given === 'string' && given.length <= longest ? given : undefined;
}

function nameForm({ isFlag, form }: Described): string {
  if (isFlag) return 'true or false';
  return form?.kind === 'integer' ? 'a whole number' : `a text of at most ${longest} characters`;
}

function refuseUnknown(name: string, known: readonly string[]): string {
  const input = inputNames.find((one) => one === name);
  if (input !== undefined && inputs[input].secret)
    return `${input}: no tool takes a secret or a connection string; whoever runs this server sets ${environmentName(input)} in its environment`;
  if (input !== undefined)
    return `${input}: is no argument of this tool; whoever runs this server sets ${environmentName(input)} in its environment`;
  const names = known.length === 0 ? 'none' : known.join(', ');
  return `there is no argument ${quoteWord(name)}; this tool takes ${names}`;
}

/**
 * Parses the arguments of a tool's own.
 *
 * @throws ConfigurationError
 */
export function parseOwn(
  own: OwnArguments,
  given: Readonly<Record<string, string>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(own).map(([name, { parse, default: fallback }]) => {
      const text = given[name]?.trim() || fallback;
      return [name, text === undefined ? undefined : parseOne(name, text, parse)];
    }),
  );
}

function parseOne(name: string, text: string, parse: OwnArgument['parse']): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new ConfigurationError(`${name}: ${error.message}`, error.remedy, error);
  }
}
