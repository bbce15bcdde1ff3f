import type { TableEntry } from '../../format/manifest.ts';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { sqlState } from '../../postgres/sqlstate.ts';
import { ConfigurationError, TargetError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import type { KeyColumn, LiveTable } from './live-table.ts';

/** Rows of the backup that go into one table of the side schema. */
export interface ChosenTable {
  /** The name in the backup; for partitions, that of their root */
  readonly schema: string;
  readonly name: string;
  /** The table itself, or partitions of it */
  readonly parts: readonly TableEntry[];
  /** Whether these are all the partitions that the backup has */
  readonly whole: boolean;
}

/** A table of the side schema, and what it is compared with. */
export interface SideTable extends ChosenTable {
  /** Its name in the side schema */
  readonly sideName: string;
  /** undefined where the database has no such table any more */
  readonly live: LiveTable | undefined;
  /** oids of the live partitions that were chosen; undefined where the whole table is compared */
  readonly within: readonly number[] | undefined;
  readonly columns: readonly SideColumn[];
  /** The key that identifies rows in both; undefined where whole rows are compared */
  readonly key: readonly KeyColumn[] | undefined;
}

export interface SideColumn {
  readonly name: string;
  /** Type of the live column; text where the backup's values are no longer of that type */
  readonly type: string;
  /** Whether the live table has it, not generated and of this type, so that it can be compared and written */
  readonly shared: boolean;
}

/** PostgreSQL cuts identifiers to this many bytes (NAMEDATALEN). */
const nameLimitBytes = 63;

/**
 * Plans the tables of a side schema from the catalog.
 *
 * @param live the live tables, and live partitions where only some partitions of a table were chosen
 */
export function planSideTables(chosen: readonly ChosenTable[], live: readonly LiveTable[]): SideTable[] {
  const byName = new Map(live.map((table) => [identify(table), table]));
  const names = nameSideTables(chosen);
  return chosen.map((table, index) => {
    const now = byName.get(identify(table));
    const partitions = table.parts.flatMap((part) => byName.get(identify(part))?.oid ?? []);
    const columns = planColumns(table, now);
    const within = table.whole || now?.partitioned !== true ? undefined : partitions;
    return {
      ...table,
      sideName: names[index] ?? table.name,
      live: now,
      within,
      columns,
      key: chooseKey(columns, now),
    };
  });
}

/** Names the side tables: by their own names when these differ, as `schema__table` otherwise. */
export function nameSideTables(tables: readonly { schema: string; name: string }[]): string[] {
  const different = new Set(tables.map(({ name }) => name)).size === tables.length;
  const taken = new Set<string>();
  return tables.map(({ schema, name }) => {
    const wanted = different ? name : `${schema}__${name}`;
    let free = cut(wanted, nameLimitBytes);
    for (let next = 2; taken.has(free); next++) {
      free = `${cut(wanted, nameLimitBytes - `__${next}`.length)}__${next}`;
    }
    taken.add(free);
    return free;
  });
}

function cut(text: string, bytes: number): string {
  const characters = [...text];
  while (Buffer.byteLength(characters.join('')) > bytes) characters.pop();
  return characters.join('');
}

function planColumns(table: ChosenTable, live: LiveTable | undefined): SideColumn[] {
  const now = new Map(live?.columns.map((column) => [column.name, column]));
  // Partitions have the same columns, each in an order of its own.
  const [first] = table.parts;
  return (first?.columns ?? []).map((name) => {
    const column = now.get(name);
    return column === undefined
      ? { name, type: 'pg_catalog.text', shared: false }
      : { name, type: column.type, shared: !column.generated };
  });
}

function chooseKey(
  columns: readonly SideColumn[],
  live: LiveTable | undefined,
): readonly KeyColumn[] | undefined {
  const shared = new Set(columns.filter((column) => column.shared).map((column) => column.name));
  return live?.keys.find((key) => key.every((column) => shared.has(column.name)));
}

/**
 * Creates the side schema with its empty tables in one transaction. No other role gets rights on them.
 *
 * The tables are unlogged: they are a working copy, and would otherwise go to every standby and, through a
 * publication of all tables, to subscribers that do not know them.
 *
 * @throws ConfigurationError when there is a schema of that name already
 */
export async function createSideTables(
  session: Session,
  schema: string,
  tables: readonly SideTable[],
  comment: string,
): Promise<void> {
  await session.query('BEGIN');
  try {
    await session.query(`CREATE SCHEMA ${quoteIdentifier(schema)}`);
  } catch (cause) {
    await session.query('ROLLBACK');
    // Another session has created it since the check.
    throw (cause as { code?: string }).code === sqlState.duplicateSchema
      ? refuseExisting(schema, cause)
      : cause;
  }
  await session.query(`COMMENT ON SCHEMA ${quoteIdentifier(schema)} IS ${quoteLiteral(comment)}`);
  await session.query(`REVOKE ALL ON SCHEMA ${quoteIdentifier(schema)} FROM PUBLIC`);
  for (const table of tables) await createTable(session, schema, table);
  await revokeDefaults(session, schema);
  await session.query('COMMIT');
}

/** @throws ConfigurationError when the schema exists, or cannot be created under this name or by this role */
export async function checkSideSchema(session: Session, schema: string): Promise<void> {
  if (Buffer.byteLength(schema) > nameLimitBytes) {
    throw new ConfigurationError(
      say`${nameInput('side-schema')}: the name has ${Buffer.byteLength(schema)} bytes; PostgreSQL allows ${nameLimitBytes}`,
      'Choose a shorter name.',
    );
  }
  if (schema.startsWith('pg_')) {
    throw new ConfigurationError(
      say`${nameInput('side-schema')}: ${schema} is a name that PostgreSQL reserves`,
      'Choose one that does not begin with pg_.',
    );
  }
  const [found] = await session.query<{ there: boolean; allowed: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS there,
            has_database_privilege(current_database(), 'CREATE') AS allowed`,
    [schema],
  );
  if (found?.there) throw refuseExisting(schema);
  if (found?.allowed) return;
  throw new ConfigurationError(
    say`${nameInput('target-url')}: this role cannot create a schema in the database`,
    'Connect with a role that can, or run "GRANT CREATE ON DATABASE … TO …".',
  );
}

function refuseExisting(schema: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    say`${nameInput('side-schema')}: the database already has a schema ${schema}`,
    `Choose another name, or drop it if it is left over from an earlier restore: DROP SCHEMA ${quoteIdentifier(schema)} CASCADE;`,
    cause,
  );
}

async function createTable(session: Session, schema: string, table: SideTable): Promise<void> {
  const columns = table.columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`);
  await session.query(
    `CREATE UNLOGGED TABLE ${quoteQualified(schema, table.sideName)} (${columns.join(', ')})`,
  );
}

/** Revokes what default privileges have granted on the schema and on its tables. */
async function revokeDefaults(session: Session, schema: string): Promise<void> {
  const grantees = await session.query<{ name: string }>(
    `SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS name
     FROM (SELECT nspacl AS list, nspowner AS owner FROM pg_namespace WHERE nspname = $1
           UNION ALL
           SELECT c.relacl, c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1) AS object
     CROSS JOIN LATERAL aclexplode(object.list) AS acl
     LEFT JOIN pg_roles r ON r.oid = acl.grantee
     WHERE acl.grantee <> object.owner`,
    [schema],
  );
  if (grantees.length === 0) return;
  const names = grantees.map(({ name }) => name).join(', ');
  await session.query(`REVOKE ALL ON SCHEMA ${quoteIdentifier(schema)} FROM ${names}`);
  await session.query(`REVOKE ALL ON ALL TABLES IN SCHEMA ${quoteIdentifier(schema)} FROM ${names}`);
}

/**
 * Drops the side schema. Sessions of this tool that were cut off are ended before: they may still hold locks
 * on its tables, because a server does not notice that its client has gone while it waits for a lock.
 */
export async function dropSideSchema(session: Session, schema: string): Promise<void> {
  await session.query(
    `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
     WHERE a.pid <> pg_backend_pid() AND a.usename = current_user AND a.datname = current_database()
       AND a.application_name = current_setting('application_name')
       AND EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                   JOIN pg_namespace n ON n.oid = c.relnamespace WHERE l.pid = a.pid AND n.nspname = $1)`,
    [schema],
  );
  await session.query(`SET lock_timeout = '4s'`);
  await session.query(`DROP SCHEMA ${quoteIdentifier(schema)} CASCADE`);
}

/** Empties a side table. */
export async function emptySideTable(session: Session, schema: string, table: SideTable): Promise<void> {
  await session.query(`TRUNCATE ${quoteQualified(schema, table.sideName)}`);
}

/** Creates an empty side table again with all columns as text, so that any row of the backup fits. */
export async function makeTextual(session: Session, schema: string, table: SideTable): Promise<void> {
  const columns = table.columns.map((column) => ({ ...column, type: 'pg_catalog.text' }));
  await session.query(`DROP TABLE ${quoteQualified(schema, table.sideName)}`);
  await createTable(session, schema, { ...table, columns });
  await revokeDefaults(session, schema);
}

/**
 * Gives the columns of a textual side table the types of the live ones, each if all its values are of that
 * type.
 *
 * @returns the table with its new types
 */
export async function regainTypes(session: Session, schema: string, table: SideTable): Promise<SideTable> {
  const columns: SideColumn[] = [];
  for (const column of table.columns) {
    const live = table.live?.columns.find(({ name }) => name === column.name);
    if (live === undefined || (await regainType(session, schema, table, column, live.bareType))) {
      columns.push(column);
    } else {
      columns.push({ ...column, type: 'pg_catalog.text', shared: false });
    }
  }
  return { ...table, columns, key: chooseKey(columns, table.live) };
}

async function regainType(
  session: Session,
  schema: string,
  table: SideTable,
  column: SideColumn,
  bareType: string,
): Promise<boolean> {
  const name = quoteIdentifier(column.name);
  try {
    await session.query(
      `ALTER TABLE ${quoteQualified(schema, table.sideName)} ALTER COLUMN ${name} TYPE ${column.type} USING ${name}::${bareType}`,
    );
    return true;
  } catch (error) {
    if (isMisfit(error)) return false;
    throw error;
  }
}

/** Whether the server refused a value itself: it is not of the type, outside of its domain, or not unique. */
export function isMisfit(error: unknown): boolean {
  const { code = '' } = (error ?? {}) as { code?: string };
  return /^2[23]/.test(code);
}

/**
 * Checks that a side table has the backup's rows, and prepares it for the comparison. A live table may have
 * got its key after the backup. Where that key does not identify the backup's rows, whole rows are compared.
 *
 * @returns the table as it is compared
 * @throws TargetError when it has more or fewer rows than the backup
 */
export async function indexSideTable(session: Session, schema: string, table: SideTable): Promise<SideTable> {
  const name = quoteQualified(schema, table.sideName);
  const expected = table.parts.reduce((sum, part) => sum + part.rows, 0);
  const [found] = await session.query<{ rows: number }>(`SELECT count(*) AS rows FROM ${name}`);
  if (found?.rows !== expected) {
    throw new TargetError(
      `${schema}.${table.sideName} has ${found?.rows} rows, and the backup ${expected}`,
      'Run it again.',
    );
  }
  const key = table.key?.map((column) => quoteIdentifier(column.name)) ?? [];
  let unique = key.length > 0;
  if (unique) {
    const nulls = await session.query(
      `SELECT FROM ${name} WHERE ${key.map((column) => `${column} IS NULL`).join(' OR ')} LIMIT 1`,
    );
    unique = nulls.length === 0 && (await createUniqueIndex(session, name, key));
  }
  await session.query(`ANALYZE ${name}`);
  return unique ? table : { ...table, key: undefined };
}

async function createUniqueIndex(session: Session, name: string, key: readonly string[]): Promise<boolean> {
  try {
    await session.query(`CREATE UNIQUE INDEX ON ${name} (${key.join(', ')})`);
    return true;
  } catch (error) {
    if (isMisfit(error)) return false;
    throw error;
  }
}

export function identify(relation: { schema: string; name: string }): string {
  return JSON.stringify([relation.schema, relation.name]);
}
