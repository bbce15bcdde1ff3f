import type { SequenceState } from '../../format/manifest.ts';
import { SourceError } from '../../runtime/errors.ts';
import { quoteQualified } from '../identifier.ts';
import type { Session } from '../session/connection.ts';

interface Sequence {
  readonly schema: string;
  readonly name: string;
  readonly oid: number;
}

/** Sequences whose states one statement reads. */
const batch = 200;

/**
 * Reads the states of sequences by oid: a name may mean another relation by now, and planning a query on a
 * table calls functions of its indexes with our privileges. Before PostgreSQL 18 the server returns nothing
 * by oid for a sequence that has not given out a value yet, and pg_dump reads all sequences by name. So the
 * names must mean these sequences, and keep meaning them.
 *
 * @param session has listed the sequences, and keeps their names from changing
 * @param values reads the values. Reading by oid locks a sequence against ALTER SEQUENCE until the
 *   transaction ends, and further sessions queue behind a waiting ALTER SEQUENCE, so this session must not be
 *   in a long transaction.
 * @throws SourceError when a sequence has been renamed or dropped since it was listed
 */
export async function readStates(
  session: Session,
  sequences: readonly Sequence[],
  values = session,
): Promise<SequenceState[]> {
  if (session.serverVersion < 180000) await holdNames(session, sequences);
  const known = await readByOid(values, sequences);
  const rest = sequences.filter(({ oid }) => !known.has(oid));
  const named = values.guarded ? await readByName(values, rest) : await readStarts(values, rest);
  return sequences.flatMap(({ schema, name, oid }) => {
    const state = known.get(oid) ?? named.get(oid);
    return state === undefined ? [] : [{ schema, name, ...state }];
  });
}

/**
 * Keeps sequences from being renamed until the transaction ends, as a SELECT does. PREPARE locks without
 * planning.
 */
async function holdNames(session: Session, sequences: readonly Sequence[]): Promise<void> {
  for (let start = 0; start < sequences.length; start += batch) {
    const part = sequences.slice(start, start + batch);
    const all = part.map(({ schema, name }) => `SELECT 1 FROM ${quoteQualified(schema, name)}`);
    // In this order, and in one round trip.
    await Promise.all([
      refuseMoved(session, part),
      session.query(`PREPARE supabase_backup_names AS ${all.join(' UNION ALL ')}`),
      session.query('DEALLOCATE supabase_backup_names'),
      refuseMoved(session, part),
    ]);
  }
}

type Value = Pick<SequenceState, 'lastValue' | 'isCalled'>;

async function readByOid(session: Session, sequences: readonly Sequence[]): Promise<Map<number, Value>> {
  const read =
    session.serverVersion >= 180000
      ? 'pg_get_sequence_data(seqrelid) AS s (last, called)'
      : '(SELECT pg_sequence_last_value(seqrelid), true) AS s (last, called)';
  const rows = await session.query<{ oid: number; last: string; called: boolean }>(
    `SELECT seqrelid AS oid, s.last::text AS last, s.called FROM pg_sequence, LATERAL ${read}
     WHERE seqrelid = ANY ($1::oid[]) AND s.last IS NOT NULL`,
    [listOids(sequences)],
  );
  return new Map(rows.map(({ oid, last, called }) => [oid, { lastValue: last, isCalled: called }]));
}

async function readByName(session: Session, sequences: readonly Sequence[]): Promise<Map<number, Value>> {
  const values = new Map<number, Value>();
  for (let start = 0; start < sequences.length; start += batch) {
    const part = sequences.slice(start, start + batch);
    const rows = await session.query<{ oid: number; last: string; called: boolean }>(
      part
        .map(
          ({ schema, name, oid }) =>
            `SELECT ${oid}::oid AS oid, last_value::text AS last, is_called AS called FROM ${quoteQualified(schema, name)}`,
        )
        .join(' UNION ALL '),
    );
    for (const { oid, last, called } of rows) values.set(oid, { lastValue: last, isCalled: called });
  }
  return values;
}

/** The server resolves names in the present, whatever the snapshot. */
async function refuseMoved(session: Session, sequences: readonly Sequence[]): Promise<void> {
  const names = sequences.map(({ schema, name }) => quoteQualified(schema, name));
  const moved = await session.query<{ name: string }>(
    'SELECT s.name FROM unnest($1::oid[], $2::text[]) AS s (oid, name) WHERE to_regclass(s.name)::oid IS DISTINCT FROM s.oid',
    [listOids(sequences), names],
  );
  if (moved.length === 0) return;
  throw new SourceError(
    `sequence ${moved
      .slice(0, 5)
      .map(({ name }) => name)
      .join(', ')}: renamed or dropped while it was read`,
    'Run this again when no migration is running.',
  );
}

/**
 * Assumes the start value for sequences not used yet, because a server that cannot keep a session from
 * reading views is never queried by name. The effect of setval(…, false) is not seen then.
 */
async function readStarts(session: Session, sequences: readonly Sequence[]): Promise<Map<number, Value>> {
  const rows = await session.query<{ oid: number; start: string }>(
    'SELECT seqrelid AS oid, seqstart::text AS start FROM pg_sequence WHERE seqrelid = ANY ($1::oid[])',
    [listOids(sequences)],
  );
  return new Map(rows.map(({ oid, start }) => [oid, { lastValue: start, isCalled: false }]));
}

const listOids = (sequences: readonly Sequence[]) => `{${sequences.map(({ oid }) => oid).join(',')}}`;
