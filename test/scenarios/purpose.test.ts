import { createHmac } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { listBackups, listFolder } from './repository-folder.ts';
import { createDatabase, query } from './shop.ts';

/*
 * What a backup was taken for is a field of its manifest since format 2. Version 0.1.0 wrote format 1, which had only labels; the fixture
 * was written by it: an ordinary backup, the safety backup of a restore, and an incremental one with a label that begins like that of the
 * safety backup.
 */

const fixture = join(import.meta.dirname, '../fixture/repository-of-format-1');
const [first = '', safety = '', last = ''] = listBackups(fixture);

let cluster: Cluster;
let folder: string;
let copies = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'purpose-'));
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Listed {
  readonly id: string;
  readonly kind: string;
  readonly purpose: string;
  readonly label: string | null;
  readonly keep: boolean;
}

function makePlace(): string {
  copies += 1;
  return join(folder, `repository-${copies}`);
}

function copyFixture(): string {
  const place = makePlace();
  cpSync(fixture, place, { recursive: true });
  return place;
}

async function list(place: string, ...words: string[]): Promise<Listed[]> {
  const { list } = await succeed(['list', '--storage', place, ...words]);
  return list as Listed[];
}

async function restore(place: string, id: string, database: string): Promise<unknown[]> {
  const target = await createDatabase(cluster.superuserUrl(), database);
  const env = { SUPABASE_BACKUP_TARGET_URL: target };
  const outputs = await succeed(['restore', '--storage', place, '--backup-id', id], { env });
  expect(outputs).toMatchObject({ parity: 'equal' });
  const rows = await query<{ name: string }>(target, 'SELECT name FROM public.customers ORDER BY id');
  return [outputs['backup-id'], ...rows.map(({ name }) => name)];
}

describe('a repository of format 1', () => {
  test('is listed, with the purpose that only labels told', async () => {
    const place = copyFixture();
    expect(await list(place)).toMatchObject([
      { id: last, kind: 'incremental', purpose: 'ordinary', label: 'before restore of the shop' },
      { id: safety, kind: 'full', purpose: 'safety', label: `before restore of ${first}` },
      { id: first, kind: 'full', purpose: 'ordinary', label: 'v1' },
    ]);
    const people = await runCli(['list', '--storage', place]);
    expect(people.stdout).toMatch(new RegExp(`^${safety} .* full, safety `, 'm'));
    expect(people.stdout).toMatch(new RegExp(`^${last} .* incremental `, 'm'));
    const shown = await runCli(['show', '--storage', place, '--backup-id', safety]);
    expect(shown.stdout).toMatch(/^purpose +safety/m);
    expect(listFolder(place)).toEqual(listFolder(fixture));
  });

  test('is listed alike out of the cache that was written with it', async () => {
    const place = copyFixture();
    const { outlines } = JSON.parse(readFileSync(join(place, 'outlines.json'), 'utf8'));
    const kept = JSON.parse(zstdDecompressSync(Buffer.from(outlines, 'base64')).toString());
    expect(kept.map(({ outline }: { outline: object }) => outline)).toMatchObject([
      { id: first, format: 1 },
      { id: safety, format: 1 },
    ]);
    const listed = await list(place);
    for (const { modifiedAt, outline } of kept) {
      const file = join(place, 'backups', `${outline.id}.json`);
      utimesSync(file, new Date(modifiedAt), new Date(modifiedAt));
      // A manifest that is not read is not found damaged.
      writeFileSync(file, readFileSync(file, 'utf8').replace('postgres', 'postgrez'));
      utimesSync(file, new Date(modifiedAt), new Date(modifiedAt));
    }
    expect(await list(place)).toEqual(listed);
  });

  test('is read back whole, and each of its backups restored', async () => {
    const place = copyFixture();
    const found = await succeed(['validate', '--storage', place]);
    expect(found).toMatchObject({ backups: 3, damaged: 0 });
    expect(await restore(place, first, 'one')).toEqual([first, 'Ada', 'Grace', 'Edsger']);
    expect(await restore(place, safety, 'two')).toEqual([safety, 'Ada']);
    expect(await restore(place, 'latest', 'three')).toEqual([last, 'Ada', 'Grace', 'Edsger', 'Barbara']);
  });

  test('has a safety backup that latest passes over', async () => {
    const place = copyFixture();
    rmSync(join(place, 'backups', `${last}.json`));
    const shown = await runCli(['show', '--storage', place]);
    expect(shown.stdout).toContain(`Backup ${first}`);
    expect(shown.stderr).toContain(`${safety} is a safety backup`);
  });

  test('is pruned like any other', async () => {
    const place = copyFixture();
    const outputs = await succeed(['cleanup', '--storage', place, '--retention', 'last=1']);
    expect(outputs).toMatchObject({ backups: 2, removed: 1 });
    // The safety backup is pinned.
    expect(listBackups(place)).toEqual([safety, last]);
    expect(await succeed(['validate', '--storage', place])).toMatchObject({ backups: 2, damaged: 0 });
    expect(await restore(place, safety, 'pruned')).toEqual([safety, 'Ada']);
  });
});

