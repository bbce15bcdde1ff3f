import { cpSync, mkdtempSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { startFakeS3 } from '../support/fake-s3.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli, succeed } from '../support/run-cli.ts';
import { expectRefusal } from './refusal.ts';
import { findObject, listFolder, readStoredManifest } from './repository-folder.ts';
import { createShop, query } from './shop.ts';

/* What people see of a repository between a backup and a restore: list, show, pin, unpin, and what validate leaves behind. */

interface Listed {
  readonly id: string;
  readonly kind: string;
  readonly label: string | null;
  readonly snapshotAt: string;
  readonly rows: number;
  readonly bytes: number;
  readonly storedBytes: number;
  readonly newBytes: number;
  readonly pinned: boolean;
  readonly verifiedAt: string | null;
  readonly damagedAt: string | null;
  readonly keep: boolean;
  readonly reasons: readonly string[];
}

let cluster: Cluster;
let folder: string;
let source: string;
/** Holds two backups and nothing else. Tests work on copies. */
let original: string;
let older: string;
let newer: string;
let copies = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'shelf-'));
  original = join(folder, 'original');
  cluster = await startCluster();
  source = await createShop(cluster.superuserUrl(), 'shop');
  older = await backup('--label', 'v2.4');
  await query(source, `INSERT INTO sales.customers (name) VALUES ('one more')`);
  newer = await backup('--pin');
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const env = () => ({ SUPABASE_BACKUP_DATABASE_URL: source });

async function backup(...words: string[]): Promise<string> {
  const made = await succeed(['backup', '--storage', original, ...words], { env: env() });
  return String(made['backup-id']);
}

function copy(): string {
  copies += 1;
  const place = join(folder, `copy-${copies}`);
  cpSync(original, place, { recursive: true });
  return place;
}

async function list(place: string, ...words: string[]): Promise<Listed[]> {
  const run = await runCli(['list', '--storage', place, '--json', ...words]);
  expect([0, 3]).toContain(run.exitCode);
  return readPrinted(run.stdout).outputs.list as Listed[];
}

async function find(place: string, id: string): Promise<Listed | undefined> {
  return (await list(place)).find((backup) => backup.id === id);
}

const records = (place: string) => Object.keys(listFolder(join(place, 'records')));

describe('list', () => {
  test('tells the backups newest first, with what scripts need of them', async () => {
    const [first, second, ...others] = await list(original);
    expect(others).toEqual([]);
    expect(first).toMatchObject({ id: newer, kind: 'full', label: null, pinned: true, verifiedAt: null });
    expect(second).toMatchObject({ id: older, label: 'v2.4', pinned: false, damagedAt: null });
    expect(first?.rows).toBe((second?.rows ?? 0) + 1);
    expect(second?.newBytes).toBe(second?.storedBytes);
    expect(first?.newBytes).toBeLessThan((first?.storedBytes ?? 0) / 2);
    expect(Date.parse(first?.snapshotAt ?? '')).toBeGreaterThan(Date.parse(second?.snapshotAt ?? ''));
  });

  test('tells people the same, what keeps each backup, and what a cleanup would remove', async () => {
    const run = await runCli(['list', '--storage', original, '--retention', 'last=1']);
    expect(run.exitCode).toBe(0);
    const lines = (id: string) => run.stdout.split('\n').filter((text) => text.startsWith(id));
    expect(lines(newer)).toEqual([
      expect.stringMatching(/full .* no .* pinned$/),
      expect.stringMatching(/ pinned, newest/),
      expect.stringMatching(/ no +no +no$/),
    ]);
    expect(lines(older)).toEqual([
      expect.stringMatching(/ no +v2\.4$/),
      expect.stringMatching(/ nothing: /),
      expect.stringMatching(/ no +no +no$/),
    ]);
    expect(run.stdout).toContain('2 backups; a cleanup with this retention would remove 1.');
    const [first, second] = await list(original, '--retention', 'last=1');
    expect([first?.keep, second?.keep]).toEqual([true, false]);
    expect(second?.reasons).not.toEqual([]);
  });

  test('changes nothing', async () => {
    const before = listFolder(original);
    await list(original);
    await succeed(['show', '--storage', original]);
    expect(listFolder(original)).toEqual(before);
  });

  test('says that an empty repository is empty', async () => {
    const place = copy();
    for (const name of readdirSync(join(place, 'backups'))) rmSync(join(place, 'backups', name));
    const run = await runCli(['list', '--storage', place]);
    expect(run).toMatchObject({ exitCode: 0 });
    expect(run.stdout).toContain('There are no backups yet');
    expect(await list(place)).toEqual([]);
  });

  test('refuses a folder that holds no repository', async () => {
    const run = await runCli(['list', '--storage', join(folder, 'nowhere')]);
    expectRefusal(run, { exitCode: 2, says: /there is no repository/ });
  });

  test('names a damaged manifest, lists the others, and answers no', async () => {
    const place = copy();
    truncateSync(join(place, 'backups', `${newer}.json`), 500);
    const run = await runCli(['list', '--storage', place]);
    expect(run.exitCode).toBe(3);
    expect(run.stdout).toContain(older);
    expect(run.stdout).toMatch(new RegExp(`${newer} .*truncated or damaged`));
    expect((await list(place)).map(({ id }) => id)).toEqual([older]);
  });
});

