import { type InputName, inputs } from '../../interface/inputs/schema.ts';
import type { NameInput } from '../../runtime/wording.ts';
import { environmentName } from './help.ts';

/** Variables in which other tools find the connection string of a database */
const elsewhere = ['DATABASE_URL', 'SUPABASE_DB_URL', 'POSTGRES_URL', 'DB_URL'] as const;

/**
 * Names inputs as somebody at a terminal sets them: by an option; by a variable where it is a secret, which no
 * option should hold, or where the variable is what is set.
 *
 * @param isGiven tells whether an input stands on the command line
 */
export function nameInTerminal(isGiven: (name: InputName) => boolean, env: NodeJS.ProcessEnv): NameInput {
  return ({ input, value, sample }) => {
    // An operation is a word without a name; a tool's own argument is no input.
    if (!isInput(input) || input === 'operation') return value === undefined ? input : `${input}: ${value}`;
    const variable = environmentName(input);
    const isVariable = !isGiven(input) && (inputs[input].secret === true || Boolean(env[variable]));
    if (sample !== undefined) return askInTerminal(input, sample, isVariable, env);
    if (value === undefined) return isVariable ? variable : `--${input}`;
    if (isVariable) return `${variable}=${quoteForShell(value)}`;
    return inputs[input].flag ? nameFlag(input, value) : `--${input} ${quoteForShell(value)}`;
  };
}

function nameFlag(input: InputName, value: string): string {
  return value === 'true' ? `--${input}` : `--${input}=${value}`;
}

function askInTerminal(
  input: InputName,
  sample: string,
  isVariable: boolean,
  env: NodeJS.ProcessEnv,
): string {
  const variable = environmentName(input);
  // The target is to be written into, so no variable of another tool is proposed for it.
  const other = input === 'database-url' ? elsewhere.find((name) => env[name]) : undefined;
  if (other !== undefined) return `${other} is set, and not read: export ${variable}="$${other}"`;
  if (isVariable) return `Set it: export ${variable}=${quoteForShell(sample)}`;
  return `Write --${input} <${inputs[input].placeholder}>, for example ${sample}.`;
}

/** Puts a text into single quotes where a POSIX shell would take it for something else. */
function quoteForShell(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function isInput(name: string): name is InputName {
  return Object.hasOwn(inputs, name);
}
