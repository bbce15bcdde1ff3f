import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateBucketCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import type { Outcome } from '../../src/interface/outcome.ts';
import { S3Storage } from '../../src/storage/s3/store.ts';
import type { StoredValue } from '../../src/storage/storage.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { presentContext } from '../support/context.ts';
import { type MisbehavingProxy, startMisbehavingProxy } from '../support/misbehaving-proxy.ts';
import { awsSecret } from '../support/run-cli.ts';
import { type S3Server, s3Makes } from '../support/s3-servers.ts';
import { operate } from './in-process.ts';
import { createDatabase, query } from './shop.ts';

/** A cleanup of a bucket that keeps versions, or locks them: what it says is freed is not paid for any more, and nothing else. */

const stage = vi.hoisted(() => ({ open: (): unknown => undefined }));
vi.mock('../../src/storage/open.ts', () => ({ openStorage: async () => stage.open() }));

const [moto] = s3Makes.filter(({ name }) => name === 'moto');
if (moto === undefined) throw new Error('moto is one of the servers');
const hour = 3_600_000;

/** A bucket in which objects and marks are older than they are. */
class AgedBucket extends S3Storage {
  readonly age: number;
  constructor(options: ConstructorParameters<typeof S3Storage>[0], age: number) {
    super(options);
    this.age = age;
  }
  override async *list(prefix: string) {
    for await (const value of super.list(prefix)) yield this.#shift(value);
  }
  override async stat(key: string) {
    const found = await super.stat(key);
    return found && this.#shift(found);
  }
  #shift(value: StoredValue): StoredValue {
    const age = /^(objects|garbage)\//.test(value.key)
      ? this.age + (value.key.startsWith('o') ? 1000 : 0)
      : 0;
    return { ...value, modifiedAt: new Date(value.modifiedAt.getTime() - age) };
  }
}

