import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import type { Outcome } from '../../src/interface/outcome.ts';
import { objectKey } from '../../src/repository/objects/store.ts';
import { openStorage } from '../../src/storage/open.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { runTool } from '../fixture/dump.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { createContext } from '../support/context.ts';
import { awsSecret } from '../support/run-cli.ts';
import { type S3Server, s3Makes, startOverWebdav } from '../support/s3-servers.ts';
import { operate } from './in-process.ts';
import { createDatabase, createShop, query } from './shop.ts';

/** A repository and its copies in servers of two makes, one of which keeps its files on a server of WebDAV. */

const canRun = s3Makes.every(({ isHere }) => isHere);

describe.skipIf(!canRun)('a repository with a copy elsewhere', () => {
  let cluster: Cluster;
  let first: S3Server;
  let second: S3Server;
  let source: string;
  let folder: string;
  const words: string[] = [];

  beforeAll(async () => {
    process.env.AWS_ACCESS_KEY_ID ??= 'AKIASCENARIOS';
    process.env.AWS_SECRET_ACCESS_KEY ??= awsSecret;
    folder = mkdtempSync(join(tmpdir(), 'webdav-'));
    const [moto] = s3Makes;
    if (moto === undefined) throw new Error('there is a first make');
    [cluster, first, second] = await Promise.all([startCluster(), moto.start(), startOverWebdav(folder)]);
    source = await createShop(cluster.superuserUrl(), 'of_copies');
  });
  afterAll(async () => {
    await Promise.all([cluster?.stop(), first?.stop(), second?.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });

  const copies = () =>
    `- name: elsewhere\n  storage: s3://${second.bucket}/copy\n  endpoint: ${second.endpoint}\n  access-key-id: AKIASECOND\n  secret-access-key: secondsecret`;
  const run = (inputs: Partial<Record<InputName, string>>): Promise<Outcome> =>
    operate(
      { now: () => new Date() },
      { storage: `s3://${first.bucket}/shop`, 's3-endpoint': first.endpoint, ...inputs },
      { messages: words },
    );
  const open = (server: S3Server, prefix: string): Promise<Storage> =>
    openStorage(`s3://${server.bucket}/${prefix}`, { s3Endpoint: server.endpoint }, createContext());

  /** Everything a storage has, by key, but for locks and the cache. */
  async function contentOf(server: S3Server, prefix: string): Promise<Map<string, string>> {
    await using storage = await open(server, prefix);
    const found = new Map<string, string>();
    for await (const { key } of storage.list('')) {
      if (/^(locks|probe)\/|^outlines.json$/.test(key)) continue;
      found.set(
        key,
        createHash('sha256')
          .update(await storage.get(key))
          .digest('hex'),
      );
    }
    return new Map([...found].sort());
  }

  /** What pg_dump writes of a database, in no order; its key against injection is another each time. */
  async function digest(url: string): Promise<string> {
    const dump = await runTool(cluster.binFolder, 'pg_dump', [], url);
    const lines = dump.split('\n').filter((line) => !/^(--|\\(un)?restrict )/.test(line));
    return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
  }
  const copiesOf = ({ outputs }: Outcome) => JSON.parse(String(outputs.copies)) as Record<string, unknown>[];

  test('gets it with the backup, and by mirror what it lacks; byte for byte the same', async () => {
    const backup = await run({ operation: 'backup', 'database-url': source, copies: copies() });
    expect(backup.exitCode).toBe(0);
    expect(copiesOf(backup)).toMatchObject([
      { name: 'elsewhere', state: 'complete', isNew: true, lag: { newest: backup.outputs['backup-id'] } },
    ]);
    expect(await contentOf(second, 'copy')).toEqual(await contentOf(first, 'shop'));

    await query(source, `UPDATE public.events SET text = md5(text) WHERE id % 3 = 0`);
    const incremental = await run({
      ...{ operation: 'backup', 'database-url': source, 'backup-type': 'incremental' },
    });
    await run({ operation: 'pin', 'backup-id': String(incremental.outputs['backup-id']) });
    const planned = await run({ operation: 'mirror', copies: copies(), 'dry-run': 'true' });
    expect(planned).toMatchObject({ exitCode: 0, outputs: { 'missing-backups': 1, refused: 0 } });
    const mirrored = await run({ operation: 'mirror', copies: copies(), share: '100%' });
    expect(mirrored).toMatchObject({
      exitCode: 0,
      outputs: { copied: planned.outputs.copied, 'new-bytes': planned.outputs['new-bytes'] },
    });
    expect(copiesOf(mirrored)).toMatchObject([{ state: 'complete', lag: { missingBackups: 0 } }]);
    expect(await contentOf(second, 'copy')).toEqual(await contentOf(first, 'shop'));
    const validated = await run({
      ...{ operation: 'validate', 'backup-id': 'all' },
      ...{ storage: `s3://${second.bucket}/copy`, 's3-endpoint': second.endpoint },
    });
    expect(validated).toMatchObject({ exitCode: 0, outputs: { backups: 2, damaged: 0 } });
  });

  test('is drilled from there while the first storage has a damaged and a lost object', async () => {
    await using storage = await open(first, 'shop');
    const manifests: string[] = [];
    for await (const { key } of storage.list('backups/')) manifests.push(key);
    const newest = JSON.parse(String(await storage.get(manifests.sort().at(-1) as string)));
    const [lost, damaged] = newest.objects.map(({ name }: { name: string }) => objectKey(name));
    await storage.delete([lost]);
    const bytes = await storage.get(damaged);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await storage.put(damaged, bytes);

    const refused = await run({ operation: 'validate', copies: copies() });
    expect(refused).toMatchObject({ exitCode: 3, outputs: { damaged: expect.any(Number) } });
    expect(JSON.stringify(refused.report)).toContain('The copies have 2 of 2 damaged objects whole');

    const target = await createDatabase(cluster.superuserUrl(), 'target_of_damage');
    const drilled = await run({ operation: 'drill', 'target-url': target, copies: copies() });
    expect(drilled).toMatchObject({ exitCode: 0, outputs: { drill: 'passed', 'read-from': 'elsewhere' } });
    expect(JSON.stringify(drilled.report)).toMatch(
      /READ FROM THE COPY elsewhere .* of what the storage lacks, .* of what is damaged in the storage/,
    );
  });

  test('heals the first storage, which is whole again', async () => {
    const before = await contentOf(second, 'copy');
    const planned = await run({ operation: 'repair', copies: copies(), 'dry-run': 'true' });
    expect(planned).toMatchObject({ exitCode: 0, outputs: { healed: 2, refused: 0 } });
    const repaired = await run({ operation: 'repair', copies: copies() });
    expect(repaired).toMatchObject({ exitCode: 0, outputs: { healed: 2, refused: 0 } });
    const validated = await run({ operation: 'validate' });
    expect(validated).toMatchObject({ exitCode: 0, outputs: { damaged: 0 } });
    expect(await contentOf(second, 'copy')).toEqual(before);
  });

  test('is restored and validated from there when the first is gone, and the first is made anew', async () => {
    await run({ operation: 'mirror', copies: copies() });
    const before = await contentOf(first, 'shop');
    await first.stop();
    const target = await createDatabase(cluster.superuserUrl(), 'target_of_loss');
    const restored = await run({ operation: 'restore', 'target-url': target, copies: copies() });
    expect(restored).toMatchObject({ exitCode: 0, outputs: { parity: 'equal', 'read-from': 'elsewhere' } });
    expect(await digest(target)).toBe(await digest(source));
    const validated = await run({ operation: 'validate', copies: copies() });
    expect(validated).toMatchObject({ exitCode: 0, outputs: { damaged: 0, 'read-from': 'elsewhere' } });

    first = await (s3Makes[0] as (typeof s3Makes)[number]).start();
    const repaired = await run({ operation: 'repair', copies: copies() });
    expect(repaired).toMatchObject({ exitCode: 0, outputs: { refused: 0 } });
    const after = await contentOf(first, 'shop');
    for (const [key, sha256] of before) expect([key, after.get(key)]).toEqual([key, sha256]);
    expect(await run({ operation: 'validate' })).toMatchObject({ exitCode: 0, outputs: { damaged: 0 } });
  });

  test('a copy that does not answer leaves the backup green, and says so', async () => {
    await second.stop();
    const backup = await run({ operation: 'backup', 'database-url': source, copies: copies() });
    expect(backup.exitCode).toBe(0);
    expect(copiesOf(backup)).toMatchObject([{ name: 'elsewhere', state: 'failed' }]);
    expect(words.some((word) => word.startsWith('the copy elsewhere was not updated'))).toBe(true);
    await expect(run({ operation: 'mirror', copies: copies() })).rejects.toThrow(/127\.0\.0\.1/);
  });

  test('no message holds the secret of a copy', () => {
    expect(words.join('\n')).not.toContain('secondsecret');
  });
});
