import type { SequenceFact, SequenceState } from '../format/manifest.ts';
import { readReadableSequences } from '../postgres/catalog/facts.ts';
import { findUnplannable } from '../postgres/catalog/plannable.ts';
import { qualifiedName } from '../postgres/catalog/tables.ts';
import { quoteIdentifier, quoteQualified } from '../postgres/identifier.ts';
import type { Session } from '../postgres/session/connection.ts';
import { judge, type KnownDifference } from './known-differences.ts';
import type { ParityLine } from './line.ts';
import { identify } from './rows.ts';

/** Returns the expected values of sequences: those of the backup, or those that a replay set since. */
export function expectSequences(
  recorded: readonly SequenceFact[],
  advanced: readonly SequenceFact[] = [],
): SequenceFact[] {
  const later = new Map(advanced.map((fact) => [identify(fact), fact]));
  return recorded.map((fact) => later.get(identify(fact)) ?? fact);
}

/**
 * Compares the values of sequences, and checks whether a column is already past the sequence that numbers it.
 * The next insert would then fail, which is noted even if it was the same in the source.
 */
export async function compareSequences(
  session: Session,
  facts: readonly SequenceFact[],
  known: KnownDifference,
): Promise<ParityLine[]> {
  const { states, closed } = await readReadableSequences(session);
  const unread = new Set(closed.map(identify));
  const found = new Map(states.map((state) => [identify(state), state]));
  const behind = await findBehind(session, found);
  return facts.map((fact) => {
    const state = found.get(identify(fact));
    const line = judge(
      {
        kind: 'sequence',
        what: qualifiedName(fact),
        expected: fact.latest === null ? describeState(fact) : `${fact.lastValue} to ${fact.latest}`,
        found:
          state === undefined
            ? unread.has(identify(fact))
              ? 'unknown'
              : 'no such sequence'
            : describeState(state),
      },
      state !== undefined && isWithin(fact, state),
      known({ kind: 'sequence', schema: fact.schema, relation: null, name: fact.name }) ??
        (unread.has(identify(fact)) ? 'the connected role may not read it' : undefined),
    );
    const told = behind.get(identify(fact));
    if (told === undefined) return line;
    const note = line.status === 'equal' ? `${told}, as in the source` : told;
    return { ...line, why: line.why === undefined ? note : `${line.why}; ${note}` };
  });
}

/**
 * Tells whether a value fits. A sequence that advanced while the archive was written may have any value of
 * that interval.
 */
function isWithin(fact: SequenceFact, state: SequenceState): boolean {
  if (fact.latest === null) return state.lastValue === fact.lastValue && state.isCalled === fact.isCalled;
  const [first, last, value] = [BigInt(fact.lastValue), BigInt(fact.latest), BigInt(state.lastValue)];
  return first <= last ? first <= value && value <= last : last <= value && value <= first;
}

function describeState(state: { lastValue: string; isCalled: boolean }): string {
  return `${state.lastValue}${state.isCalled ? '' : ' (not called)'}`;
}

interface OwnedSequence {
  /** oid of the table */
  oid: number;
  schema: string;
  name: string;
  table_schema: string;
  table_name: string;
  column: string;
  down: boolean;
}

/** Sequences owned by an integer column whose largest value an index can find */
const ownedQuery = `
  SELECT t.oid, n.nspname AS schema, c.relname AS name, tn.nspname AS table_schema, t.relname AS table_name, a.attname AS column,
         s.seqincrement < 0 AS down
  FROM pg_sequence s
  JOIN pg_class c ON c.oid = s.seqrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
                  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
  JOIN pg_class t ON t.oid = d.refobjid AND t.relkind IN ('r', 'p')
  JOIN pg_namespace tn ON tn.oid = t.relnamespace
  JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
  WHERE NOT s.seqcycle AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
    AND has_schema_privilege(tn.oid, 'USAGE') AND has_column_privilege(t.oid, a.attnum, 'SELECT')
    AND NOT row_security_active(t.oid)
    AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indkey[0] = a.attnum AND i.indisvalid
                                         AND i.indpred IS NULL)`;

/** The most columns whose last value is read in one statement */
const batch = 200;

/** Describes the sequences that are behind their columns, by sequence; the others are left out. */
async function findBehind(
  session: Session,
  states: ReadonlyMap<string, SequenceState>,
): Promise<Map<string, string>> {
  const all = (await session.query<OwnedSequence & Record<string, unknown>>(ownedQuery)).filter((row) =>
    states.has(identify(row)),
  );
  const tables = all.map(({ oid, table_schema, table_name }) => ({
    oid,
    schema: table_schema,
    name: table_name,
  }));
  await session.query('BEGIN');
  const unplannable = await findUnplannable(session, tables);
  await session.query('COMMIT');
  const owned = all.filter(({ oid }) => !unplannable.has(oid));
  const behind = new Map<string, string>();
  for (let start = 0; start < owned.length; start += batch) {
    const part = owned.slice(start, start + batch);
    const rows = await session.query<{ index: number; last: string | null }>(
      part
        .map(({ table_schema, table_name, column, down }, index) => {
          const last = `${down ? 'min' : 'max'}(${quoteIdentifier(column)})`;
          return `SELECT ${index} AS index, ${last}::text AS last FROM ${quoteQualified(table_schema, table_name)}`;
        })
        .join(' UNION ALL '),
    );
    for (const { index, last } of rows) {
      const sequence = part[index];
      const state = sequence && states.get(identify(sequence));
      if (!state || last === null || !isBehind(state, BigInt(last), sequence.down)) continue;
      behind.set(
        identify(sequence),
        `behind: ${sequence.table_schema}.${sequence.table_name}.${sequence.column} is at ${last}`,
      );
    }
  }
  return behind;
}

/** Tells whether a sequence is behind. One that was not called yet returns its value itself first. */
function isBehind(state: SequenceState, last: bigint, down: boolean): boolean {
  const value = BigInt(state.lastValue);
  const ahead = down ? value - last : last - value;
  return state.isCalled ? ahead > 0n : ahead >= 0n;
}
