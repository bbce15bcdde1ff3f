import { adviseRename, listFormerNames } from '../../interface/inputs/former-names.ts';
import { type Operation, operationAliases } from '../../interface/inputs/operations.ts';
import { findUnused } from '../../interface/inputs/parse.ts';
import { type InputName, inputs, type ReadInput } from '../../interface/inputs/schema.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { Arguments } from './arguments.ts';
import type { Configuration } from './configuration.ts';
import { environmentName } from './help.ts';
import type { Verbosity } from './log.ts';
import { adviseVariables } from './variables.ts';

/* What is said of the words and variables that were given, before anything is done with them. */

/** Lists what to warn of before anything is done: exposed secrets, former names, misspelt variables. */
export function listAdvice({ inputs: given, formerNames }: Arguments, env: NodeJS.ProcessEnv): string[] {
  return [
    ...[...given.keys()].flatMap((name) =>
      inputs[name].secret
        ? [`--${name} is a secret that a list of processes shows; set ${environmentName(name)} instead`]
        : [],
    ),
    ...listFormerNames()
      .filter((name) => formerNames.has(name) || env[environmentName(name)])
      .map(adviseRename),
    ...adviseVariables(env),
  ];
}

/**
 * Says which operation the word of another tool means. Where that removes backups, which the word does not do
 * everywhere, the rules by which it removes must be written.
 *
 * @throws ConfigurationError
 */
export function explainAlias(
  { alias, inputs: given }: Arguments,
  read: ReadInput,
  tell: (message: string) => void,
): void {
  if (alias === undefined) return;
  const operation = operationAliases[alias];
  const isSaid = Boolean(read('retention')?.trim()) || given.get('dry-run') === 'true';
  if (operation === 'cleanup' && !isSaid)
    throw new ConfigurationError(
      `\`${alias}\` is \`cleanup\` here, which removes the backups that no retention rule keeps, and no rules are given`,
      say`Run \`cleanup\` with ${nameInput('dry-run', 'true')} to see what it would remove, or write ${nameInput('retention', inputs.retention.default as string)}.`,
    );
  tell(`\`${alias}\` is \`${operation}\` here.`);
}

/**
 * Refuses inputs on the command line that the operation does not use, because a user expects each to have an
 * effect. The environment may serve several operations.
 *
 * @throws ConfigurationError
 */
export function refuseUnused(
  operation: Operation,
  given: Arguments['inputs'],
  configuration: Configuration | undefined,
): void {
  // With a policy it says which of its databases is meant.
  const isUsed = (name: InputName) => name === 'database' && configuration !== undefined;
  const unused = findUnused(operation, (name) => given.get(name)).filter((name) => !isUsed(name));
  if (unused.length === 0) return;
  throw new ConfigurationError(
    `${operation} does not use ${unused.map((name) => `--${name}`).join(', ')}`,
    `Leave it out; \`supabase-backup ${operation} --help\` lists what it uses.`,
  );
}

export function chooseVerbosity({ switches }: Arguments): Verbosity {
  if (switches.has('verbose')) return 'verbose';
  return switches.has('quiet') ? 'quiet' : 'normal';
}
