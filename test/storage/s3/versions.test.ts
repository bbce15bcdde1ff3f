import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  CreateBucketCommand,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { S3Storage } from '../../../src/storage/s3/store.ts';
import { keysOf } from '../../storage.contract.ts';
import { presentContext } from '../../support/context.ts';
import { type MisbehavingProxy, startMisbehavingProxy } from '../../support/misbehaving-proxy.ts';
import { type S3Server, s3Makes } from '../../support/s3-servers.ts';

/* Versions and Object Lock, as moto has them. */

const [moto] = s3Makes.filter(({ name }) => name === 'moto');
if (moto === undefined) throw new Error('moto is one of the servers');

describe.skipIf(!moto.isHere)('a bucket that keeps versions', () => {
  let server: S3Server;
  let proxy: MisbehavingProxy;
  let client: S3Client;
  let bucket: string;
  let storage: S3Storage;
  let buckets = 0;

  beforeAll(async () => {
    process.env.AWS_ACCESS_KEY_ID ??= 'AKIAVERSIONS';
    process.env.AWS_SECRET_ACCESS_KEY ??= 'of versions';
    server = await moto.start();
    proxy = await startMisbehavingProxy(server.endpoint);
    client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true });
  }, 120_000);
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
  });

  async function openBucket(locked: boolean): Promise<void> {
    bucket = `versions-${buckets++}`;
    await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: locked }));
    const VersioningConfiguration = { Status: 'Enabled' as const };
    await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
    const endpoint = new URL(proxy.endpoint);
    storage = new S3Storage({ bucket, prefix: 'p', endpoint, context: presentContext, firstDelayMs: 2 });
  }

  beforeEach(async () => {
    proxy.misbehave();
    await openBucket(false);
    for (const key of ['objects/aa/one', 'objects/bb/two', 'objects/bb/three']) {
      await storage.put(key, Buffer.from(key));
    }
    await storage.put('objects/aa/one', Buffer.from('written again'));
  });

  const countVersions = async () => {
    const { Versions = [], DeleteMarkers = [] } = await client.send(
      new ListObjectVersionsCommand({ Bucket: bucket }),
    );
    return { versions: Versions.length, markers: DeleteMarkers.length };
  };

  test('keeps the bytes of what is deleted', async () => {
    await storage.delete(['objects/aa/one']);
    expect(await keysOf(storage, '')).toEqual(['objects/bb/three', 'objects/bb/two']);
    expect(await countVersions()).toEqual({ versions: 4, markers: 1 });
  });

  test('keeps nothing of what is purged with the right to do so, and all of the others', async () => {
    await storage.delete(['objects/bb/two']);
    const keys = ['objects/aa/one', 'objects/bb/two', 'objects/cc/absent'];
    expect(await storage.purge(keys)).toEqual({ hidden: [], retained: [], versions: 3 });
    expect(await keysOf(storage, '')).toEqual(['objects/bb/three']);
    expect(await countVersions()).toEqual({ versions: 1, markers: 0 });
  });

  test.each([
    ['whether it keeps versions', ''],
    ['which versions there are', 'p/objects/'],
  ])(
    'and does not tell these credentials %s: what is purged is hidden, and said to be',
    async (_what, under) => {
      proxy.misbehave({ on: 'LIST', under, does: { kind: 'answer', status: 403, code: 'AccessDenied' } });
      expect(await storage.purge(['objects/aa/one', 'objects/bb/two'])).toEqual({
        hidden: ['objects/aa/one', 'objects/bb/two'],
        retained: [],
        versions: 0,
      });
      proxy.misbehave();
      expect(await keysOf(storage, '')).toEqual(['objects/bb/three']);
      expect(await countVersions()).toEqual({ versions: 4, markers: 2 });
    },
  );

  test('and locks them keeps them as they are, and tells until when', async () => {
    await openBucket(true);
    const retention = { Mode: 'COMPLIANCE' as const, Days: 2 };
    await client.send(
      new PutObjectLockConfigurationCommand({
        Bucket: bucket,
        ObjectLockConfiguration: {
          ObjectLockEnabled: 'Enabled',
          Rule: { DefaultRetention: retention },
        },
      }),
    );
    for (const key of ['objects/aa/one', 'objects/bb/two']) await storage.put(key, Buffer.from(key));
    const { hidden, retained } = await storage.purge(['objects/aa/one', 'objects/bb/two']);
    expect(hidden).toEqual([]);
    expect(retained.map(({ key }) => key).sort()).toEqual(['objects/aa/one', 'objects/bb/two']);
    const days = retained.map(({ until }) => (Number(until) - Date.now()) / 86_400_000);
    for (const left of days) expect(left).toBeCloseTo(2, 1);
    expect(await keysOf(storage, '')).toEqual(['objects/aa/one', 'objects/bb/two']);
  });

  test('and holds one keeps that one, without a date', async () => {
    await openBucket(true);
    for (const key of ['objects/aa/one', 'objects/bb/two']) await storage.put(key, Buffer.from(key));
    await client.send(
      new PutObjectLegalHoldCommand({
        Bucket: bucket,
        Key: 'p/objects/aa/one',
        LegalHold: { Status: 'ON' },
      }),
    );
    expect(await storage.purge(['objects/aa/one', 'objects/bb/two'])).toEqual({
      hidden: [],
      retained: [{ key: 'objects/aa/one', until: undefined }],
      versions: 1,
    });
    expect(await keysOf(storage, '')).toEqual(['objects/aa/one']);
  });

  describe('and docs/retention.md', () => {
    const docs = readFileSync(join(import.meta.dirname, '../../../docs/retention.md'), 'utf8');
    const blockOf = (language: string) => {
      const [, text] = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(docs) ?? [];
      if (text === undefined) throw new Error(`docs/retention.md has no block of ${language}`);
      return text;
    };
    const folder = mkdtempSync(join(tmpdir(), 'undelete-'));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test('have a lifecycle rule that a store takes', async () => {
      const LifecycleConfiguration = JSON.parse(blockOf('json'));
      await client.send(
        new PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration }),
      );
    });

    test('have a script that brings back what was deleted, and only what lies there', async () => {
      const values = new Map<string, string>();
      await storage.put('repository.json', Buffer.from('{}'));
      for (const key of await keysOf(storage, '')) values.set(key, (await storage.get(key)).toString());
      await storage.put('locks/0123456789abcdef.json', Buffer.from('{}'));
      await storage.delete([...values.keys(), 'locks/0123456789abcdef.json']);
      expect(await keysOf(storage, '')).toEqual([]);
      const script = join(folder, 'undelete.py');
      writeFileSync(script, blockOf('python'));
      const env = { ...process.env, AWS_ENDPOINT_URL: server.endpoint, AWS_DEFAULT_REGION: 'us-east-1' };
      await promisify(execFile)('python3', [script, bucket, 'p/'], { env });
      expect(await keysOf(storage, '')).toEqual([...values.keys()].sort());
      for (const [key, value] of values) expect((await storage.get(key)).toString()).toBe(value);
    });
  });
});
