import type { TableEntry } from '../format/manifest.ts';
import type { Supplement } from '../format/supplement.ts';
import type { Omission } from '../parity/scope.ts';
import { about } from '../parity/subject.ts';
import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '../postgres/identifier.ts';
import type { Session } from '../postgres/session/connection.ts';
import { refusalOf } from '../postgres/session/server-error.ts';
import { wholeMessageOf } from '../runtime/errors.ts';
import { append } from '../runtime/lists.ts';
import type { PresentTable } from '../supabase/project-selection.ts';
import { omit, tryStatement } from './omission.ts';

/**
 * Finds the tables of message queues in a backup (src/postgres/catalog/queues.ts). No entry of the archive
 * creates them.
 *
 * @param contents all of the archive
 */
export function findQueueTables(
  tables: readonly TableEntry[],
  contents: readonly ArchiveEntry[],
): TableEntry[] {
  const made = new Set(contents.filter(({ kind }) => kind === 'TABLE').map(({ oid }) => oid));
  return tables.filter(({ oid, schema }) => schema === 'pgmq' && !made.has(oid));
}

/** Reports rows of queues that have no table. */
export function describeNoQueues(
  tables: readonly TableEntry[],
  why: string,
  lost: Omission['lost'],
): Omission[] {
  return tables
    .filter(({ rows }) => rows > 0)
    .map((table) => ({
      ...about({ kind: 'rows', table }),
      why: `${why}; ${table.rows} ${table.rows === 1 ? 'row' : 'rows'} of the queue ${table.rows === 1 ? 'is' : 'are'} ${lost ? 'lost' : 'left out'}`,
      remedy: 'Restore into a server that has the extension pgmq.',
      ...(lost ? { lost } : {}),
    }));
}

/** Has the extension create the queues of a backup, and restores what they had besides rows. */
export class Queues {
  readonly #tables: readonly TableEntry[];
  readonly #details: ReadonlyMap<string, Supplement['queues'][number]>;
  readonly #lost: Omission['lost'];
  /** Tables that exist, and can get rows */
  readonly #made: TableEntry[] = [];

  /**
   * @param lost how rows count where the extension is missing; not as lost in a drill, whose server need not
   * have it
   */
  constructor(tables: readonly TableEntry[], queues: Supplement['queues'], lost: Omission['lost']) {
    this.#tables = tables;
    this.#details = new Map(queues.map((queue) => [queue.name, queue]));
    this.#lost = lost;
  }

