import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/**
 * The SHA-256 of every file below a folder, by its path in it. An absent folder holds nothing. Records of runs are left out: every run
 * leaves one, also one that touches nothing else.
 */
export function listFolder(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !/\/records\/runs\//.test(file))
    .sort();
  return Object.fromEntries(
    files.map((file) => [
      relative(folder, file),
      createHash('sha256').update(readFileSync(file)).digest('hex'),
    ]),
  );
}

export function listBackups(folder: string): string[] {
  const backups = join(folder, 'backups');
  if (!existsSync(backups)) return [];
  return readdirSync(backups)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -5))
    .sort();
}

/** What a scenario needs of a manifest; docs/format.md describes all of it. */
export interface StoredManifest {
  readonly id: string;
  readonly encryption: { readonly scheme: string; readonly recipients?: readonly string[] };
  readonly objects: readonly { name: string; bytes: number; stored: number; sha256: string }[];
  readonly archive: { readonly objects: readonly number[] };
  readonly tables: readonly {
    schema: string;
    name: string;
    rows: number;
    ranges: readonly { pieces: readonly { object: number; offset: number; length: number }[] }[];
  }[];
  readonly notCarried: readonly { what: string; why: string; remedy: string }[];
}

export function readStoredManifest(folder: string, id = listBackups(folder).at(-1) ?? ''): StoredManifest {
  return JSON.parse(readFileSync(join(folder, 'backups', `${id}.json`), 'utf8')) as StoredManifest;
}

export function keyOf(name: string): string {
  return `objects/${name.slice(0, 2)}/${name}`;
}

/** The key of the first object that holds rows of a table, and all tables that have rows in it. */
export function findObject(manifest: StoredManifest, table: string): { key: string; tables: string[] } {
  const uses = (index: number) =>
    manifest.tables
      .filter(({ ranges }) => ranges.some(({ pieces }) => pieces.some(({ object }) => object === index)))
      .map(({ schema, name }) => `${schema}.${name}`);
  for (const [index, { name }] of manifest.objects.entries()) {
    const tables = uses(index);
    if (tables.includes(table)) return { key: keyOf(name), tables };
  }
  throw new Error(`no object holds rows of ${table}`);
}

/** Changes one bit in the middle of a file, as a failing disk does. */
export function flipBit(file: string): void {
  const bytes = readFileSync(file);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

export function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}
