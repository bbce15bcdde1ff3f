import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Omission } from '../../parity/scope.ts';
import { about } from '../../parity/subject.ts';
import { toolEnvironment } from '../../postgres/client/environment.ts';
import type { ClientTools } from '../../postgres/client/find.ts';
import { startTool } from '../../postgres/client/process.ts';
import { type ArchiveEntry, describeEntry, writeList } from '../../postgres/client/table-of-contents.ts';
import { quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { Context } from '../../runtime/context.ts';

/*
 * Entries about objects that CREATE EXTENSION creates: grants, values of sequences, rows of configuration
 * tables. The objects themselves have no entry, so nothing in the archive tells which extension they need.
 */

/**
 * Whether an entry is about an object that no entry of the archive creates, and that the server lacks, too.
 */
export async function isAboutAbsentPart(session: Session, entry: ArchiveEntry): Promise<boolean> {
  const { kind, schema, name } = entry;
  const [, of = kind, object = name] =
    kind === 'ACL' || kind === 'COMMENT' ? (/^([A-Z]+) (.*)$/s.exec(name) ?? []) : [];
  if (of === 'SCHEMA') return isAbsent(session, 'SELECT FROM pg_namespace WHERE nspname = $1', [object]);
  if (schema === undefined) return false;
  if (['TABLE', 'VIEW', 'SEQUENCE', 'TABLE DATA', 'SEQUENCE SET'].includes(of)) {
    return isAbsent(session, 'SELECT WHERE to_regclass($1) IS NOT NULL', [quoteQualified(schema, object)]);
  }
  if (['FUNCTION', 'PROCEDURE', 'AGGREGATE'].includes(of)) {
    return isAbsent(
      session,
      `SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 AND p.proname = $2`,
      [schema, object.replace(/\(.*$/s, '')],
    );
  }
  return isAbsent(
    session,
    'SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = $1 AND t.typname = $2',
    [schema, object],
  );
}

async function isAbsent(session: Session, sql: string, parameters: string[]): Promise<boolean> {
  const [row] = await session.query<{ there: boolean }>(`SELECT EXISTS (${sql}) AS there`, parameters);
  return row?.there === false;
}

/** Characters of names in one line of a report */
const shownNames = 300;

/** One omission for all of them, because one missing extension explains them. */
export function describeAbsentParts(entries: readonly ArchiveEntry[]): Omission[] {
  if (entries.length === 0) return [];
  const names: string[] = [];
  for (const entry of entries) {
    if (names.join(', ').length < shownNames) names.push(describeEntry(entry));
  }
  const more = entries.length - names.length;
  return [
    {
      what: `${entries.length} ${entries.length === 1 ? 'grant, value or comment' : 'grants, values and comments'}`,
      why: `they belong to extensions, or parts of them, that are missing: ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`,
      remedy: 'Create the extensions and restore again.',
    },
  ];
}

/**
 * Reports rows that an extension keeps for its user. In a drill, what pg_cron recorded of its runs does not
 * count as lost, because no drill runs jobs.
 */
export function describeAbsentRows(entry: ArchiveEntry, rows: number, extensions: 'lost' | 'told'): Omission {
  const isHistory = entry.schema === 'cron' && extensions === 'told';
  return {
    ...about({ kind: 'entry', entry }),
    why: `its extension is missing; ${rows} ${rows === 1 ? 'row is' : 'rows are'} ${isHistory ? 'left out' : 'lost'}`,
    remedy: 'Restore into a server that has the extension.',
    ...(isHistory ? {} : { lost: true as const }),
  };
}

/** Rows of a table of an extension, as the archive has them. */
export interface ArchivedRows {
  /** A list of column names, quoted as in SQL */
  readonly columns: string;
  /** Input of COPY … FROM STDIN, one row in each buffer */
  readonly text: AsyncIterable<Buffer>;
}

/**
 * Reads the rows of an entry.
 *
 * @returns undefined where the archive has no such rows
 * @throws ToolError when the archive cannot be read, also while the rows are taken
 */
export async function readArchivedRows(
  client: ClientTools,
  archive: string,
  entry: ArchiveEntry,
  context: Context,
): Promise<ArchivedRows | undefined> {
  const lines = printLines(client, archive, entry, context);
  for (;;) {
    const { done, value = '' } = await lines.next();
    if (done) return undefined;
    const columns = /^COPY .* \((.*)\) FROM stdin;$/s.exec(value)?.[1];
    if (columns !== undefined) return { columns, text: takeRows(lines) };
  }
}

async function* takeRows(lines: AsyncGenerator<string>): AsyncGenerator<Buffer> {
  let isOver = false;
  // Reads the output to its end: only then it is certain that the archive could be read.
  for await (const line of lines) {
    isOver ||= line === '\\.';
    if (!isOver) yield Buffer.from(`${line}\n`, 'latin1');
  }
}

/** Prints an entry as lines of latin1, which keeps every byte, whatever the encoding of the source. */
async function* printLines(
  client: ClientTools,
  archive: string,
  entry: ArchiveEntry,
  context: Context,
): AsyncGenerator<string> {
  const list = path.join(context.temporaryFolder, `rows-${entry.id}.list`);
  writeFileSync(list, writeList([entry]), { mode: 0o600 });
  const run = startTool(client.pgRestore, [`--use-list=${list}`, '--file=-', archive], {
    env: toolEnvironment(context.env),
    signal: context.signal,
  });
  let rest = '';
  for await (const part of run.stdout.setEncoding('latin1') as AsyncIterable<string>) {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  await run.done;
}

/** @throws ToolError when the archive cannot be read */
export async function countArchivedRows(
  client: ClientTools,
  archive: string,
  entry: ArchiveEntry,
  context: Context,
): Promise<number> {
  const found = await readArchivedRows(client, archive, entry, context);
  let rows = 0;
  if (found !== undefined) for await (const _row of found.text) rows++;
  return rows;
}
