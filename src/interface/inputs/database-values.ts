import { readFileSync } from 'node:fs';
import type { ColumnName } from '../../values/column-name.ts';
import { splitPatterns } from '../../values/table-patterns.ts';
import { matching, Problem, patterned, patternOfList, splitList } from './values.ts';

/* Parsers for inputs about databases. Each throws `Problem` and nothing else, as those of values.ts. */

export const databaseUrlForm = 'postgresql://user:password@host:5432/database';

/**
 * Only known images are accepted: the server of the image reads the contents of a backup, and the password of
 * anything else that it can reach.
 */
export const parseImage = matching(
  /^(supabase\/)?postgres:\w[\w.-]{0,127}(@sha256:[0-9a-f]{64})?$/,
  'is not an image of postgres or of supabase/postgres',
  'Write it as in supabase/postgres:17.6.1.054',
);

export function parseDatabaseUrl(text: string): string {
  if (!/^postgres(ql)?:\/\//.test(text)) {
    throw new Problem('does not start with postgresql://', `Write it as ${databaseUrlForm}.`);
  }
  if (/\[your-password\]/i.test(text)) {
    throw new Problem(
      'still contains the placeholder [YOUR-PASSWORD]',
      'Replace it with the password of the database.',
    );
  }
  // libpq allows an empty host before a socket folder (`user@/database?host=/run/postgresql`), URLs do not.
  const standard = text
    .replace(/@(:\d+)?\//, (match) => match.replace('@', '@localhost'))
    // URLs do not allow several hosts either.
    .replace(/^([a-z]+:\/\/(?:[^/?#]*@)?[^/?#,@]*)(?:,[^/?#,@]*)+/i, '$1');
  const url = URL.canParse(standard) ? new URL(standard) : undefined;
  // A # begins no part of a connection string, and a second @ or a / before one belongs to a password.
  const isCut = url !== undefined && (url.hash !== '' || url.pathname.includes('@'));
  if (url === undefined || isCut || decode(url.password) === undefined) {
    const remedy = `Write it as ${databaseUrlForm}; in a password, percent-encode everything except letters and digits (@ is %40, / is %2F, # is %23, % is %25).`;
    throw new Problem('is not a valid URL', remedy);
  }
  // A service, or libpq's variables, supply everything that a URL leaves out.
  if (url.searchParams.get('service') || /^postgres(?:ql)?:\/{2,3}(?:\?|$)/i.test(text)) return text;
  if (url.hostname === '' && !url.searchParams.get('host') && !url.searchParams.get('hostaddr'))
    throw new Problem('has no host', `Write it as ${databaseUrlForm}.`);
  if (url.pathname.length < 2 && !url.searchParams.get('dbname')) {
    throw new Problem(
      'has no database',
      `Write it as ${databaseUrlForm}; on Supabase, the database is postgres.`,
    );
  }
  return text;
}

/** A schema and a table, or a star for all its tables. Each is quoted, or plain text with or without dots. */
const tablePattern =
  /^(?:"(?:[^"]|"")+"|[^".*]+(?:\.[^".*]+)*)\.(?:"(?:[^"]|"")+"|[^".*]+(?:\.[^".*]+)*|\*)$/;

/** The same where commas and line breaks separate patterns: only quotes may hold them */
const tablePatterns = patternOfList(
  new RegExp(`\\*|${tablePattern.source.slice(1, -1).replaceAll('[^".*]', '[^".*,\\r\\n]')}`),
);

export const parsePatterns = patterned(tablePatterns, (text): readonly string[] =>
  splitPatterns(text).map((pattern) => {
    if (pattern === '*' || tablePattern.test(pattern)) return pattern;
    throw new Problem(
      `cannot contain ${JSON.stringify(pattern)}`,
      'Write schema.table, schema.* or *. Names are case-sensitive. Put a part that contains dots, commas or stars in double quotes, as in "v1.2"."a,b".',
    );
  }),
);

/** A schema, a table and a column, none of which is quoted */
const columnPattern = /^([^".,\r\n]+)\.([^".,\r\n]+)\.([^".,\r\n]+)$/;

export const parseColumns = patterned(patternOfList(columnPattern), (text): readonly ColumnName[] =>
  splitList(text).map((name) => {
    const [, schema, table, column] = columnPattern.exec(name) ?? [];
    if (schema && table && column) return { schema, table, column };
    throw new Problem(
      `cannot contain ${JSON.stringify(name)}`,
      'Write schema.table.column. Names are case-sensitive and have no quotes.',
    );
  }),
);

export function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/**
 * SQL statements, one per line, given as text or as the path of a file; empty lines and lines that begin with
 * `--` or `#` are ignored.
 */
export function parseChecks(text: string): readonly string[] {
  const source = isSql(text) ? text : readFileAsText(text);
  const checks = source
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(--|#)/.test(line));
  if (checks.length === 0) {
    throw new Problem('contains no check', 'Write one SELECT a line, each of which must return true.');
  }
  return checks;
}

/** Tells questions from the path of a file with them. */
export function isSql(text: string): boolean {
  return text.includes('\n') || /^select\b/i.test(text);
}

function readFileAsText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Problem(
      `is neither a SELECT nor a file that can be read: ${JSON.stringify(path)}`,
      'Write one SELECT a line, each of which must return true, or the path of a file with them.',
    );
  }
}
