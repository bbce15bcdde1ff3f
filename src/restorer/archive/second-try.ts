import type { OmissionSubject } from '../../parity/subject.ts';
import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import { quoteIdentifier, quoteLiteral } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { ServerErrorFields } from '../../postgres/session/server-error.ts';
import { refusalOf } from '../../postgres/session/server-error.ts';
import { sqlState, sqlStateClass } from '../../postgres/sqlstate.ts';
import { isRaised } from '../../runtime/errors.ts';
import { addToPartitions } from './broken-keys.ts';
import type { EntryStatements } from './entry-statements.ts';

/** The settings and changes with which the statements of an entry are run. */
interface Surroundings {
  /** As set_config takes it. Empty, as pg_restore sets it: only names with a schema are found. */
  readonly searchPath: string;
  /** maintenance_work_mem; undefined: the server's own value */
  readonly memory?: string;
  /** Existing rows are not checked. */
  readonly notValid?: true;
  /** Created by the role that is to own it */
  readonly asOwner?: true;
  /** Without clauses that only the source's server knows */
  readonly plain?: true;
  /** The connected role grants what other roles granted in the source. */
  readonly grantedHere?: true;
}

/** The outcome of a second try. */
export type SecondResult =
  | {
      readonly outcome: 'made';
      /** The settings that it took, for people */
      readonly under: string | undefined;
      readonly searchPath: string | undefined;
      readonly ownerRefused: string | undefined;
    }
  /** The constraint was added, and existing rows may violate it. */
  | {
      readonly outcome: 'not valid';
      readonly why: string;
      readonly sql: string;
      /** Keys that the partitions have in its place */
      readonly partitions: readonly OmissionSubject[];
    }
  | {
      readonly outcome: 'refused';
      readonly why: string;
      readonly hint: string | undefined;
      readonly sql: string;
    };

interface RefusedEntry {
  readonly code: string;
  readonly hint: string | undefined;
  /** The server's message, to be searched */
  readonly said: string;
  /** What is reported of the message */
  readonly why: string;
}

/**
 * Tries an entry again that pg_restore could not restore: with the settings that it had in the source, and a
 * key or a check without validating the rows that violate it.
 *
 * @param searchPaths values that search_path may have had in the source when names were resolved, the most
 * likely first
 * @throws the session's own error when it is lost
 */
export async function tryAgain(
  session: Session,
  entry: ArchiveEntry,
  statements: EntryStatements,
  searchPaths: readonly string[],
): Promise<SecondResult> {
  const failures: RefusedEntry[] = [];
  const paths = [...searchPaths];
  let surroundings: Surroundings | undefined = { searchPath: '' };
  while (surroundings !== undefined) {
    const failure = await run(session, entry, statements, surroundings);
    if (failure === undefined) return await toSuccess(session, statements, surroundings, failures);
    failures.push(failure);
    const broken = failures.find(({ code }) => code.startsWith(sqlStateClass.integrityConstraintViolation));
    // For NOT VALID, the server reports a partitioned table as an object of the wrong type.
    if (surroundings.notValid && failure.code === sqlState.wrongObjectType && broken !== undefined) {
      const partitions = await addToPartitions(session, statements.sql);
      if (partitions.length > 0) return toBroken(statements.sql, broken, partitions);
    }
    surroundings = adapt(surroundings, failure, entry, paths);
  }
  // A search_path that does not help only repeats that a name was not found, so another failure says more.
  const { why, hint } = failures.find(({ code }) => !isNotFound(code)) ?? (failures[0] as RefusedEntry);
  return { outcome: 'refused', why, hint, sql: statements.sql };
}

async function run(
  session: Session,
  entry: ArchiveEntry,
  { sql }: EntryStatements,
  surroundings: Surroundings,
): Promise<RefusedEntry | undefined> {
  const { searchPath, memory, asOwner } = surroundings;
  await session.query('BEGIN');
  try {
    if (memory !== undefined) await session.query(`SET LOCAL maintenance_work_mem = ${quoteLiteral(memory)}`);
    if (asOwner) await session.query(`SET LOCAL SESSION AUTHORIZATION ${quoteIdentifier(entry.owner)}`);
    await session.query(`SELECT set_config('search_path', $1, true)`, [searchPath]);
    await session.query(adaptSql(sql, surroundings));
    await session.query('COMMIT');
    return undefined;
  } catch (error) {
    // In a lost session the rollback fails, too; the first error says why the session was lost.
    await Promise.allSettled([session.query('ROLLBACK')]);
    return readFailure(error);
  }
}

/**
 * Runs statements as another role, in a transaction of their own.
 *
 * @returns whether the server accepted them
 */
export async function runAs(session: Session, role: string, sql: string): Promise<boolean> {
  await session.query('BEGIN');
  try {
    await session.query(`SET LOCAL SESSION AUTHORIZATION ${quoteIdentifier(role)}`);
    await session.query(sql);
    await session.query('COMMIT');
    return true;
  } catch (error) {
    await Promise.allSettled([session.query('ROLLBACK')]);
    refusalOf(error);
    return false;
  }
}

