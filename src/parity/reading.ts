import type { Definition } from '../format/supplement.ts';
import { findTexts, joinDetail, type SplitDetail, splitDetail } from '../postgres/catalog/printed-text.ts';
import { quoteIdentifier } from '../postgres/identifier.ts';
import { openSession, type Session } from '../postgres/session/connection.ts';
import { applySettings } from '../postgres/session/output-settings.ts';
import { refusalOf } from '../postgres/session/server-error.ts';
import type { ConnectionSettings } from '../postgres/session/settings.ts';
import { definitionDigest } from './same.ts';
import { type Reading, writeReading } from './statements.ts';

/** One text of one definition that the source and the target print differently */
interface TextDifference {
  /** Index into the expected definitions */
  readonly line: number;
  /** Index of the text within the definition */
  readonly at: number;
  readonly want: Reading;
  readonly have: Reading;
  /** The text that the target prints for its own definition */
  readonly found: string;
}

/**
 * Rewrites the source's definitions as the target's server prints them, because a server may print the same
 * definition differently after a dump and restore, or in another major version. Where two texts differ, the
 * target's server parses the text of the source and prints it again. A text that it cannot parse stays as it
 * is.
 *
 * The texts are parsed in a transaction that is rolled back, on temporary objects: expressions are parsed for
 * empty tables, and no event trigger fires. The user's tables are locked as by a SELECT. Where nothing
 * differs, the server is not asked.
 *
 * @param found the definitions that `readDefinitions` reads from the target
 * @returns the expected definitions, in their order
 */
export async function putInWordsOf(
  settings: ConnectionSettings,
  encoding: string,
  expected: readonly Definition[],
  found: readonly Definition[],
  signal: AbortSignal,
): Promise<readonly Definition[]> {
  const split = pairTexts(expected, found);
  const differing = findTextDifferences(expected, split);
  if (differing.length === 0) return expected;
  await using session = await openSession(settings, signal);
  await applySettings(session, encoding);
  const wanted = await readTexts(
    session,
    differing.map(({ want }) => want),
  );
  // The target's own texts may be as they were typed; they are parsed and printed, too, before the two are
  // compared.
  const open = differing.map(
    (difference, index) => wanted[index] !== null && wanted[index] !== difference.found,
  );
  const there = await readTexts(
    session,
    differing.filter((_, index) => open[index]).map(({ have }) => have),
  );
  const again = differing.map((_, index) => (open[index] ? there.shift() : undefined));
  const printed = Map.groupBy(
    differing.map(({ line, at, found: text }, index) => ({
      ...{ line, at },
      text: again[index] === wanted[index] ? text : wanted[index],
    })),
    ({ line }) => line,
  );
  return expected.map((line, index) => putAnew(line, split.get(index)?.want, printed.get(index)));
}

interface Pair {
  readonly want: SplitDetail;
  readonly have: SplitDetail;
}

/** Pairs definitions that differ only in their texts, by index into the expected ones. */
function pairTexts(expected: readonly Definition[], found: readonly Definition[]): Map<number, Pair> {
  const targets = Map.groupBy(found, identify);
  return new Map(
    expected.flatMap((line, index): [number, Pair][] => {
      const [have, ...others] = targets.get(identify(line)) ?? [];
      if (have === undefined || others.length > 0 || have.detail === line.detail) return [];
      if (definitionDigest.test(line.detail)) return [];
      const there = splitDetail(have.detail);
      const texts = there.texts.length === 0 ? undefined : findTexts(line.detail, there.parts);
      return texts === undefined ? [] : [[index, { want: { ...there, texts }, have: there }]];
    }),
  );
}

function identify({ kind, schema, relation, name }: Definition): string {
  return JSON.stringify([kind, schema, relation, name]);
}

function findTextDifferences(
  expected: readonly Definition[],
  pairs: ReadonlyMap<number, Pair>,
): TextDifference[] {
  return [...pairs].flatMap(([line, pair]) =>
    pair.have.texts.flatMap((found, at): TextDifference[] => {
      const subject = expected[line];
      if (found === pair.want.texts[at] || subject === undefined) return [];
      const [want, have] = [pair.want, pair.have].map((detail) => writeReading(subject, detail, at));
      return want === undefined || have === undefined ? [] : [{ line, at, want, have, found }];
    }),
  );
}

function putAnew(
  line: Definition,
  want: SplitDetail | undefined,
  printed: readonly { readonly at: number; readonly text: string | null | undefined }[] = [],
): Definition {
  if (want === undefined) return line;
  const anew = new Map(printed.map(({ at, text }) => [at, text]));
  return {
    ...line,
    detail: joinDetail({ ...want, texts: want.texts.map((text, at) => anew.get(at) ?? text) }),
  };
}

/** The most texts that are read in one statement, whatever their length */
const batch = 500;

