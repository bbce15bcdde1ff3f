import type { SequenceFact, TableEntry } from '../format/manifest.ts';
import { collectRestored } from '../parity/known-differences.ts';
import type { Advance, Omission } from '../parity/scope.ts';
import { about } from '../parity/subject.ts';
import { qualifiedName } from '../postgres/catalog/tables.ts';
import { quoteLiteral, quoteQualified } from '../postgres/identifier.ts';
import { ownSchema, recordsSchema } from '../postgres/own-schema.ts';
import { openSession, type Session } from '../postgres/session/connection.ts';
import { formatCounted } from '../report/quantity.ts';
import type { Segment } from '../repository/changes/segments.ts';
import type { ObjectReader } from '../repository/objects/store.ts';
import type { Context } from '../runtime/context.ts';
import type { PhaseClock } from '../runtime/phase-clock.ts';
import type { PresentTable } from '../supabase/project-selection.ts';
import { beginStep } from './begun-step.ts';
import type { Recovery } from './choose.ts';
import { tryStatements } from './omission.ts';
import { type Replayed, replayChanges } from './replay/replay.ts';
import { isWhole, type RestoreRequest } from './request.ts';
import type { Progression, RestoreScope } from './scope.ts';

/** Tables whose rows have been loaded. */
export interface LoadedTables {
  readonly created: readonly TableEntry[];
  readonly present: readonly PresentTable[];
  /** The search_path that their functions need; undefined where they need none */
  readonly searchPath?: string | undefined;
}

/** The outcome of rolling a restore forward. */
export interface RolledForward {
  readonly advance: Advance;
  readonly progression: Progression;
  /** What became known only during the replay */
  readonly notCarried: readonly Omission[];
  /** Whether no change of a table was skipped, whatever was expected */
  readonly isComplete: (table: Parameters<typeof qualifiedName>[0]) => boolean;
}

/**
 * Rolls a restore forward to its recovery target, if it has one: replays the captured changes on the loaded
 * tables, and sets the sequences to their values at the end of these. Rows and indexes have to be there, and
 * nothing that would act on a change: foreign keys, triggers and policies come later.
 *
 * @throws TargetError or IntegrityError as `replayChanges` does
 */
export async function rollForward(
  request: RestoreRequest,
  scope: RestoreScope,
  tables: LoadedTables,
  context: Context,
  clock: PhaseClock,
): Promise<RolledForward | undefined> {
  const { recovery, settings, onStep } = request;
  if (recovery === undefined) return undefined;
  const step = { name: 'replay', until: recovery.until } as const;
  const brought = await beginStep(step, onStep, context, async () => {
    const replayed = await replay(request, recovery, scope, tables, context);
    const sequences = chooseSequences(recovery.segments.at(-1), scope);
    await using session = await openSession(settings, context.signal);
    const notCarried = [
      ...(isWhole(request) ? describeElsewhere(scope, replayed) : []),
      ...replayed.notCarried,
      ...(await setSequences(session, sequences)),
    ];
    const advance = { tables: replayed.tables, sequences };
    const progression = toProgression(recovery, replayed);
    return { advance, progression, notCarried, isComplete: findComplete(scope, replayed) };
  });
  clock.end('replay');
  return brought;
}

function toProgression({ until }: Recovery, replayed: Replayed): Progression {
  const { transactions, changes, lastCommitAt, endedBefore, tables } = replayed;
  return { until, transactions, changes, lastCommitAt, endedBefore, tables: tables.size };
}

