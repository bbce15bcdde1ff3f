import type { TableEntry } from '../../format/manifest.ts';
import type { Omission } from '../../parity/scope.ts';
import { about, type OmissionSubject } from '../../parity/subject.ts';
import { firstUserOid } from '../../postgres/catalog/facts.ts';
import { quoteLiteral, quoteQualified, unquoteIdentifier } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { setSearchPath } from '../../postgres/session/output-settings.ts';
import type { ServerErrorFields } from '../../postgres/session/server-error.ts';
import { refusalOf } from '../../postgres/session/server-error.ts';
import { sqlStateClass } from '../../postgres/sqlstate.ts';
import { append } from '../../runtime/lists.ts';
import { tryStatements } from '../omission.ts';

/**
 * A check that rows of the backup may violate: it is dropped while they are loaded, and added again after
 * them.
 */
interface Aside {
  /** The table (`public.coupon`) or the domain (`public.later`), quoted as in SQL */
  readonly holder: string;
  readonly ofDomain: boolean;
  readonly name: string;
  /** As ADD CONSTRAINT takes it */
  readonly definition: string;
  readonly comment: string | null;
  /** The check of a table, or the domain */
  readonly subject: OmissionSubject;
}

interface Row {
  holder: string;
  of_domain: boolean;
  name: string;
  definition: string;
  comment: string | null;
  schema: string;
  /** Name of the table or the domain */
  of: string;
}

/**
 * A condition: the result of a check may depend on more than the row, on the time or on what a user's
 * function reads.
 */
const needsCheck = `
  (x.conbin::text LIKE '%SQLVALUEFUNCTION%' OR EXISTS (
    SELECT FROM regexp_matches(x.conbin::text, ':(?:funcid|opfuncid) (\\d+)', 'g') AS m (parts)
    JOIN pg_proc p ON p.oid = m.parts[1]::oid WHERE p.provolatile <> 'i' OR p.oid >= ${firstUserOid}))`;

const described = `
  SELECT CASE WHEN x.contypid = 0 THEN x.conrelid::regclass::text ELSE format('%I.%I', tn.nspname, t.typname) END AS holder,
         x.contypid <> 0 AS of_domain, quote_ident(x.conname) AS name, pg_get_constraintdef(x.oid) AS definition,
         obj_description(x.oid, 'pg_constraint') AS comment,
         coalesce(cn.nspname, tn.nspname) AS schema, coalesce(c.relname, t.typname) AS of
  FROM found JOIN pg_constraint x ON x.oid = found.oid
    AND coalesce((to_jsonb(x) ->> 'conenforced')::boolean, true) AND (NOT $3::boolean OR ${needsCheck})
  LEFT JOIN pg_class c ON c.oid = x.conrelid LEFT JOIN pg_namespace cn ON cn.oid = c.relnamespace
  LEFT JOIN pg_type t ON t.oid = x.contypid LEFT JOIN pg_namespace tn ON tn.oid = t.typnamespace
  ORDER BY x.oid`;

/**
 * The checks of a table, each where it was declared: inherited checks are dropped and added with those of the
 * parents.
 */
const ofTable = `
  WITH RECURSIVE lines AS (
    SELECT x.oid, x.conrelid, x.conname, x.coninhcount FROM pg_constraint x
    WHERE x.contype = 'c' AND x.conrelid = $1::regclass AND ($2::text IS NULL OR x.conname = $2)
    UNION
    SELECT p.oid, p.conrelid, p.conname, p.coninhcount FROM lines JOIN pg_inherits i ON i.inhrelid = lines.conrelid
    JOIN pg_constraint p ON p.conrelid = i.inhparent AND p.conname = lines.conname AND p.contype = 'c'
  ), found AS (SELECT DISTINCT oid FROM lines WHERE coninhcount = 0)
  ${described}`;

