import { createHash, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { openStorage } from '../../../src/storage/open.ts';
import type { Storage } from '../../../src/storage/storage.ts';
import { createContext } from '../../support/context.ts';
import { type FakeS3, startFakeS3 } from '../../support/fake-s3.ts';
import { awsSecret } from '../../support/run-cli.ts';
import { type S3Server, s3Makes } from '../../support/s3-servers.ts';

process.env.AWS_ACCESS_KEY_ID ??= 'AKIASCENARIOS';
process.env.AWS_SECRET_ACCESS_KEY ??= awsSecret;

const value = randomBytes(1000);
const sha256 = createHash('sha256').update(value).digest('hex');

let server: Pick<S3Server | FakeS3, 'endpoint' | 'bucket'>;
let stop: () => Promise<void>;
afterEach(() => stop?.());

const open = (s3Checksums: boolean): Promise<Storage> =>
  openStorage(`s3://${server.bucket}/a`, { s3Endpoint: server.endpoint, s3Checksums }, createContext());

describe.each(s3Makes)('$name', ({ isHere, start }) => {
  test.skipIf(!isHere)('keeps no SHA-256 that it would check, and takes every value', async () => {
    const started = await start();
    [server, stop] = [started, () => started.stop()];
    await using storage = await open(true);
    await storage.probe();
    await storage.put('objects/one', value);
    expect(await storage.create('objects/two', value)).toBe(true);
    for (const key of ['objects/one', 'objects/two']) {
      expect((await storage.get(key)).equals(value)).toBe(true);
      expect(await storage.checksum?.(key)).toBeUndefined();
    }
  });
});

describe('a store that', () => {
  test.each([
    ['checks and keeps it', 'checked', sha256],
    ['gives back whatever it was sent', 'echoed', undefined],
    ['passes it over', 'ignored', undefined],
  ] as const)('%s is believed accordingly', async (_, checksums, expected) => {
    const fake = await startFakeS3({ checksums });
    [server, stop] = [fake, () => fake.close()];
    await using storage = await open(true);
    await storage.put('objects/one', value);
    expect(await storage.checksum?.('objects/one')).toBeUndefined();
    await storage.probe();
    expect(await storage.checksum?.('objects/one')).toBe(expected);
    expect([...fake.values.keys()]).toEqual(['a/objects/one']);
    await using plain = await open(false);
    await plain.probe();
    expect(await plain.checksum?.('objects/one')).toBeUndefined();
  });
});

describe('a store that refuses the header', () => {
  test.each([400, 501])('with %i is sent the value without it, and never again with it', async (status) => {
    const fake = await startFakeS3();
    [server, stop] = [fake, () => fake.close()];
    fake.fault = ({ headers }) =>
      headers['x-amz-checksum-sha256'] === undefined
        ? undefined
        : { kind: 'answer', status, code: 'NotImplemented' };
    await using storage = await open(true);
    await storage.put('objects/one', value);
    await storage.put('objects/two', value);
    const sent = fake.requests.filter(({ method }) => method === 'PUT').map(({ headers }) => headers);
    expect(sent.map((each) => each['x-amz-checksum-sha256'] !== undefined)).toEqual([true, false, false]);
    expect(fake.values.get('a/objects/two')?.bytes.equals(value)).toBe(true);
    expect(await storage.checksum?.('objects/one')).toBeUndefined();
  });

  test('and one that accepts it gets the SHA-256 of the bytes', async () => {
    const fake = await startFakeS3();
    [server, stop] = [fake, () => fake.close()];
    await using storage = await open(true);
    await storage.put('objects/one', value);
    expect(fake.requests.at(-1)?.headers['x-amz-checksum-sha256']).toBe(
      createHash('sha256').update(value).digest('base64'),
    );
  });
});
