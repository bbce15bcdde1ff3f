import { quoteForShell } from '../../../values/shell-word.ts';
import { type VariableName, variables } from './variables.ts';

/*
 * Commands for a POSIX shell. The tag `sh` quotes every value, so that whatever a name holds, the shell reads
 * it as that name. A secret has no value here: only the name of its variable can be written.
 */

/** A piece of a shell script, and the variables that it reads */
export interface Shell {
  readonly script: string;
  readonly reads: readonly VariableName[];
}

/** Stands for the value of a variable; its author writes the double quotes around it. */
interface Reference {
  readonly variable: VariableName;
}

/** `$NAME` of each variable there is */
export const $ = Object.fromEntries(
  Object.keys(variables).map((variable) => [variable, { variable }]),
) as unknown as { readonly [Name in VariableName]: Reference };

export function sh(parts: TemplateStringsArray, ...values: readonly (string | Reference | Shell)[]): Shell {
  return {
    script: String.raw({ raw: parts.raw }, ...values.map(toScript)),
    reads: values.flatMap((value) => {
      if (typeof value === 'string') return [];
      return 'variable' in value ? [value.variable] : value.reads;
    }),
  };
}

function toScript(value: string | Reference | Shell): string {
  if (typeof value === 'string') return quoteForShell(value);
  return 'variable' in value ? `$${value.variable}` : value.script;
}

export function joinShell(separator: string, pieces: readonly Shell[]): Shell {
  return {
    script: pieces.map(({ script }) => script).join(separator),
    reads: pieces.flatMap(({ reads }) => reads),
  };
}
