import { quoteForShell } from '../../../values/shell-word.ts';
import type { DatabaseFacts, Place } from '../facts.ts';

/** How much comes back */
export type Scope = 'whole' | 'tables' | 'rows';
/** Up to when */
export type Point = 'backup' | 'time';
/** Into what: nothing is lost in an empty database, and beside live tables only rows are added. */
export type Target = 'empty' | 'production' | 'live';

/**
 * A way to restore, as lines for a shell. Where a word of the user goes, a line has a token: `{backup}`,
 * `{time}`, `{tables}` and `{confirm}`.
 */
export interface Way {
  readonly scope: Scope;
  readonly point: Point;
  readonly target: Target;
  /** Shows what would be done, and does nothing */
  readonly preview: string;
  readonly command: string;
  /** Starts the workflow of examples/emergency-restore.yml; undefined: it has no such way */
  readonly workflow: string | undefined;
}

/** The words that a person types for production */
export const confirmingWords = 'RESTORE PRODUCTION';

/** The schema that gets rows beside the live tables */
const sideSchema = 'rescue';

type Options = readonly (readonly [name: string, value: string])[];

/** Lists all ways; those to a time only where changes are captured. */
export function listWays({ place, recoverable }: Pick<DatabaseFacts, 'place' | 'recoverable'>): Way[] {
  const points: readonly Point[] = recoverable.captured ? ['backup', 'time'] : ['backup'];
  const ways = points.flatMap((point) =>
    (['whole', 'tables'] as const).flatMap((scope) =>
      (['empty', 'production'] as const).map((target) =>
        makeWay({ scope, point, target }, place, { isBound: false }),
      ),
    ),
  );
  return [...ways, makeWay({ scope: 'rows', point: 'backup', target: 'live' }, place, { isBound: false })];
}

export function keyOf({ scope, point, target }: Pick<Way, 'scope' | 'point' | 'target'>): string {
  return `${scope}-${point}-${target}`;
}

/**
 * Writes one way.
 *
 * @param isBound whether a way to a time names the backup, too: then nothing is chosen when the line is run
 */
export function makeWay(
  choice: Pick<Way, 'scope' | 'point' | 'target'>,
  place: Place,
  { isBound }: { readonly isBound: boolean },
): Way {
  const { scope, point, target } = choice;
  const chosen: Options = [
    ...(point === 'backup' || isBound ? [['backup-id', '{backup}'] as const] : []),
    ...(point === 'time' ? [['recovery-target-time', '{time}'] as const] : []),
    ...(scope === 'whole' ? [] : [['include', '{tables}'] as const]),
  ];
  const clean: Options = target === 'production' ? [['clean', 'true']] : [];
  const kept: Options =
    target === 'production'
      ? [['environment', 'production']]
      : scope === 'rows'
        ? [['side-schema', sideSchema]]
        : [];
  const line = (more: Options) =>
    [
      'supabase-backup restore',
      ...[...listPlace(place), ...chosen, ...clean, ...kept, ...more].map(writeOption),
    ].join(' ');
  const confirm: Options = target === 'production' ? [['confirm', '{confirm}']] : [];
  const report: Options = scope === 'rows' ? [['report-folder', './bring-back']] : [];
  return {
    ...choice,
    preview: line([['dry-run', 'true']]),
    command: line([...confirm, ...report]),
    workflow: scope === 'rows' ? undefined : startWorkflow([...chosen, ...clean]),
  };
}

function startWorkflow(chosen: Options): string {
  const inputs: Options = [...chosen, ['dry-run', 'false'], ['confirm', '{confirm}']];
  return [
    'gh workflow run emergency-restore.yml',
    ...inputs.map(([name, value]) => `-f ${name}=${writeValue(value)}`),
  ].join(' ');
}

function listPlace(place: Place): Options {
  return Object.entries(place).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
}

/** A flag stands alone. */
function writeOption([name, value]: Options[number]): string {
  return value === 'true' ? `--${name}` : `--${name} ${writeValue(value)}`;
}

/**
 * A token stays as it is: what replaces it is quoted then. What only looks like one within a name is taken apart
 * by quotes, which the shell joins.
 */
function writeValue(value: string): string {
  if (/^\{(backup|time|tables|confirm)\}$/.test(value)) return value;
  return quoteForShell(value).replace(/\{(?=(backup|time|tables|confirm)\})/g, "{''");
}

/** What tokens stand for; a token without a value stays. */
export type Words = Readonly<Partial<Record<'backup' | 'time' | 'tables' | 'confirm', string>>>;

/** Puts words in place of tokens, each quoted for the shell. The script of the page does the same. */
export function fillIn(line: string, words: Words): string {
  return line.replace(/\{(backup|time|tables|confirm)\}/g, (token, name: keyof Words) => {
    const word = words[name];
    return word === undefined ? token : quoteForShell(word);
  });
}

/** Lists what has to be in the environment before any of the commands; the values are the user's secrets. */
export function listSettings({ place, repository }: Pick<DatabaseFacts, 'place' | 'repository'>): string[] {
  return [
    "export SUPABASE_BACKUP_TARGET_URL='postgresql://…'",
    ...(place.storage.startsWith('s3:') ? ['export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…'] : []),
    ...(repository.encryption.scheme === 'age'
      ? ['export SUPABASE_BACKUP_ENCRYPTION_IDENTITY=./identity.txt']
      : []),
    ...(repository.keyHeld === 'outside' ? ['export SUPABASE_BACKUP_REPOSITORY_KEY=…'] : []),
  ];
}