describe.skipIf(!moto.isHere)('a bucket that keeps versions', () => {
  let cluster: Cluster;
  let source: string;
  let server: S3Server;
  let proxy: MisbehavingProxy;
  let client: S3Client;
  let bucket: string;
  let age: number;
  let buckets = 0;

  beforeAll(async () => {
    process.env.AWS_ACCESS_KEY_ID ??= 'AKIASCENARIOS';
    process.env.AWS_SECRET_ACCESS_KEY ??= awsSecret;
    cluster = await startCluster();
    source = await createDatabase(cluster.superuserUrl(), 'versions');
    await query(source, "CREATE TABLE t AS SELECT n, md5('t' || n) AS text FROM generate_series(1, 3000) n");
    server = await moto.start();
    proxy = await startMisbehavingProxy(server.endpoint);
    client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true });
  }, 120_000);
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
    await cluster?.stop();
  });

  async function openBucket(locked: boolean): Promise<void> {
    bucket = `cleaned-${buckets++}`;
    await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: locked }));
    await client.send(
      new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }),
    );
    const endpoint = new URL(proxy.endpoint);
    stage.open = () =>
      new AgedBucket({ bucket, prefix: 'shop', endpoint, context: presentContext, firstDelayMs: 2 }, age);
  }
  beforeEach(() => {
    proxy.misbehave();
    age = 0;
  });

  const run = (words: Partial<Record<InputName, string>>) => operate({ now: () => new Date() }, words);
  const cleanup = () => run({ operation: 'cleanup', retention: 'last=1 verified=1', 'grace-period': '1h' });
  const textOf = ({ report }: Outcome) => JSON.stringify(report);

  async function backUpThrice(): Promise<void> {
    for (let times = 0; times < 3; times++) {
      await query(source, 'UPDATE t SET text = md5(text)');
      await run({ operation: 'backup', 'database-url': source, 'backup-type': 'full' });
    }
  }

  /** Marks, and removes what was marked an hour ago and more. */
  async function cleanTwice(): Promise<[Outcome, Outcome]> {
    const first = await cleanup();
    age = 2 * hour;
    // Records of one second have no order.
    await sleep(1100);
    return [first, await cleanup()];
  }

  async function measure(kind: string): Promise<{ versions: number; bytes: number; now: number }> {
    const { Versions = [] } = await client.send(
      new ListObjectVersionsCommand({ Bucket: bucket, Prefix: `shop/${kind}/` }),
    );
    return {
      versions: Versions.length,
      bytes: Versions.reduce((sum, { Size = 0 }) => sum + Size, 0),
      now: Versions.filter(({ IsLatest }) => IsLatest).reduce((sum, { Size = 0 }) => sum + Size, 0),
    };
  }

  test('frees what the cleanup says, with the right to remove versions', async () => {
    await openBucket(false);
    await backUpThrice();
    const before = await measure('objects');
    const [first, second] = await cleanTwice();
    expect(first.outputs).toMatchObject({ removed: 2 });
    const after = await measure('objects');
    expect(Number(second.outputs['removed-bytes'])).toBeGreaterThan(0);
    expect(before.bytes - after.bytes).toBe(second.outputs['removed-bytes']);
    expect(after.bytes).toBe(after.now);
    expect((await measure('backups')).versions).toBe(1);
    expect(textOf(second)).not.toContain('delete marker');
    expect(textOf(first)).toMatch(
      /The bucket keeps versions, .*: 2 versions of what was removed are gone for good/,
    );
    expect(textOf(second)).toMatch(
      /The bucket keeps versions, .*: \d+ versions? of what was removed (is|are) gone/,
    );
    expect(await run({ operation: 'validate', 'backup-id': 'all' })).toMatchObject({ exitCode: 0 });
  });

  test('frees nothing without it, and cleanup and status say that it is hidden', async () => {
    await openBucket(false);
    await backUpThrice();
    const before = await measure('objects');
    // Of what is asked only while something is removed, the credentials may ask nothing.
    const open = stage.open as () => AgedBucket;
    stage.open = () => {
      const opened = open();
      const purge = opened.purge.bind(opened);
      opened.purge = async (keys) => {
        proxy.misbehave({ on: 'LIST', does: { kind: 'answer', status: 403, code: 'AccessDenied' } });
        try {
          return await purge(keys);
        } finally {
          proxy.misbehave();
        }
      };
      return opened;
    };
    const [first, second] = await cleanTwice();
    expect(textOf(first)).toMatch(/The bucket keeps versions: 2 manifests and headers are hidden/);
    expect(second.outputs).toMatchObject({ 'removed-objects': 0, 'removed-bytes': 0, retained: 0 });
    expect(textOf(second)).toMatch(/The bucket keeps versions: \d+ objects are hidden behind delete markers/);
    expect(textOf(second)).toMatch(/lifecycle rule/);
    expect(await measure('objects')).toMatchObject({ bytes: before.bytes });
    expect((await measure('objects')).now).toBeLessThan(before.bytes);
    expect(textOf(await run({ operation: 'status' }))).toMatch(
      /the bucket keeps versions: what the last cleanup removed, \d+ objects with .* is hidden and still paid for/,
    );
    expect(await run({ operation: 'validate', 'backup-id': 'all' })).toMatchObject({ exitCode: 0 });
  });

  test('and locks them keeps what the policy does not, which is told with its date', async () => {
    await openBucket(true);
    await client.send(
      new PutObjectLockConfigurationCommand({
        Bucket: bucket,
        ObjectLockConfiguration: {
          ObjectLockEnabled: 'Enabled',
          Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 1 } },
        },
      }),
    );
    await backUpThrice();
    const before = await measure('objects');
    const [first, second] = await cleanTwice();
    expect(first.outputs).toMatchObject({ removed: 0, retained: 2, backups: 3 });
    const tomorrow = new Date(Date.now() + 24 * hour).toISOString().slice(0, 10);
    expect(textOf(first)).toMatch(new RegExp(`"backups/[^"]+","${tomorrow} `));
    expect(second.outputs).toMatchObject({ 'removed-objects': 0, 'removed-bytes': 0 });
    expect(await measure('objects')).toEqual(before);
    expect(await run({ operation: 'validate', 'backup-id': 'all' })).toMatchObject({
      exitCode: 0,
      outputs: { backups: 3 },
    });
  });
});
