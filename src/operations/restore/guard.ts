import { isDeepStrictEqual } from 'node:util';
import type { Manifest } from '../../format/manifest.ts';
import { defaultOf } from '../../interface/inputs/taker.ts';
import type { RestoreInputs } from '../../interface/inputs/types.ts';
import { ledgerSchema } from '../../postgres/own-schema.ts';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import { type ConnectionSettings, describeConnection } from '../../postgres/session/settings.ts';
import { describeHindrances, summarize } from '../../restorer/clean/part.ts';
import { findOccupants } from '../../restorer/occupants.ts';
import type { TableSize } from '../../restorer/part/replacement.ts';
import type { MetPart } from '../../restorer/plan.ts';
import { type RestoreMark, readMark } from '../../restorer/unfinished.ts';
import type { World } from '../../runtime/context.ts';
import { ConfigurationError, TargetError } from '../../runtime/errors.ts';
import { append } from '../../runtime/lists.ts';
import { readIdentity } from '../../source/identity.ts';
import { readManagedSchemas } from '../../supabase/managed-schemas.ts';
import { chooseTargetKind, detectTargetKind, type TargetKind } from '../../supabase/target-kind.ts';
import { day } from '../../values/duration.ts';
import { describeLoss } from './loss.ts';
import { isInhabited, type TargetState } from './target-state.ts';

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
    const found = await detectTargetKind(session);
    const { database, databaseOid, systemIdentifier } = await readIdentity(session);
    const occupants = await findOccupants(session, kind);
    const mark = await readMark(session);
    return {
      target: describeConnection(settings),
      ...{ kind, found },
      ...{ database, databaseOid, systemIdentifier, now: world.now().getTime() },
      occupants: occupants
        .filter(({ schema }) => mark === undefined || schema !== ledgerSchema)
        .map(({ what }) => what),
      mark,
      ...(await readSize(session, kind)),
    };
  } finally {
    await session.close();
  }
}

async function readSize(
  session: Session,
  kind: TargetKind,
): Promise<Pick<TargetState, 'tables' | 'rows' | 'held'>> {
  const tables = await session.query<
    TableSize & { member: boolean; made: boolean; [column: string]: unknown }
  >(`
    SELECT n.nspname AS schema, c.relname AS name, greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::bigint AS rows,
           x.config IS NOT NULL AS member, coalesce(c.oid = ANY (x.config), false) AS made
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN LATERAL (
      SELECT coalesce(e.extconfig, '{}') AS config FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS x ON true
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' ORDER BY 1, 2`);
  const managed = kind === 'plain' ? new Set<string>() : await readManagedSchemas(session);
  // Of a plain target extensions go as well, with what somebody has added to them; what they declare as configuration, backups have.
  const isKept = ({ member, made, rows }: (typeof tables)[number]) =>
    member && (kind !== 'plain' || made || rows === 0);
  return {
    tables: tables.length,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    held: tables.filter(
      (table) => !isKept(table) && !managed.has(table.schema) && table.schema !== ledgerSchema,
    ),
  };
}

export function isSourceOf({ source }: Manifest, state: TargetState): boolean {
  return source.systemIdentifier === state.systemIdentifier && source.database === state.database;
}

/** A database keeps its oid when it is renamed. */
function wasSourceOf({ source }: Manifest, state: TargetState): boolean {
  return source.systemIdentifier === state.systemIdentifier && source.databaseOid === state.databaseOid;
}

/**
 * Makes sure that what is about to be emptied is what was looked at: a name may lead to another server by then, and a database to another.
 *
 * @throws TargetError
 */
export async function refuseAnother(session: Session, state: TargetState): Promise<void> {
  const { databaseOid, systemIdentifier } = await readIdentity(session);
  if (databaseOid === state.databaseOid && systemIdentifier === state.systemIdentifier) return;
  throw new TargetError(
    `target-url: ${state.target} is another database by now than the one that was looked at when the restore began`,
    'Nothing was touched. Give an address that always leads to the same server, and run the restore again.',
  );
}

/** Whether something of the target has to give way first: all of it, or what a part of the backup replaces. */
export function isOccupied(state: TargetState): boolean {
  if (state.part === undefined) return isInhabited(state);
  return state.part.replaced.objects.length > 0 || state.mark !== undefined;
}

/** milliseconds; nobody waits longer with a restore that did not come to its end, and somebody may have begun to use what there is */
const freshMark = day;

/**
 * Whether there is something to be lost: not where an unfinished restore made all that there is. One that stopped when everything was there
 * may have been taken for done.
 */
export function isWorthKeeping(state: TargetState): boolean {
  const { mark } = state;
  if (!isInhabited(state)) return false;
  if (mark?.wasEmpty !== true || mark.databaseOid !== state.databaseOid) return true;
  const age = state.now - Date.parse(mark.startedAt);
  return !(age >= 0 && age < freshMark) || mark.stepName === 'comparing';
}

const shown = 5;

/** What the target holds, in words. */
export function describeOccupants({ occupants, mark }: TargetState): string {
  const more = occupants.length - shown;
  const unfinished = mark === undefined ? '' : `${describeUnfinished(mark)}, `;
  const names = occupants.slice(0, shown).join(', ');
  return `${unfinished}${names}${more > 0 ? ` and ${more} more objects` : ''}`.replace(/, $/, '');
}

