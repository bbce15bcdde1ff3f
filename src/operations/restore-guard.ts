import { ConfigurationError } from '../errors.ts';
import { defaultOf, type RestoreInputs } from '../inputs.ts';
import { openSession, type Session } from '../postgres/connection.ts';
import { ledgerSchema } from '../postgres/ledger-schema.ts';
import { type ConnectionSettings, describeConnection } from '../postgres/settings.ts';
import { formatCount, formatCounted } from '../report/quantity.ts';
import type { Manifest } from '../repository/manifest.ts';
import { readIdentity } from '../source/identity.ts';
import { chooseTargetKind, type TargetKind } from '../supabase/target-kind.ts';
import { findOccupants } from '../target/preflight.ts';
import { type RestoreMark, readMark } from '../target/restore-mark.ts';
import type { World } from '../world.ts';

/** What a target is and holds, before anything of it is touched. */
export interface TargetState {
  /** User, host, port and database */
  readonly target: string;
  readonly kind: TargetKind;
  readonly database: string;
  readonly systemIdentifier: string;
  /** What a user made there, in words; none when it may be restored into as it is */
  readonly occupants: readonly string[];
  readonly tables: number;
  /** As the planner estimates them */
  readonly rows: number;
  /** What an unfinished restore left */
  readonly mark: RestoreMark | undefined;
}

/** The words that `confirm` takes. */
const words = 'RESTORE PRODUCTION';

/**
 * Inputs that contradict each other, told before anything is opened.
 *
 * @throws ConfigurationError
 */
export function refuseContradictions(inputs: RestoreInputs): void {
  const { clean, safetyBackup, safetyStorage, stagingUrl, fallback } = inputs;
  if (safetyStorage !== undefined && !(clean && safetyBackup)) {
    throw new ConfigurationError(
      `safety-storage: no safety backup is taken ${clean ? 'with safety-backup false' : 'without clean'}`,
      `Leave safety-storage out, or ${clean ? 'safety-backup' : 'give clean'}.`,
    );
  }
  if (stagingUrl === undefined && fallback !== Number(defaultOf('fallback', 'restore'))) {
    throw new ConfigurationError(
      'fallback: is given without staging-url, and a restore into the target falls back on nothing',
      'Give staging-url, where backups can be tried, or leave fallback out.',
    );
  }
}

/** @throws ConfigurationError when the target cannot be what `target-kind` says */
export async function lookAtTarget(
  settings: ConnectionSettings,
  { targetKind }: RestoreInputs,
  world: World,
): Promise<TargetState> {
  const session = await openSession(settings, world.signal);
  try {
    const kind = await chooseTargetKind(session, targetKind);
    const { database, systemIdentifier } = await readIdentity(session);
    const occupants = await findOccupants(session, kind);
    const mark = await readMark(session);
    return {
      target: describeConnection(settings),
      kind,
      database,
      systemIdentifier,
      occupants: mark === undefined ? occupants : occupants.filter((what) => !isOfMark(what)),
      mark,
      ...(await readSize(session)),
    };
  } finally {
    await session.close();
  }
}

function isOfMark(what: string): boolean {
  return what.includes(` ${ledgerSchema}.`);
}

async function readSize(session: Session): Promise<{ tables: number; rows: number }> {
  const [row] = await session.query<{ tables: number; rows: number }>(`
    SELECT count(*) AS tables, coalesce(sum(greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)), 0)::bigint AS rows
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'`);
  return row ?? { tables: 0, rows: 0 };
}

export function isSourceOf({ source }: Manifest, state: TargetState): boolean {
  return source.systemIdentifier === state.systemIdentifier && source.database === state.database;
}

/** Whether the target has to be emptied first. */
export function isOccupied({ occupants, mark }: TargetState): boolean {
  return occupants.length > 0 || mark !== undefined;
}

/** Whether there is something to be lost: not where an unfinished restore made all that there is. */
export function isWorthKeeping(state: TargetState): boolean {
  return isOccupied(state) && state.mark?.wasEmpty !== true;
}

const shown = 5;

/** What the target holds, in words. */
export function describeOccupants({ occupants, mark }: TargetState): string {
  const more = occupants.length - shown;
  const unfinished =
    mark === undefined
      ? ''
      : `a restore of backup ${mark.backup}, begun ${mark.startedAt} by ${mark.startedBy}, that stopped at the step "${mark.step}"${mark.safetyBackup === null ? '' : ` (what was there before is backup ${mark.safetyBackup})`}, `;
  const names = occupants.slice(0, shown).join(', ');
  return `${unfinished}${names}${more > 0 ? ` and ${more} more objects` : ''}`.replace(/, $/, '');
}

/** Why somebody has to answer for this restore; none when nobody has to. */
export function findReasons(inputs: RestoreInputs, manifest: Manifest, state: TargetState): string[] {
  return [
    ...(isSourceOf(manifest, state) ? ['it is the database that was backed up'] : []),
    ...(inputs.environment?.toLowerCase() === 'production' ? ['environment is production'] : []),
    ...(state.kind === 'supabase-project' && isWorthKeeping(state)
      ? ['it is a Supabase project that is not empty']
      : []),
  ];
}

/** Whether the target is backed up before it is emptied. */
export function needsSafetyBackup({ clean, safetyBackup }: RestoreInputs, state: TargetState): boolean {
  return clean && safetyBackup && isWorthKeeping(state);
}

/**
 * Everything that has to be asked for, one after another; what is empty, is nobody's production and was not backed up needs nothing.
 *
 * @returns what is missing for the restore to begin
 */
export function findRefusals(
  inputs: RestoreInputs,
  manifest: Manifest,
  state: TargetState,
): ConfigurationError[] {
  const refusals: ConfigurationError[] = [];
  if (isOccupied(state) && !inputs.clean) {
    refusals.push(
      new ConfigurationError(
        `target-url: the database is not empty: it has ${describeOccupants(state)}`,
        'Restore into a new database (CREATE DATABASE … TEMPLATE template0), or have this one emptied first with clean.',
      ),
    );
  }
  const reasons = findReasons(inputs, manifest, state);
  if (reasons.length > 0 && !inputs.confirmed) {
    refusals.push(
      new ConfigurationError(
        `confirm: ${state.target} needs words that confirm the restore: ${reasons.join(', ')}; ${describeLoss(state)}`,
        `Whoever answers for it types them: confirm: ${words}.`,
      ),
    );
  }
  if (
    needsSafetyBackup(inputs, state) &&
    inputs.safetyStorage === undefined &&
    !isSourceOf(manifest, state)
  ) {
    refusals.push(
      new ConfigurationError(
        `safety-storage: is required, because ${state.target} is to be emptied and is not the database of this repository, which holds only one`,
        'Say where its safety backup goes, or restore without one: safety-backup: false.',
      ),
    );
  }
  return refusals;
}

function describeLoss(state: TargetState): string {
  if (!isOccupied(state)) return 'it is empty';
  return `its ${formatCounted(state.tables, 'table')} with about ${formatCount(state.rows)} rows would be replaced`;
}
