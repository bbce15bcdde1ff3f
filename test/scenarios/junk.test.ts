import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Manifest } from '../../src/format/manifest.ts';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import { renderText } from '../../src/report/text.ts';
import { objectKey } from '../../src/repository/objects/store.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { operate } from './in-process.ts';
import { createDatabase, query } from './shop.ts';

/**
 * What one who may write to the storage, and has no key, can leave in it: files larger than any memory, and links. No operation may stop
 * because of them, and each whose answer they touch says so.
 */

let cluster: Cluster;
let source: string;
const folder = mkdtempSync(join(tmpdir(), 'junk-'));
let root: string;
let made = 0;

beforeAll(async () => {
  cluster = await startCluster();
  source = await createDatabase(cluster.superuserUrl(), 'junk');
  await query(source, `CREATE TABLE t AS SELECT n, md5('row ' || n) AS text FROM generate_series(1, 500) n`);
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const messages: string[] = [];

async function run(words: Partial<Record<InputName, string>>): Promise<{ exitCode: number; text: string }> {
  messages.length = 0;
  const { exitCode, report } = await operate(
    { now: () => new Date() },
    { storage: root, ...words },
    { messages },
  );
  return { exitCode, text: renderText(report) };
}

/** A gate may take a backup. */
const words = (operation: string) => ({
  operation,
  ...(operation === 'gate' ? { 'database-url': source, 'rollback-token': 'false' } : {}),
});

const backup = (type: string) =>
  run({ operation: 'backup', 'database-url': source, 'backup-type': type, 'rollback-token': 'false' });

/** A file that takes no room on the disk and more memory than there is. */
function inflate(key: string): void {
  const path = join(root, key);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, '');
  truncateSync(path, 5 * 1024 ** 3);
}

beforeEach(async () => {
  root = join(folder, `repository-${made++}`);
  await backup('full');
});

describe.each([
  ['too large', inflate],
  [
    'a link',
    (key: string) => {
      mkdirSync(join(root, key, '..'), { recursive: true });
      symlinkSync('/dev/zero', join(root, key));
    },
  ],
])('a file that is %s', (_, leave) => {
  test('among locks keeps nobody waiting', async () => {
    leave('locks/0123456789abcdef.json');
    for (const given of [
      { operation: 'backup', 'database-url': source, 'rollback-token': 'false' },
      { operation: 'cleanup', retention: 'last=1' },
    ]) {
      expect(await run(given)).toMatchObject({ exitCode: 0 });
      expect(messages.filter((message) => message.includes('0123456789abcdef'))).toEqual([
        expect.stringMatching(/it is not a lock, and is ignored/),
      ]);
    }
  });

  test('among records, marks or changes is passed over, and told', async () => {
    leave('records/validations/20990101T000000Z-0000.json');
    leave('records/pins/20990101T000000Z-0000.json');
    leave('records/restores/20990101T000000Z-0000.json');
    leave('garbage/20200101T000000Z-0000.json');
    expect(await backup('incremental')).toMatchObject({ exitCode: 0 });
    expect(messages.join('\n')).toContain('validations/20990101T000000Z-0000.json');
    expect(messages.join('\n')).toContain('garbage/20200101T000000Z-0000.json');
    expect(await run({ operation: 'list' })).toMatchObject({ exitCode: 0 });
    expect(await run({ operation: 'validate' })).toMatchObject({ exitCode: 0 });
    expect(await run(words('gate'))).toMatchObject({ exitCode: 0 });
    expect(await run({ operation: 'cleanup', retention: 'last=1' })).toMatchObject({ exitCode: 0 });
    await run({ operation: 'status' });
    expect(messages.join('\n')).toContain('restores/20990101T000000Z-0000.json');
  });

  test('among backups is a damaged one, and cleanup says what to do', async () => {
    const id = '20260101T000000Z-0000';
    leave(`backups/${id}.json`);
    expect(await backup('incremental')).toMatchObject({ exitCode: 0 });
    expect(await run(words('gate'))).toMatchObject({ exitCode: 0 });
    expect(await run({ operation: 'show' })).toMatchObject({ exitCode: 0 });
    for (const operation of ['list', 'status', 'validate'] as const) {
      const { text } = await run(words(operation));
      expect(text, operation).toContain(id);
    }
    const { exitCode, text } = await run({ operation: 'cleanup', retention: 'last=1' });
    expect(exitCode).toBe(3);
    expect(text).toContain(`backups/${id}.json`);
    expect(text).toMatch(/somebody who may write to \S+ has put it there: delete it/);
    rmSync(join(root, 'backups', `${id}.json`));
    expect(await run({ operation: 'cleanup', retention: 'last=1' })).toMatchObject({ exitCode: 0 });
  });

  test('among changes is a gap, and cleanup says what to do', async () => {
    const key = 'changes/20260101T000000Z-0000/0000000000000001-0000000000000002.json';
    leave(key);
    expect(await backup('incremental')).toMatchObject({ exitCode: 0 });
    for (const operation of ['list', 'status', 'validate', 'gate'] as const) {
      await run(words(operation));
    }
    const { exitCode, text } = await run({ operation: 'cleanup', retention: 'last=1' });
    expect(exitCode).toBe(3);
    expect(text).toContain(key);
  });

  test('in the place of an object is damage, and the next full backup heals it', async () => {
    // Of rows: what pg_dump writes has its time in it, and is another content each time.
    const [manifest = ''] = readdirSync(join(root, 'backups'));
    const { objects, tables } = JSON.parse(readFileSync(join(root, 'backups', manifest), 'utf8')) as Manifest;
    const { name = '' } = objects[tables[0]?.ranges[0]?.pieces[0]?.object ?? -1] ?? {};
    const key = objectKey(name);
    rmSync(join(root, key));
    leave(key);
    const { exitCode, text } = await run({ operation: 'validate' });
    expect(exitCode).toBe(3);
    expect(text).toContain(key);
    for (const operation of ['list', 'show', 'gate'] as const) await run(words(operation));
    expect(await backup('full')).toMatchObject({ exitCode: 0 });
    expect(await run({ operation: 'validate' })).toMatchObject({ exitCode: 0 });
  });
});
