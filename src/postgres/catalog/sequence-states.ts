import type { SequenceState } from '../../format/manifest.ts';
import { SourceError } from '../../runtime/errors.ts';
import { quoteQualified } from '../identifier.ts';
import type { Session } from '../session/connection.ts';

interface Sequence {
  readonly schema: string;
  readonly name: string;
  readonly oid: number;
}

/** Sequences whose state is read in one statement. */
const batch = 200;

/**
 * The states of sequences, by their oids: a name may mean something else by now, and to plan a query on a table calls functions of its indexes,
 * as whoever asks. Before PostgreSQL 18 the server tells nothing by oid of a sequence that has not given out a value yet, and pg_dump reads all
 * by their names: those have to mean what they did, and to go on to do so.
 *
 * @param session that knows the sequences
 * @param values reads them. What tells by oid locks a sequence against ALTER SEQUENCE to the end of the transaction, and whoever waits for that
 * is waited for by everybody: not in a transaction that is long.
 * @throws SourceError when one of them has been renamed or dropped since it was listed
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

/** Keeps sequences from being renamed, as a SELECT does: until the transaction ends. To prepare a statement is to lock, and not to plan. */
async function holdNames(session: Session, sequences: readonly Sequence[]): Promise<void> {
  for (let start = 0; start < sequences.length; start += batch) {
    const part = sequences.slice(start, start + batch);
    const all = part.map(({ schema, name }) => `SELECT 1 FROM ${quoteQualified(schema, name)}`);
    // In this order, and in one trip.
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

/** The server looks a name up in the present, whatever the snapshot. */
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
    'Run it again, when no migration is running.',
  );
}

/** A server that cannot keep a session from views is asked for no name at all; a value that was set and not called is not told then. */
async function readStarts(session: Session, sequences: readonly Sequence[]): Promise<Map<number, Value>> {
  const rows = await session.query<{ oid: number; start: string }>(
    'SELECT seqrelid AS oid, seqstart::text AS start FROM pg_sequence WHERE seqrelid = ANY ($1::oid[])',
    [listOids(sequences)],
  );
  return new Map(rows.map(({ oid, start }) => [oid, { lastValue: start, isCalled: false }]));
}

const listOids = (sequences: readonly Sequence[]) => `{${sequences.map(({ oid }) => oid).join(',')}}`;
