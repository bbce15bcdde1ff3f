import { createHash } from 'node:crypto';
import type { Answer, Freshness } from '../../format/supplement.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import type { ColumnName } from '../../values/column-name.ts';
import { quoteIdentifier, quoteLiteral, quoteQualified } from '../identifier.ts';
import type { Session } from '../session/connection.ts';
import { ServerError } from '../session/server-error.ts';
import { sqlState } from '../sqlstate.ts';
import { copyOut, type RowSink } from '../wire/copy-reader.ts';
import { qualifiedName } from './tables.ts';

const savepoint = 'question';

/**
 * Asks each question in the session's transaction, which stays usable whatever a question does. COPY accepts
 * any query that returns rows, and makes the server write every type as text, whatever the columns are
 * called.
 *
 * @param onFailed receives each question that fails, which counts as an answer
 * @throws Error when the session is lost
 */
export async function askQuestions(
  session: Session,
  questions: readonly string[],
  onFailed: (sql: string, error: ServerError) => void = () => undefined,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const sql of questions) {
    await session.query(`SAVEPOINT ${savepoint}`);
    answers.push(await ask(session, sql, onFailed));
    // The rollback also follows a successful question, which may have changed a setting.
    await session.query(`ROLLBACK TO SAVEPOINT ${savepoint}; RELEASE SAVEPOINT ${savepoint}`);
  }
  return answers;
}

async function ask(
  session: Session,
  sql: string,
  onFailed: (sql: string, error: ServerError) => void,
): Promise<Answer> {
  const sink = new AnswerSink();
  try {
    // The line break ends a comment at the end of the question.
    await copyOut(session, `COPY (${sql.replace(/[;\s]+$/, '')}\n) TO STDOUT`, sink);
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    onFailed(sql, error);
    return { sql, rows: null, digest: null, sample: cut(error.message) };
  }
  return { sql, ...(await sink.finish()) };
}

/** SQLSTATEs of names that are not found: the message has names of the question, and no value of a row. */
const unknownNames: ReadonlySet<string> = new Set([
  sqlState.undefinedTable,
  sqlState.undefinedFunction,
  sqlState.undefinedColumn,
  sqlState.undefinedObject,
  sqlState.invalidSchemaName,
]);

/** Says that a question of `checks` failed, and what to do where it names what is not found. */
export function tellUnanswered(
  sql: string,
  { code, message }: Pick<ServerError, 'code' | 'message'>,
): string {
  const isUnknown = unknownNames.has(code);
  const remedy = isUnknown
    ? ' Write names with their schema, as public.users: it is asked with an empty search_path.'
    : '';
  return `checks: the source does not answer this, so that restores have nothing to compare (${isUnknown ? message : `SQLSTATE ${code}`}): ${sql}.${remedy}`;
}

const sampleRows = 3;
/** characters */
const sampleLength = 500;

function cut(text: string): string {
  const characters = Array.from(text);
  return characters.length <= sampleLength ? text : `${characters.slice(0, sampleLength - 1).join('')}…`;
}

/** Digests an answer while it arrives, and keeps its beginning. */
class AnswerSink implements RowSink {
  readonly buffer = Buffer.allocUnsafe(64 * 1024);
  length = 0;
  #rows = 0;
  /** Enough bytes for the sample; a character takes at most four. */
  #beginning: Buffer | undefined;
  readonly #hash = createHash('sha256');

  async flush(): Promise<void> {
    const text = this.buffer.subarray(0, this.length);
    this.#beginning ??= Buffer.from(text.subarray(0, 4 * (sampleLength + 1)));
    this.#hash.update(text);
    this.length = 0;
  }

  endCopy(rows: number): void {
    this.#rows += rows;
  }

  async finish(): Promise<Omit<Answer, 'sql'>> {
    await this.flush();
    const lines = this.#beginning?.toString('utf8').split('\n') ?? [];
    return {
      rows: this.#rows,
      digest: this.#hash.digest('hex'),
      sample: cut(lines.slice(0, Math.min(sampleRows, this.#rows)).join('\n')),
    };
  }
}

/**
 * Reads the newest value of each column, through an index where there is one.
 *
 * @throws ConfigurationError when a column does not exist or cannot be compared by age
 */
export async function readFreshness(session: Session, columns: readonly ColumnName[]): Promise<Freshness[]> {
  await session.query(`SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'`);
  await checkFreshness(session, columns);
  const result: Freshness[] = [];
  for (const column of columns) {
    const name = quoteIdentifier(column.column);
    const [row] = await session.query<{ newest: string | null }>(
      `SELECT max(${name})::text AS newest FROM ${quoteQualified(column.schema, column.table)}`,
    );
    result.push({
      schema: column.schema,
      table: column.table,
      column: column.column,
      newest: row?.newest ?? null,
    });
  }
  return result;
}

/** @throws ConfigurationError that names the column that does not exist or cannot be compared by age */
export async function checkFreshness(session: Session, columns: readonly ColumnName[]): Promise<void> {
  for (const column of columns) await checkColumn(session, column);
}

async function checkColumn(session: Session, { schema, table, column }: ColumnName): Promise<void> {
  const where = `freshness: ${qualifiedName({ schema, name: table })}`;
  const [found] = await session.query<{ columns: string | null; type: string | null; sortable: boolean }>(`
    SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) AS columns,
           max(format_type(a.atttypid, a.atttypmod)) FILTER (WHERE a.attname = ${quoteLiteral(column)}) AS type,
           coalesce(bool_or(t.typcategory IN ('D', 'N', 'S', 'T')) FILTER (WHERE a.attname = ${quoteLiteral(column)}), false) AS sortable
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_type t ON t.oid = a.atttypid
    WHERE n.nspname = ${quoteLiteral(schema)} AND c.relname = ${quoteLiteral(table)} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    GROUP BY c.oid`);
  if (!found) {
    throw new ConfigurationError(
      `${where} does not exist`,
      'Write it as schema.table.column. Names are case-sensitive.',
    );
  }
  if (found.type === null) {
    throw new ConfigurationError(
      `${where} has no column ${column}`,
      `Use one of its columns: ${found.columns ?? '(it has none)'}.`,
    );
  }
  if (!found.sortable) {
    throw new ConfigurationError(
      `${where}: column ${column} of type ${found.type} cannot be compared by age`,
      'Use a column of dates, times or numbers.',
    );
  }
}