/** The checks of the domains that the types of a table's columns consist of, at every depth. */
const ofDomains = `
  WITH RECURSIVE used AS (
    SELECT a.atttypid AS oid FROM pg_attribute a WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT x.oid FROM used JOIN pg_type t ON t.oid = used.oid
    CROSS JOIN LATERAL (
      SELECT t.typbasetype AS oid UNION ALL SELECT t.typelem
      UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid OR r.rngmultitypid = t.oid) AS x
    WHERE x.oid <> 0
  ), found AS (
    SELECT x.oid FROM pg_constraint x WHERE x.contype = 'c' AND x.contypid IN (TABLE used) AND ($2::text IS NULL OR x.conname = $2))
  ${described}`;

/** Checks that are dropped so that rows of the backup can be loaded, and added again after them. */
export class ChecksAside {
  readonly #aside: Aside[] = [];
  /** One call at a time, because two loaders may meet the same check. */
  #turn: Promise<unknown> = Promise.resolve();
  #taken = 0;

  /** How many checks were dropped so far; it never decreases. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Drops the check that a row was refused for, or all that apply to the rows of a table where the server
   * does not name one.
   *
   * @param session outside of a transaction and with an empty search_path; its role has to own the table
   * @param refused the server's error; undefined for all checks of the table
   * @returns whether anything was dropped
   */
  take(
    session: Session,
    table: Pick<TableEntry, 'schema' | 'name'>,
    refused: ServerErrorFields | undefined,
  ): Promise<boolean> {
    return this.#inTurn(() => this.#take(session, table, refused, false));
  }

  /** Drops the checks of a table that may refuse rows which were valid when they were written. */
  takeDoubtful(session: Session, table: Pick<TableEntry, 'schema' | 'name'>): Promise<boolean> {
    return this.#inTurn(() => this.#take(session, table, undefined, true));
  }

  #inTurn<T>(body: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(body);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #take(
    session: Session,
    table: Pick<TableEntry, 'schema' | 'name'>,
    refused: ServerErrorFields | undefined,
    onlyDoubtful: boolean,
  ): Promise<boolean> {
    const relation = quoteQualified(table.schema, table.name);
    const name = refused?.constraint ?? null;
    const queries = refused === undefined ? [ofTable, ofDomains] : [refused.dataType ? ofDomains : ofTable];
    const found: Row[] = [];
    for (const query of queries) {
      found.push(
        ...(await session.query<Row & Record<string, unknown>>(query, [relation, name, onlyDoubtful])),
      );
    }
    for (const row of found) {
      const { of_domain: ofDomain, holder, schema, of, ...rest } = row;
      await session.query(`${alter({ ofDomain, holder })} DROP CONSTRAINT ${rest.name}`);
      const subject: OmissionSubject = ofDomain
        ? { kind: 'object', type: 'domain', schema, name: of }
        : {
            kind: 'part',
            type: 'constraint',
            table: { schema, name: of },
            name: unquoteIdentifier(rest.name),
          };
      this.#aside.push({ ...rest, holder, ofDomain, subject });
      this.#taken += 1;
    }
    return found.length > 0;
  }

  /**
   * Adds the dropped checks again: each for new rows at least, and for all rows where these fulfil it.
   *
   * @param searchPaths that functions of the checks may rely on
   * @returns the checks that rows violate, and what the server refused
   */
  async giveBack(session: Session, searchPaths: readonly string[]): Promise<Omission[]> {
    const broken: Omission[] = [];
    const paths = ['', ...searchPaths];
    // In reverse: a check of a child comes before the same check of its parent.
    for (const check of this.#aside.splice(0).reverse()) {
      const absent = await add(session, check, paths);
      append(broken, absent);
      if (absent.length === 0) {
        append(broken, await comment(session, check));
        append(broken, await validate(session, check, paths));
      }
    }
    return broken;
  }
}

/**
 * Adds a check for new rows.
 *
 * @returns what is missing when the server refuses it: the check, and those of the tables that would inherit
 * it
 */
async function add(session: Session, check: Aside, paths: readonly string[]): Promise<Omission[]> {
  const { name, definition, ofDomain } = check;
  const sql = `${alter(check)} ADD CONSTRAINT ${name} ${definition.replace(notValid, '')} NOT VALID`;
  const refused = await tryUnder(session, paths, sql);
  if (refused === undefined) return [];
  const why = `rows came only without ${ofDomain ? `its constraint ${name}` : 'it'}, and the server did not take it again (${refused.why})`;
  const heirs = /\) NO INHERIT\b/.test(definition) ? [] : await listHeirs(session, check, 'lacking');
  return [check.subject, ...heirs].map((subject) => ({
    ...about(subject),
    why,
    remedy: `Fix the cause, then run: ${sql};`,
    lost: true,
  }));
}