async function replay(
  { settings }: RestoreRequest,
  { until, segments, readerFor }: Recovery,
  { manifest }: RestoreScope,
  tables: LoadedTables,
  { signal, log }: Context,
): Promise<Replayed> {
  const replayed = await replayChanges(settings, {
    segments: segments.map((segment) => ({
      toXmax: segment.toXmax,
      text: readText(segment, readerFor(segment)),
    })),
    snapshot: manifest.source.snapshot,
    until,
    encoding: manifest.source.encoding,
    ...tables,
    uncovered: segments.flatMap(({ uncovered }) => uncovered),
    signal,
    onProgress: (done) => log.progress(`${describeAmount(done)}, committed until ${done.lastCommitAt}`),
  });
  log.info(`${describeAmount(replayed)} replayed; ${describeEnd(replayed)}`);
  return replayed;
}

function describeAmount({ transactions, changes }: Pick<Replayed, 'transactions' | 'changes'>): string {
  return `${formatCounted(changes, 'change')} of ${formatCounted(transactions, 'transaction')}`;
}

function describeEnd({ lastCommitAt, endedBefore }: Replayed): string {
  const last =
    lastCommitAt === null ? 'none was committed in time' : `the last was committed at ${lastCommitAt}`;
  return endedBefore === null ? last : `${last}, and the next at ${endedBefore}`;
}

/** Reads the text of a segment. Each object is fetched and opened while the one before it is replayed. */
async function* readText(segment: Segment, reader: ObjectReader): AsyncGenerator<Buffer> {
  const read = (index: number): Promise<Buffer> | undefined => {
    const object = segment.objects[index];
    const text = object === undefined ? undefined : reader.read(object);
    // The reader of the text gets the error. A replay that has ended before does not need it.
    text?.catch(() => undefined);
    return text;
  };
  let next = read(0);
  for (let index = 1; next !== undefined; index++) {
    const text = await next;
    next = read(index);
    yield text;
  }
}

/** Finds the tables without a skipped change. Changes of unlogged tables are never captured. */
function findComplete({ tables }: RestoreScope, { uncovered }: Replayed): RolledForward['isComplete'] {
  const lost = new Set(uncovered.map(qualifiedName));
  const complete = tables.filter(
    (table) => table.persistence !== 'unlogged' && !lost.has(qualifiedName(table)),
  );
  const names = new Set(complete.map(qualifiedName));
  return (table) => names.has(qualifiedName(table));
}

const ours = [ownSchema, recordsSchema];

/** Reports changes of tables that no restore loads. */
function describeElsewhere({ manifest }: RestoreScope, { elsewhere }: Replayed): Omission[] {
  const known = new Set(manifest.tables.map(qualifiedName));
  return elsewhere
    .filter((table) => !known.has(qualifiedName(table)) && !ours.includes(table.schema))
    .map((table) => ({
      ...about({ kind: 'changes', table }),
      why: `the backup does not own its rows, because they belong to an extension; ${formatCounted(table.changes, 'change')} skipped`,
      remedy: 'Make the changes again, if you need them.',
    }));
}

/**
 * Chooses the sequences that the restore has set, with their values in the last segment: at least those at
 * the recovery target.
 */
function chooseSequences(last: Segment | undefined, { manifest, selection }: RestoreScope): SequenceFact[] {
  const isRestored = collectRestored(selection);
  const later = new Map(last?.sequences.map((fact) => [qualifiedName(fact), fact]));
  return manifest.facts.sequences.flatMap(({ schema, name }) => {
    const fact = later.get(qualifiedName({ schema, name }));
    if (fact === undefined || !isRestored({ kind: 'sequence set', schema, relation: null, name })) return [];
    const moved = fact.latest === null ? {} : { lastValue: fact.latest, isCalled: true, latest: null };
    return [{ ...fact, ...moved }];
  });
}

function setSequences(session: Session, sequences: readonly SequenceFact[]): Promise<Omission[]> {
  return tryStatements(
    session,
    sequences.map(({ schema, name, lastValue, isCalled }) => ({
      ...about({ kind: 'object', type: 'sequence set', schema, name }),
      sql: `SELECT setval(${quoteLiteral(quoteQualified(schema, name))}, ${quoteLiteral(lastValue)}, ${isCalled})`,
    })),
  );
}