/** How long to wait for a lock; texts of a table that stays locked are not read */
const lockTimeoutMs = 250;

/** @returns the printed texts, in the order of the readings; null for a text that the server cannot parse */
async function readTexts(session: Session, readings: readonly Reading[]): Promise<(string | null)[]> {
  // Readings of one relation share its setup.
  const sorted = [...Map.groupBy(readings, ({ setup }) => setup).values()].flat();
  const texts = new Map<Reading, string | null>();
  await session.query('BEGIN READ WRITE');
  await session.query(
    `SET LOCAL lock_timeout = ${lockTimeoutMs}; SET LOCAL check_function_bodies = off; SET LOCAL search_path = pg_catalog, pg_temp`,
  );
  if ((await silenceEventTriggers(session)) && (await makeReader(session))) {
    for (let start = 0; start < sorted.length; start += batch) {
      const part = sorted.slice(start, start + batch);
      const printed = (await readBatch(session, part)) ?? [];
      for (const [index, reading] of part.entries()) texts.set(reading, printed[index]?.text ?? null);
    }
  }
  await session.query('ROLLBACK');
  return readings.map((reading) => texts.get(reading) ?? null);
}

/** @returns undefined when the server refused the statement, for lack of memory or locks */
function readBatch(
  session: Session,
  readings: readonly Reading[],
): Promise<{ text: string | null }[] | undefined> {
  const groups = [...Map.groupBy(readings, ({ setup }) => setup)].map(([setup, alike]) => ({
    setup,
    readings: alike,
  }));
  return attempt(session, `SELECT text FROM pg_temp.${reader}($1::pg_catalog.jsonb) AS text`, [
    JSON.stringify(groups),
  ]);
}

/**
 * Disables event triggers until the transaction is rolled back, in the least intrusive way that the server
 * and the role allow.
 *
 * @returns whether all event triggers are disabled, so that creating objects runs no code of the user's
 */
async function silenceEventTriggers(session: Session): Promise<boolean> {
  // Available since PostgreSQL 17
  if ((await attempt(session, 'SET LOCAL event_triggers = off')) !== undefined) return true;
  await attempt(session, 'SET LOCAL session_replication_role = replica');
  for (const { name } of await session.query<{ name: string }>(firingTriggers)) {
    const done = await attempt(session, `ALTER EVENT TRIGGER ${quoteIdentifier(name)} DISABLE`);
    if (done === undefined) return false;
  }
  return true;
}

const firingTriggers = `
  SELECT evtname AS name FROM pg_event_trigger WHERE evtevent IN ('ddl_command_start', 'ddl_command_end', 'table_rewrite', 'sql_drop')
    AND evtenabled IN ('A', CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END)`;

const reader = 'supabase_backup_read';

/**
 * Reads many texts in one round trip. The exception that ends each block rolls back the objects that it
 * created, before the next block; PL/pgSQL variables keep their values.
 */
const readerBody = `
DECLARE
  part pg_catalog.jsonb;
  reading pg_catalog.jsonb;
  texts pg_catalog.text[];
  printed pg_catalog.text;
BEGIN
  FOR part IN SELECT pg_catalog.jsonb_array_elements(parts) LOOP
    texts := NULL;
    BEGIN
      EXECUTE part ->> 'setup';
      FOR reading IN SELECT pg_catalog.jsonb_array_elements(part -> 'readings') LOOP
        printed := NULL;
        BEGIN
          EXECUTE reading ->> 'make';
          EXECUTE reading ->> 'print' INTO printed;
          RAISE EXCEPTION 'undone';
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
        texts := texts || printed;
      END LOOP;
      RAISE EXCEPTION 'undone';
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    FOR place IN 1 .. pg_catalog.jsonb_array_length(part -> 'readings') LOOP
      RETURN NEXT texts[place];
    END LOOP;
  END LOOP;
END`;

/**
 * @returns false when the server refuses: it has no PL/pgSQL, or this role may create no temporary objects
 */
async function makeReader(session: Session): Promise<boolean> {
  const made = await attempt(
    session,
    `CREATE FUNCTION pg_temp.${reader}(parts pg_catalog.jsonb) RETURNS SETOF pg_catalog.text LANGUAGE plpgsql AS $reader$${readerBody}$reader$`,
  );
  return made !== undefined;
}

/** @returns the rows; undefined when the server refused, after which the transaction is still usable */
async function attempt<Row extends Record<string, unknown>>(
  session: Session,
  sql: string,
  values?: unknown[],
): Promise<Row[] | undefined> {
  await session.query('SAVEPOINT reading');
  try {
    return await session.query<Row>(sql, values);
  } catch (error) {
    refusalOf(error);
    await session.query('ROLLBACK TO SAVEPOINT reading');
    return undefined;
  }
}