/**
 * A lack of space or of a file counts as a refusal of this entry, as with pg_restore: a smaller object may
 * still fit.
 */
function readFailure(error: unknown): RefusedEntry {
  const why = refusalOf(error);
  const { code, hint, message } = error as ServerErrorFields & { code: string; message: string };
  return { code, hint: isRaised(error) ? undefined : hint, said: message, why };
}

const notFound = new Set<string>([
  sqlState.undefinedFunction,
  sqlState.undefinedTable,
  sqlState.undefinedObject,
  sqlState.invalidSchemaName,
  sqlState.undefinedColumn,
  // Errors that functions raise themselves
  sqlState.raiseException,
  sqlState.invalidTextRepresentation,
]);

function isNotFound(code: string): boolean {
  return notFound.has(code);
}

/** What to try next; undefined when nothing is left. */
function adapt(
  surroundings: Surroundings,
  { code, said }: RefusedEntry,
  entry: ArchiveEntry,
  paths: string[],
): Surroundings | undefined {
  if (/pg_attver|default_table_access_method/.test(said)) {
    return surroundings.plain ? undefined : { ...surroundings, plain: true };
  }
  if (entry.kind === 'ACL') {
    return surroundings.grantedHere ? undefined : { ...surroundings, grantedHere: true };
  }
  if (/maintenance_work_mem|memory required/.test(said)) {
    return surroundings.memory === undefined ? { ...surroundings, memory: findMemory(said) } : undefined;
  }
  if (/^23/.test(code)) {
    const mayBeBroken = entry.kind === 'FK CONSTRAINT' || entry.kind === 'CHECK CONSTRAINT';
    return mayBeBroken && !surroundings.notValid ? { ...surroundings, notValid: true } : undefined;
  }
  if (entry.kind === 'EVENT TRIGGER') {
    return surroundings.asOwner || entry.owner === '' ? undefined : { ...surroundings, asOwner: true };
  }
  const path = isNotFound(code) ? paths.shift() : undefined;
  return path === undefined ? undefined : { ...surroundings, searchPath: path };
}

/** Twice the memory that the server asks for, or an amount that builds most indexes. */
function findMemory(said: string): string {
  const [, amount, unit] = /memory required is (\d+) ?(kB|MB|GB)/.exec(said) ?? [];
  return amount === undefined ? '1GB' : `${2 * Number(amount)}${unit}`;
}

/**
 * Clauses that only the source's server knows: its own notes among the options of columns (pg_attver), and an
 * access method that other servers lack.
 */
const foreignNotes: readonly (readonly [RegExp, string])[] = [
  [/^ALTER [A-Z ]+ ONLY .* ALTER COLUMN .* SET \(pg_attver='?\d+'?\);$/gm, ''],
  [/(^ALTER [A-Z ]+ ONLY .* ALTER COLUMN .* SET \(.*?)(?:, pg_attver='?\d+'?|pg_attver='?\d+'?, )/gm, '$1'],
  [/^SET default_table_access_method = .*;$/gm, ''],
];

const otherGrantors = /^(?:SET SESSION AUTHORIZATION .*|RESET SESSION AUTHORIZATION);$/gm;

function adaptSql(sql: string, { notValid, plain, grantedHere }: Surroundings): string {
  const known = plain ? foreignNotes.reduce((text, [note, by]) => text.replace(note, by), sql) : sql;
  const adapted = grantedHere ? known.replace(otherGrantors, '') : known;
  return notValid ? adapted.replace(/;\s*$/, ' NOT VALID;') : adapted;
}

async function toSuccess(
  session: Session,
  { sql, owner }: EntryStatements,
  { searchPath, memory, notValid, asOwner }: Surroundings,
  failures: readonly RefusedEntry[],
): Promise<SecondResult> {
  const broken = failures.find(({ code }) => code.startsWith(sqlStateClass.integrityConstraintViolation));
  if (notValid && broken !== undefined) return toBroken(sql, broken);
  const under = [
    ...(searchPath === '' ? [] : [`search_path = ${searchPath}`]),
    ...(memory === undefined ? [] : [`maintenance_work_mem = ${memory}`]),
  ];
  const ownerRefused = owner === undefined || asOwner ? undefined : await giveAway(session, owner);
  return {
    outcome: 'made',
    under: under.length === 0 ? undefined : under.join(', '),
    searchPath: searchPath === '' ? undefined : searchPath,
    ownerRefused,
  };
}

function toBroken(
  sql: string,
  { why }: RefusedEntry,
  partitions: readonly OmissionSubject[] = [],
): SecondResult {
  return { outcome: 'not valid', why, sql, partitions };
}

async function giveAway(session: Session, owner: string): Promise<string | undefined> {
  try {
    await session.query(owner);
    return undefined;
  } catch (error) {
    return refusalOf(error);
  }
}
