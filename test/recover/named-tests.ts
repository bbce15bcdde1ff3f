import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
export const read = (file: string): string => readFileSync(join(root, file), 'utf8');

export interface Row {
  readonly line: string;
  readonly cells: readonly string[];
  /** The first cell */
  readonly what: string;
  /** The last one, which names tests */
  readonly shown: string;
}

/** The rows of the table of a page whose head begins so. */
export function readRows(page: string, head: string): Row[] {
  const lines = read(page).split('\n');
  const start = lines.findIndex((line) => line.startsWith(head));
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'));
  return lines.slice(start + 2, end < 0 ? undefined : end).map((line) => {
    const cells = line.slice(1, -1).split(' | ');
    return { line, cells, what: (cells[0] ?? '').trim(), shown: (cells.at(-1) ?? '').trim() };
  });
}

/** What a row says of the form `` `test/file.test.ts`: “title”, “title” ``: its first cell, file and title of each. */
export function listNamed(rows: readonly Row[]): [what: string, file: string, title: string][] {
  return rows.flatMap(({ what, shown }) =>
    [...shown.matchAll(/`(test\/[^`]+)`: ((?:“[^”]+”(?:, )?)+)/g)].flatMap(([, file = '', titles = '']) =>
      [...titles.matchAll(/“([^”]+)”/g)].map(([, title = '']): [string, string, string] => [
        what,
        file,
        title,
      ]),
    ),
  );
}

/** The files that rows name, with a title or without. */
export function listFiles(rows: readonly Row[]): string[] {
  return rows.flatMap(({ what, shown }) =>
    [...shown.matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => `${what}: ${file}`),
  );
}

/** Every text between quotes of a file, its titles among them; none where there is no such file. */
export function listTitles(file: string): string[] {
  if (!existsSync(join(root, file))) return [];
  return [...read(file).matchAll(/(['`"])((?:(?!\1)[^\\\n]|\\.)+)\1/g)].map(([, , text = '']) => text);
}