describe('show', () => {
  test('tells all that is known of a backup', async () => {
    const place = copy();
    await succeed(['validate', '--storage', place]);
    await succeed(['pin', '--storage', place, '--backup-id', older]);
    const run = await runCli(['show', '--storage', place, '--backup-id', older]);
    expect(run.exitCode).toBe(0);
    for (const part of [
      `Backup ${older}`,
      /kind +full/,
      /label +v2\.4/,
      /pinned +yes/,
      /verified \(UTC\) +\d{4}-/,
      /system identifier +\d+/,
      /server version +\d+\.\d+/,
      /LSN +[0-9A-F]+\/[0-9A-F]+/,
      /sales\.customers +50 +\S+ \S+ +1/,
      /plpgsql|sales\.orders_2025/,
      /validated: passed; 100% of the objects read and opened/,
      /Z +pinned/,
    ]) {
      expect(run.stdout).toMatch(part);
    }
    const manifest = readStoredManifest(place, older);
    expect(await succeed(['show', '--storage', place, '--backup-id', older])).toMatchObject({
      'backup-id': older,
      tables: manifest.tables.length,
      objects: manifest.objects.length,
    });
  });

  test('takes the latest when no id is given', async () => {
    expect(await succeed(['show', '--storage', original])).toMatchObject({ 'backup-id': newer });
  });

  test('refuses one that is not there, and one that is damaged', async () => {
    const place = copy();
    truncateSync(join(place, 'backups', `${newer}.json`), 500);
    const show = (id: string) => runCli(['show', '--storage', place, '--backup-id', id]);
    expectRefusal(await show('20200101T000000Z-0000'), { exitCode: 2, says: /there is no backup/ });
    expectRefusal(await show(newer), { exitCode: 1, says: /truncated or damaged/ });
  });
});