async function comment(session: Session, { comment, ofDomain, holder, name, subject }: Aside) {
  if (comment === null) return [];
  const sql = `COMMENT ON CONSTRAINT ${name} ON ${ofDomain ? 'DOMAIN ' : ''}${holder} IS ${quoteLiteral(comment)}`;
  return tryStatements(session, [{ what: `comment on ${about(subject).what}`, sql }]);
}

/** Has the server check all rows, where it had checked them in the source. */
async function validate(session: Session, check: Aside, paths: readonly string[]): Promise<Omission[]> {
  if (notValid.test(check.definition)) return [];
  const failure = await tryUnder(session, paths, `${alter(check)} VALIDATE CONSTRAINT ${check.name}`);
  if (failure === undefined) return [];
  const omission = describeBroken(check, failure);
  const heirs = await listHeirs(session, check, 'having');
  return [omission, ...heirs.map((subject) => ({ ...omission, ...about(subject) }))];
}

const notValid = / NOT VALID$/;

function alter({ ofDomain, holder }: Pick<Aside, 'ofDomain' | 'holder'>): string {
  return `ALTER ${ofDomain ? 'DOMAIN' : 'TABLE'} ${holder}`;
}

/**
 * Runs a statement with one search_path after another, until the server accepts it or says that rows violate
 * it.
 */
async function tryUnder(
  session: Session,
  paths: readonly string[],
  sql: string,
): Promise<ConstraintFailure | undefined> {
  let first: ConstraintFailure | undefined;
  for (const path of paths) {
    await setSearchPath(session, path);
    try {
      await session.query(sql);
      return undefined;
    } catch (error) {
      const failure = {
        why: refusalOf(error),
        isByRows: (error as { code: string }).code.startsWith(sqlStateClass.integrityConstraintViolation),
      };
      if (failure.isByRows) return failure;
      first ??= failure;
    } finally {
      await setSearchPath(session, '');
    }
  }
  return first;
}

/** The same check of the tables below, either of those that have inherited it or of those that lack it. */
async function listHeirs(
  session: Session,
  { holder, ofDomain, name }: Aside,
  which: 'having' | 'lacking',
): Promise<OmissionSubject[]> {
  if (ofDomain) return [];
  const tables = await session.query<{ schema: string; name: string }>(
    `WITH RECURSIVE below AS (
       SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = to_regclass($1)
       UNION SELECT i.inhrelid FROM below JOIN pg_inherits i ON i.inhparent = below.inhrelid)
     SELECT n.nspname AS schema, c.relname AS name
     FROM below JOIN pg_class c ON c.oid = below.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE $3::boolean = EXISTS (
       SELECT FROM pg_constraint x WHERE x.conrelid = c.oid AND x.contype = 'c' AND quote_ident(x.conname) = $2)
     ORDER BY 1`,
    [holder, name, which === 'having'],
  );
  return tables.map((table) => ({ kind: 'part', type: 'constraint', table, name: unquoteIdentifier(name) }));
}

/** Why a check does not hold for existing rows */
interface ConstraintFailure {
  readonly why: string;
  /** Whether rows violate it; otherwise the server could not check them */
  readonly isByRows: boolean;
}

function describeBroken(check: Aside, { why, isByRows }: ConstraintFailure): Omission {
  const { ofDomain, name, subject } = check;
  const it = ofDomain ? `its constraint ${name}` : 'it';
  const finding = isByRows
    ? `rows of the backup do not satisfy ${it} (${why})`
    : `rows could be restored only without ${it}, and it could not be checked whether they satisfy it (${why})`;
  return {
    ...about(subject),
    why: `${finding}; it exists as NOT VALID and applies to new rows`,
    remedy: `Fix the rows, then run: ${alter(check)} VALIDATE CONSTRAINT ${name};`,
    lost: true,
  };
}
