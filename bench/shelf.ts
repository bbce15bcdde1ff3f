import { createHash } from 'node:crypto';
import { cpSync, linkSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Manifest, StoredObject } from '../src/format/manifest.ts';
import { writeManifest } from '../src/repository/backups/manifests.ts';
import { objectKey } from '../src/repository/objects/store.ts';
import { openForBackup, type RepositorySource } from '../src/repository/open.ts';
import { toolName, toolVersion } from '../src/runtime/version.ts';
import type { Storage } from '../src/storage/storage.ts';
import { onlyMaker } from '../test/repository/example.ts';

/** How many backups a repository holds, and how many objects each of them names: no two the same one. */
export interface ShelfSize {
  readonly backups: number;
  readonly objects: number;
}

const tables = 20;

/** As small as an object may be: what is measured looks at objects and never into them. */
const storedBytes = 4096;
const plainBytes = 16_384;

const hour = 3_600_000;

/** Names that one file may have: ext4 allows 65,000. */
const namesPerFile = 50_000;

/**
 * Writes the manifests of many full backups, the newest an hour old, without their objects. They are sealed and of the form and size
 * that a backup of a few large tables writes, one range to an object.
 */
export async function writeShelf(
  storage: Storage,
  source: RepositorySource,
  { backups, objects }: ShelfSize,
): Promise<void> {
  const repository = await openForBackup(storage, undefined, source, new Date(), onlyMaker);
  for (let age = backups; age >= 1; age--) {
    const at = new Date(Date.now() - age * hour);
    await writeManifest(repository, makeManifest(at, source, listObjects(age, objects)));
  }
}

/** Puts a file at the place of every object that the manifests name: one content, by as many names. */
export function writeObjects(path: string, { backups, objects }: ShelfSize): void {
  const folders = new Set<string>();
  let written = 0;
  let content = '';
  for (let age = backups; age >= 1; age--) {
    for (const { name } of listObjects(age, objects)) {
      const file = join(path, objectKey(name));
      if (!folders.has(dirname(file))) mkdirSync(dirname(file), { recursive: true });
      folders.add(dirname(file));
      if (written % namesPerFile === 0) {
        content = file;
        writeFileSync(file, Buffer.alloc(storedBytes));
      } else linkSync(content, file);
      written += 1;
    }
  }
}

/** @param one a repository, or a folder beside it with nothing but objects, like `other` */
export function copyObjects(one: string, other: string): void {
  cpSync(join(one, 'objects'), join(other, 'objects'), { recursive: true });
}

export function swapObjects(one: string, other: string): void {
  const aside = join(other, 'aside');
  renameSync(join(one, 'objects'), aside);
  renameSync(join(other, 'objects'), join(one, 'objects'));
  renameSync(aside, join(other, 'objects'));
}

function listObjects(backup: number, count: number): StoredObject[] {
  return Array.from({ length: count }, (_, index) => ({
    name: digest(`object ${backup} ${index}`),
    bytes: plainBytes,
    stored: storedBytes,
    sha256: digest(`stored ${backup} ${index}`),
  }));
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The first object is the archive; each of the others holds the rows of one range. */
export function makeManifest(at: Date, source: RepositorySource, objects: StoredObject[]): Manifest {
  const time = at.toISOString();
  const entries = Array.from({ length: tables }, (_, table) => makeTable(table, objects));
  const bytes = objects.reduce((sum, object) => sum + object.bytes, 0);
  const stored = objects.reduce((sum, object) => sum + object.stored, 0);
  return {
    format: 2,
    tool: { name: toolName, version: toolVersion },
    id: `${time.replace(/[-:]|\.\d+/g, '')}-${digest(time).slice(0, 4)}`,
    kind: 'full',
    purpose: 'ordinary',
    base: null,
    fullBecause: null,
    label: null,
    pin: false,
    startedAt: time,
    finishedAt: time,
    source: {
      ...source,
      databaseOid: 5,
      timeline: 1,
      postmasterStartedAt: time,
      serverVersion: 150_018,
      encoding: 'UTF8',
      settings: {},
      snapshot: '1000:1000:',
      lsn: '0/1000000',
      snapshotAt: time,
      token: null,
      definitions: digest('definitions'),
    },
    encryption: { scheme: 'none' },
    totals: { rows: entries.reduce((sum, { rows }) => sum + rows, 0), bytes, stored, added: stored },
    notCarried: [],
    durations: { total: 1000 },
    objects,
    archive: { bytes: objects[0]?.bytes ?? 0, objects: [0] },
    supplement: { bytes: 0, objects: [] },
    tables: entries,
    facts: { sequences: [], objects: { table: tables }, roles: ['postgres'], extensions: [] },
  };
}

const rowsPerRange = 100;
const pagesPerRange = 512;

function makeTable(table: number, objects: readonly StoredObject[]): Manifest['tables'][number] {
  const own = objects.flatMap((_, object) => (object > 0 && object % tables === table ? [object] : []));
  return {
    schema: 'public',
    name: `table_${table}`,
    oid: 16_384 + table,
    relfilenode: 16_384 + table,
    persistence: 'permanent',
    fingerprint: digest(`table ${table}`),
    columns: ['id', 'account_id', 'kind', 'amount', 'occurred_at', 'note'],
    root: null,
    rows: own.length * rowsPerRange,
    bytes: own.reduce((sum, object) => sum + (objects[object]?.bytes ?? 0), 0),
    ranges: own.map((object, index) => ({
      from: index * pagesPerRange,
      to: index === own.length - 1 ? null : (index + 1) * pagesPerRange,
      rows: rowsPerRange,
      places: BigInt.asIntN(64, BigInt(`0x${digest(`places ${object}`).slice(0, 16)}`)).toString(),
      pieces: [{ object, offset: 0, length: objects[object]?.bytes ?? 0 }],
    })),
  };
}