describe('pin and unpin', () => {
  const change = (operation: 'pin' | 'unpin', place: string, id: string) =>
    runCli([operation, '--storage', place, '--backup-id', id]);

  test('overrule the manifest and each other, and leave the manifest as it is', async () => {
    const place = copy();
    const before = listFolder(join(place, 'backups'));
    for (const pinned of [true, false, true]) {
      const run = await change(pinned ? 'pin' : 'unpin', place, older);
      expect(run.exitCode).toBe(0);
      expect(run.stdout).toContain(pinned ? 'is pinned' : 'is no longer pinned');
      expect((await find(place, older))?.pinned).toBe(pinned);
    }
    await change('unpin', place, newer);
    expect((await find(place, newer))?.pinned).toBe(false);
    expect(listFolder(join(place, 'backups'))).toEqual(before);
    expect(records(place)).toHaveLength(4);
  });

  test('say so and write nothing when there is nothing to change', async () => {
    const place = copy();
    const pinned = await change('pin', place, newer);
    expect(pinned).toMatchObject({ exitCode: 0 });
    expect(pinned.stdout).toContain('is pinned already');
    expect((await change('unpin', place, older)).stdout).toContain('is not pinned');
    expect(records(place)).toEqual([]);
  });

  test('refuse what is not whole or not there', async () => {
    const place = copy();
    truncateSync(join(place, 'backups', `${older}.json`), 500);
    expectRefusal(await change('pin', place, older), { exitCode: 1, says: /truncated or damaged/ });
    expectRefusal(await change('pin', place, '20200101T000000Z-0000'), { exitCode: 2, says: /no backup/ });
    expectRefusal(await runCli(['pin', '--storage', place]), { exitCode: 2, says: /backup-id/ });
    expect(records(place)).toEqual([]);
  });
});

describe('validate', () => {
  test('verifies what it has read whole, and only that', async () => {
    const place = copy();
    await succeed(['validate', '--storage', place, '--share', '50%']);
    expect((await list(place)).map(({ verifiedAt }) => verifiedAt)).toEqual([null, null]);
    await succeed(['validate', '--storage', place, '--backup-id', older]);
    expect((await find(place, older))?.verifiedAt).toMatch(/^\d{4}-.*Z$/);
    expect((await find(place, newer))?.verifiedAt).toBeNull();
    expect(records(place)).toHaveLength(2);
  });

  test('records damage of every backup that has it, and that it is gone when it is', async () => {
    const place = copy();
    await succeed(['validate', '--storage', place]);
    const { key } = findObject(readStoredManifest(place, older), 'public.readings');
    rmSync(join(place, key));
    expect((await runCli(['validate', '--storage', place])).exitCode).toBe(3);
    for (const { verifiedAt, damagedAt } of await list(place)) {
      expect(verifiedAt).toBeNull();
      expect(damagedAt).toMatch(/^\d{4}-/);
    }
    expect((await runCli(['list', '--storage', place])).stdout).toMatch(/DAMAGED/);
    cpSync(join(original, key), join(place, key));
    await succeed(['validate', '--storage', place]);
    expect((await find(place, older))?.damagedAt).toBeNull();
    expect((await find(place, older))?.verifiedAt).not.toBeNull();
  });

  test('of the latest names the newer one that is damaged', async () => {
    const place = copy();
    // Two of one second are both looked at, whichever is the newer.
    truncateSync(join(place, 'backups', `${newer}.json`), 500);
    const run = await runCli(['validate', '--storage', place, '--backup-id', 'latest']);
    expect(run.exitCode).toBe(3);
    expect(run.stdout).toMatch(new RegExp(`${newer} +manifest`));
    expect((await find(place, older))?.verifiedAt).not.toBeNull();
  });

  test('with credentials that may only read tells the result all the same', async () => {
    const s3 = await startFakeS3();
    try {
      const words = ['--storage', `s3://${s3.bucket}/shop`, '--s3-endpoint', s3.endpoint];
      await succeed(['backup', ...words], { env: env() });
      s3.fault = ({ method }) =>
        method === 'PUT' ? { kind: 'answer', status: 403, code: 'AccessDenied' } : undefined;
      const run = await runCli(['validate', ...words]);
      expect(run.exitCode).toBe(0);
      expect(run.stderr).toMatch(/the result was not recorded.*access is denied/);
      expectRefusal(await runCli(['pin', ...words, '--backup-id', 'latest']), {
        exitCode: 1,
        says: /access is denied/,
      });
    } finally {
      await s3.close();
    }
  });
});