function describeUnfinished(mark: RestoreMark): string {
  const before = mark.safetyBackup === null ? '' : ` (what was there before is backup ${mark.safetyBackup})`;
  return `a restore of backup ${mark.backup}, begun ${mark.startedAt} by ${mark.startedBy}, that stopped at the step "${mark.step}"${before}`;
}

/** Names of environments whose users expect that they are emptied. As words: `live-testing` is two, and `attest` is none of them. */
const expendable = /(?<![a-z])(staging|stage|test|testing|dev|development|preview|local)(?![a-z])/i;

/**
 * What is named for production, or for nothing that is known to be less. Words too many are typed; words that were not asked for are a
 * database.
 */
function mayBeProduction(environment: string | undefined): boolean {
  if (environment === undefined) return false;
  return /prod|live/i.test(environment) || !expendable.test(environment);
}

/** Why somebody has to answer for this restore; none when nobody has to. */
export function findReasons(inputs: RestoreInputs, manifest: Manifest, state: TargetState): string[] {
  return [
    ...nameSource(manifest, state),
    ...(mayBeProduction(inputs.environment) ? [`environment is ${inputs.environment}`] : []),
    ...([state.kind, state.found].includes('supabase-project') && isWorthKeeping(state)
      ? ['it is a Supabase project that is not empty']
      : []),
  ];
}

function nameSource(manifest: Manifest, state: TargetState): string[] {
  if (isSourceOf(manifest, state)) return ['it is the database that was backed up'];
  if (!wasSourceOf(manifest, state)) return [];
  return [`it is the database that was backed up, which was ${manifest.source.database} then`];
}

/** Whether the target is backed up before it is emptied. */
export function needsSafetyBackup({ clean, safetyBackup }: RestoreInputs, state: TargetState): boolean {
  return clean && safetyBackup && isOccupied(state) && isWorthKeeping(state);
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
  if (state.part !== undefined) append(refusals, findMeetings(inputs, state, state.part));
  else if (isOccupied(state) && !inputs.clean) {
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
        `confirm: ${state.target} needs words that confirm the restore: ${reasons.join(', ')}; ${describeLoss(manifest, state)}`,
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
        `safety-storage: is required, because ${state.target} is to be emptied or changed and is not the database of this repository, which holds only one`,
        'Say where its safety backup goes, or restore without one: safety-backup: false.',
      ),
    );
  }
  return refusals;
}

/** What of a part stands in its own way. */
function findMeetings(
  inputs: RestoreInputs,
  state: TargetState,
  { replaced, filled, collisions, misfits = [], takenSequences = [] }: MetPart,
): ConfigurationError[] {
  const { mark } = state;
  const refusals: ConfigurationError[] = [];
  if (mark !== undefined && !isSamePart(inputs, mark)) {
    refusals.push(
      new ConfigurationError(
        `target-url: it has ${describeUnfinished(mark)}, which was another part of it or all`,
        'Bring that one to its end first, with clean and the same include and exclude, and then restore this part.',
      ),
    );
  }
  if (filled.length > 0) {
    refusals.push(
      new ConfigurationError(
        `include: the target has rows of ${summarize(filled)} already, and tables of the platform are not replaced`,
        'Leave them out with exclude, or restore their rows beside the live tables with side-schema.',
      ),
    );
  }
  if (collisions.length > 0) {
    refusals.push(
      new ConfigurationError(
        `target-url: indexes of the backup have names that something else there has: ${summarize(collisions)}`,
        'A table that was renamed keeps the names of its indexes: rename these too (ALTER INDEX … RENAME TO …), or drop what has them.',
      ),
    );
  }
  if (takenSequences.length > 0) {
    refusals.push(
      new ConfigurationError(
        `target-url: columns of the backup number their rows by sequences that belong to another table there: ${summarize(takenSequences)}`,
        'A table that was renamed keeps the names of its sequences: rename these too (ALTER SEQUENCE … RENAME TO …), or drop what has them.',
      ),
    );
  }
  if (misfits.length > 0 && replaced.objects.length > 0) {
    refusals.push(
      new ConfigurationError(
        `clean: what is to be replaced needs things that the target has otherwise than the backup: ${summarize(misfits)}; its rows could be lost, and those of the backup not fit`,
        'Name these in include as well, alter them to what they were, or restore the rows beside the live tables with side-schema.',
      ),
    );
  }
  if (isOccupied(state) && !inputs.clean) {
    const names = summarize(replaced.names);
    refusals.push(
      new ConfigurationError(
        `target-url: it has ${mark === undefined ? `${names} already` : describeUnfinished(mark)}`,
        'Have just these replaced with clean, restore their rows beside them with side-schema, or restore into another database.',
      ),
    );
  }
  const hindrance = describeHindrances(replaced);
  return hindrance === undefined ? refusals : [...refusals, hindrance];
}

function isSamePart({ include, exclude }: RestoreInputs, { part }: RestoreMark): boolean {
  return part !== undefined && isDeepStrictEqual([include, exclude], [part.include, part.exclude]);
}
