import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../src/runtime/errors.ts';
import { FileStorage } from '../../src/storage/file.ts';
import { openStorage, type StorageOptions } from '../../src/storage/open.ts';
import { S3Storage } from '../../src/storage/s3/store.ts';
import { presentContext } from '../support/context.ts';

describe('a location', () => {
  test.each(['./backups', '../backups', '.', '/var/backups', 'file:///var/backups'])(
    '%s is a folder',
    async (location) => {
      const storage = await openStorage(location, {}, presentContext);
      expect(storage).toBeInstanceOf(FileStorage);
      expect(storage.location).toBe(location);
    },
  );

  test('as a file URL leads to its path', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'storage open-'));
    await (await openStorage(pathToFileURL(folder).href, {}, presentContext)).put(
      'key',
      Buffer.from('value'),
    );
    expect((await readdir(folder)).sort()).toEqual(['key', 'tmp']);
    await rm(folder, { recursive: true });
  });

  test.each([
    ['s3://my.bucket-1', 's3://my.bucket-1'],
    ['s3://bucket/', 's3://bucket'],
    ['s3://bucket/a/b', 's3://bucket/a/b'],
    ['s3://bucket/a/b/', 's3://bucket/a/b'],
    ['S3://bucket/a', 's3://bucket/a'],
  ])('%s is a bucket', async (location, shown) => {
    const storage = await openStorage(
      location,
      {
        s3Endpoint: 'https://store.example:9000',
        s3Region: 'eu-west-3',
      },
      presentContext,
    );
    expect(storage).toBeInstanceOf(S3Storage);
    expect(storage.location).toBe(shown);
  });

  test('a prefix that leaves no room for keys is refused', async () => {
    expect((await openStorage(`s3://bucket/${'a'.repeat(943)}`, {}, presentContext)).location).toHaveLength(
      955,
    );
    await expect(openStorage(`s3://bucket/${'a'.repeat(944)}`, {}, presentContext)).rejects.toThrow(
      'leaves no room for keys',
    );
  });

  test('an endpoint that begins with the bucket is refused where the bucket is put there', async () => {
    const s3Endpoint = 'https://bucket.store.example';
    await expect(
      openStorage('s3://bucket/a', { s3Endpoint, s3Addressing: 'virtual' }, presentContext),
    ).rejects.toMatchObject({
      message: 's3-endpoint begins with the bucket',
      next: 'Leave bucket. out of it: virtual addressing adds it.',
    });
    const storage = await openStorage('s3://bucket/a', { s3Endpoint, s3Addressing: 'path' }, presentContext);
    expect(storage.location).toBe('s3://bucket/a');
  });

  test.each([
    ['', 'storage is empty'],
    ['  ', 'storage is empty'],
    ['backups', 'storage has no scheme: backups'],
    ['~/backups', 'storage has no scheme'],
    ['gs://bucket', 'storage has a scheme that is not supported: gs:'],
    ['file://host/path', 'storage is not a path'],
    ['s3:bucket', 'storage names no bucket'],
    ['s3://', 'storage names no bucket'],
    ['s3:///prefix', 'storage names no bucket'],
    ['s3://b', 'storage has an invalid bucket name: b'],
    ['s3://bucket:9000/x', 'storage has an invalid bucket name'],
    ['s3://bucket/a//b', 'storage has a prefix that is not supported'],
    ['s3://bucket/../other', 'storage has a prefix that is not supported'],
    ['s3://bucket/a?endpoint=x', 'storage has a prefix that is not supported'],
  ])('%j is refused', async (location, message) => {
    await expect(openStorage(location, {}, presentContext)).rejects.toThrow(ConfigurationError);
    await expect(openStorage(location, {}, presentContext)).rejects.toThrow(message);
  });
});

describe('an endpoint', () => {
  const refusal = async (options: StorageOptions) => {
    try {
      await openStorage('s3://bucket/prefix', options, presentContext);
    } catch (error) {
      return error as ConfigurationError;
    }
    throw new Error('was not refused');
  };

  test.each(['store.example', 'store.example:9000', 'localhost:9000', 'ftp://store.example', 'https://'])(
    '%s is not a URL',
    async (s3Endpoint) => {
      expect((await refusal({ s3Endpoint })).message).toBe('s3-endpoint is not a URL');
    },
  );

  test('that ends with the bucket is refused', async () => {
    const error = await refusal({ s3Endpoint: 'https://account.r2.cloudflarestorage.com/bucket' });
    expect(error.next).toBe('Leave /bucket out of it: https://account.r2.cloudflarestorage.com.');
  });
});

test('credentials in a location or an endpoint are refused without showing them', async () => {
  for (const [location, options] of [
    ['s3://AKIA:hunter2@bucket/prefix', {}],
    ['s3://bucket/prefix', { s3Endpoint: 'https://AKIA:hunter2@store.example' }],
  ] as const) {
    const thrown = await openStorage(location, options, presentContext).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(ConfigurationError);
    expect(`${(thrown as Error).message} ${(thrown as ConfigurationError).next}`).not.toContain('hunter2');
  }
});