  /**
   * Creates the queues that the target lacks. To be called when the extension is there.
   *
   * @returns the tables that can get rows, and what was left out
   */
  async make(session: Session): Promise<{ present: PresentTable[]; notCarried: Omission[] }> {
    if (this.#tables.length === 0) return { present: [], notCarried: [] };
    if (!(await canMakeQueues(session))) {
      const why = 'the extension pgmq, which makes the table, is not there';
      return { present: [], notCarried: describeNoQueues(this.#tables, why, this.#lost) };
    }
    const notCarried: Omission[] = [];
    for (const table of this.#tables.filter(({ name }) => name.startsWith('q_'))) {
      const why = await this.#makeQueue(session, table);
      if (why === undefined) continue;
      const ofQueue = this.#tables.filter(({ name }) => name.slice(1) === table.name.slice(1));
      append(notCarried, describeNoQueues(ofQueue, `the server refused to make the queue: ${why}`, true));
    }
    const present: PresentTable[] = [];
    for (const table of this.#tables) {
      const columns = await readColumns(session, table);
      if (columns.length === 0) continue;
      this.#made.push(table);
      present.push({ table, missing: table.columns.filter((column) => !columns.includes(column)) });
      append(notCarried, await this.#giveToOwner(session, table));
    }
    return { present, notCarried };
  }

  /** Continues the numbers of messages where they were. To be called when the rows are there. */
  async goOn(session: Session): Promise<void> {
    for (const { name } of this.#made) {
      const numbered = this.#details.get(name)?.numbered;
      if (numbered) await goOnNumbering(session, name, numbered);
    }
  }

  /**
   * Deletes the rows of a queue that would be open, because an addition that guards them could not be
   * created.
   */
  async empty(session: Session, name: string, what: string): Promise<Omission[]> {
    const table = this.#made.find((made) => made.name === name);
    if (table === undefined) return [];
    await session.query(`DELETE FROM ${quoteQualified(table.schema, table.name)}`);
    return describeNoQueues([table], `without ${what} they would be open`, true);
  }

  /** Whether the restore has created a queue's table, so that its rows are those of the backup. */
  has({ schema, name }: Pick<TableEntry, 'schema' | 'name'>): boolean {
    return this.#made.some((table) => table.schema === schema && table.name === name);
  }

  async #makeQueue(session: Session, { name, persistence }: TableEntry): Promise<string | undefined> {
    const [there] = await session.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [
      quoteQualified('pgmq', name),
    ]);
    if (there?.there === true) return undefined;
    const maker = persistence === 'unlogged' ? 'create_unlogged' : 'create';
    const queue = quoteLiteral(name.slice(2));
    // The row of the list comes from the backup, with the name as it was given and the time.
    const isListed = this.#tables.some(({ name }) => name === 'meta');
    const unlist = isListed ? `; DELETE FROM pgmq.meta WHERE queue_name OPERATOR(pg_catalog.=) ${queue}` : '';
    try {
      await session.query(`SELECT pgmq.${quoteIdentifier(maker)}(${queue})${unlist}`);
      return undefined;
    } catch (error) {
      refusalOf(error);
      return wholeMessageOf(error);
    }
  }

  async #giveToOwner(session: Session, { schema, name }: TableEntry): Promise<Omission[]> {
    const owner = this.#details.get(name)?.owner;
    // The extension creates the list of queues itself.
    if (owner === undefined || name === 'meta') return [];
    const [row] = await session.query<{ owner: string }>(
      'SELECT pg_get_userbyid(relowner) AS owner FROM pg_class WHERE oid = to_regclass($1)',
      [quoteQualified(schema, name)],
    );
    if (row?.owner === owner) return [];
    const sql = `ALTER TABLE ${quoteQualified(schema, name)} OWNER TO ${quoteIdentifier(owner)}`;
    const why = await tryStatement(session, sql);
    return why === undefined ? [] : [omit({ what: `owner table ${schema}.${name}`, sql }, why)];
  }
}

/** Whether `pgmq.create` is the extension's own function, and not another of that name. */
async function canMakeQueues(session: Session): Promise<boolean> {
  const [row] = await session.query<{ found: boolean }>(`
    SELECT EXISTS (
      SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
      WHERE d.classid = 'pg_proc'::regclass AND d.objid = to_regprocedure('pgmq."create"(text)') AND d.deptype = 'e' AND e.extname = 'pgmq'
    ) AS found`);
  return row?.found === true;
}

async function readColumns(session: Session, { schema, name }: TableEntry): Promise<string[]> {
  const rows = await session.query<{ name: string }>(
    'SELECT attname AS name FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped',
    [quoteQualified(schema, name)],
  );
  return rows.map((row) => row.name);
}

/**
 * Continues where the numbers were, or after the last message, if changes since the backup have brought later
 * ones.
 */
async function goOnNumbering(
  session: Session,
  name: string,
  { lastValue, isCalled }: NonNullable<Supplement['queues'][number]['numbered']>,
): Promise<void> {
  const table = quoteQualified('pgmq', name);
  await session.query(`
    SELECT setval(pg_get_serial_sequence(${quoteLiteral(table)}, 'msg_id'), greatest(${quoteLiteral(lastValue)}, last), ${isCalled} OR last IS NOT NULL)
    FROM (SELECT max(msg_id) AS last FROM ${table}) AS numbers`);
}