describe('backups of both formats side by side', () => {
  let place: string;
  let source: string;
  let old: string;
  let newer: string;

  const backup = async (...words: string[]) =>
    String(
      (
        await succeed(['backup', '--storage', place, ...words], {
          env: { SUPABASE_BACKUP_DATABASE_URL: source },
        })
      )['backup-id'],
    );

  beforeAll(async () => {
    place = makePlace();
    source = await createDatabase(cluster.superuserUrl(), 'shop');
    await query(
      source,
      `CREATE TABLE public.customers (id int PRIMARY KEY, name text);
       INSERT INTO public.customers SELECT n, 'customer ' || n FROM generate_series(1, 5000) n`,
    );
    old = await backup('--label', 'v1');
    makeOld(place, old);
    await query(source, `UPDATE public.customers SET name = 'someone' WHERE id = 1`);
    newer = await backup('--backup-type', 'incremental');
  });

  test('build one upon the other', async () => {
    expect(readManifest(place, old)).toMatchObject({ format: 1 });
    expect(readManifest(place, old)).not.toHaveProperty('purpose');
    const manifest = readManifest(place, newer);
    expect(manifest).toMatchObject({ format: 2, kind: 'incremental', purpose: 'ordinary', base: old });
    const fields = Object.keys(manifest);
    expect(fields.indexOf('purpose')).toBeLessThan(fields.indexOf('objects'));
    expect((await list(place)).map(({ id, purpose }) => [id, purpose])).toEqual([
      [newer, 'ordinary'],
      [old, 'ordinary'],
    ]);
    expect(await succeed(['validate', '--storage', place])).toMatchObject({ backups: 2, damaged: 0 });
  });

  test('are restored, and each outlives the other', async () => {
    for (const [kept, gone, name] of [
      [old, newer, 'customer 1'],
      [newer, old, 'someone'],
    ] as const) {
      const copy = makePlace();
      cpSync(place, copy, { recursive: true });
      rmSync(join(copy, 'backups', `${gone}.json`));
      await succeed(['cleanup', '--storage', copy, '--retention', 'last=1']);
      const [id, ...names] = await restore(copy, 'latest', 'kept');
      expect([id, names[0], names.length]).toEqual([kept, name, 5000]);
    }
  });
});

describe('a backup that is labelled as safety backups are', () => {
  test('is an ordinary one: it is the latest, fresh, and what retention keeps', async () => {
    const place = makePlace();
    const source = await createDatabase(cluster.superuserUrl(), 'labelled');
    await query(source, `CREATE TABLE public.customers (id int, name text)`);
    const env = { SUPABASE_BACKUP_DATABASE_URL: source };
    const older = await succeed(['backup', '--storage', place], { env });
    await query(source, `INSERT INTO public.customers VALUES (1, 'Ada')`);
    const words = ['--label', `before restore of ${older['backup-id']}`, '--pin'];
    const { 'backup-id': id } = await succeed(['backup', '--storage', place, ...words], { env });

    for (const run of [
      await runCli(['show', '--storage', place]),
      await runCli(['status', '--storage', place, '--max-age', '1d']),
    ]) {
      expect(run).toMatchObject({ exitCode: 0 });
      expect(run.stdout).toContain(String(id));
      expect(run.stdout + run.stderr).not.toContain('safety backup');
    }
    expect(await restore(place, 'latest', 'latest')).toEqual([id, 'Ada']);
    const [listed] = await list(place, '--retention', 'last=1');
    expect(listed).toMatchObject({ id, purpose: 'ordinary', keep: true });
    expect((await runCli(['list', '--storage', place])).stdout).not.toContain('safety ');
    await succeed(['cleanup', '--storage', place, '--retention', 'last=1']);
    expect(listBackups(place)).toEqual([id]);
  });
});

function readManifest(place: string, id: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(place, 'backups', `${id}.json`), 'utf8'));
}

/** Makes a manifest what it would be in format 1, sealed as docs/format.md says. */
function makeOld(place: string, id: string): void {
  const file = join(place, 'backups', `${id}.json`);
  const { seal: _, purpose: __, ...fields } = readManifest(place, id);
  const text = JSON.stringify({ ...fields, format: 1 });
  const repository = JSON.parse(readFileSync(join(place, 'repository.json'), 'utf8'));
  const key = createHmac('sha256', Buffer.from(repository.key.value, 'hex'))
    .update(`supabase-backup repository ${repository.id}`)
    .digest();
  const seal = createHmac('sha256', key).update('manifest\0').update(text).digest('hex');
  const { mtime } = statSync(file);
  writeFileSync(file, `${text.slice(0, -1)},"seal":"${seal}"}\n`);
  utimesSync(file, mtime, mtime);
}
