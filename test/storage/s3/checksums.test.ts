import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { openStorage } from '../../../src/storage/open.ts';
import { S3Reading } from '../../../src/storage/s3/reading.ts';
import { S3Requests } from '../../../src/storage/s3/requests.ts';
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
let stop: (() => Promise<void>) | undefined;
afterEach(async () => {
  await stop?.();
  stop = undefined;
});

/** One of each make for all tests: moto takes seconds to start. */
const started = new Map<string, S3Server>();
async function startOnce({ name, start }: (typeof s3Makes)[number]): Promise<S3Server> {
  const running = started.get(name) ?? (await start());
  started.set(name, running);
  return running;
}
afterAll(async () => {
  for (const running of started.values()) await running.stop();
});

const open = (s3Checksums: boolean): Promise<Storage> =>
  openStorage(`s3://${server.bucket}/a`, { s3Endpoint: server.endpoint, s3Checksums }, createContext());

describe.each(s3Makes)('$name', (make) => {
  test.skipIf(!make.isHere)('keeps no SHA-256 that it would check, and takes every value', async () => {
    server = await startOnce(make);
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

describe('checksums that a store other than ours keeps', () => {
  const moto = s3Makes.find(({ name }) => name === 'moto');
  const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

  test.skipIf(!moto?.isHere)('count when they are of all bytes, and not when they are of parts', async () => {
    const { endpoint, bucket } = await startOnce(moto as NonNullable<typeof moto>);
    const options = { bucket, prefix: 'a', endpoint: new URL(endpoint), context: createContext() };
    await using requests = Object.assign(new S3Requests(options), {
      async [Symbol.asyncDispose]() {
        requests.close();
      },
    });
    const { client } = requests;
    const at = (key: string) => ({ Bucket: bucket, Key: `a/${key}` });
    const reading = new S3Reading(requests);
    await client.send(new PutObjectCommand({ ...at('all'), Body: value, ChecksumAlgorithm: 'SHA256' }));
    expect(await reading.checksum('all')).toBe(sha256);
    await client.send(new PutObjectCommand({ ...at('crc'), Body: value, ChecksumAlgorithm: 'CRC32' }));
    expect(await reading.checksum('crc')).toBeUndefined();

    // Of a single part, too: the number of parts behind it tells that it is no hash of the bytes.
    for (const parts of [[randomBytes(5 * 1024 * 1024), value], [value]]) {
      const made = { ...at('parts'), ChecksumAlgorithm: 'SHA256' as const };
      const { UploadId } = await client.send(new CreateMultipartUploadCommand(made));
      const Parts = [];
      for (const [index, Body] of parts.entries()) {
        const part = { ...at('parts'), UploadId, PartNumber: index + 1, Body };
        const { ETag } = await client.send(new UploadPartCommand({ ...part, ChecksumAlgorithm: 'SHA256' }));
        Parts.push({ ETag, PartNumber: index + 1, ChecksumSHA256: sha(Body).toString('base64') });
      }
      const whole = { ...at('parts'), UploadId, MultipartUpload: { Parts } };
      await client.send(new CompleteMultipartUploadCommand(whole));
      const { ChecksumSHA256 } = await client.send(
        new GetObjectCommand({ ...at('parts'), ChecksumMode: 'ENABLED' }),
      );
      const composite = createHash('sha256')
        .update(Buffer.concat(parts.map(sha)))
        .digest('base64');
      expect(ChecksumSHA256).toBe(`${composite}-${parts.length}`);
      // moto leaves the number away in answers to HEAD. It is another one than that of the bytes, which are read then.
      expect(await reading.checksum('parts')).not.toBe(sha(Buffer.concat(parts)).toString('hex'));
    }
    await expect(reading.checksum('nothing')).rejects.toMatchObject({ missing: true });
  });
});

describe('an answer to HEAD in the form of Amazon', () => {
  const told = createHash('sha256').update(value).digest('base64');

  test.each([
    ['all bytes', { 'x-amz-checksum-sha256': told, 'x-amz-checksum-type': 'FULL_OBJECT' }, sha256],
    ['all bytes, of old', { 'x-amz-checksum-sha256': told }, sha256],
    ['two parts', { 'x-amz-checksum-sha256': `${told}-2`, 'x-amz-checksum-type': 'COMPOSITE' }, undefined],
    ['two parts, of old', { 'x-amz-checksum-sha256': `${told}-2` }, undefined],
    ['one part', { 'x-amz-checksum-sha256': told, 'x-amz-checksum-type': 'COMPOSITE' }, undefined],
    ['another kind', { 'x-amz-checksum-crc64nvme': 'AAAAAAAAAAA=' }, undefined],
  ])('about a checksum of %s is read', async (_, headers, expected) => {
    const asked: (string | string[] | undefined)[] = [];
    const head = createServer(({ headers: sent }, response) => {
      asked.push(sent['x-amz-checksum-mode']);
      response.writeHead(200, headers).end();
    });
    await new Promise<void>((resolve) => head.listen(0, '127.0.0.1', resolve));
    stop = async () => {
      head.close();
    };
    const endpoint = new URL(`http://127.0.0.1:${(head.address() as AddressInfo).port}`);
    const requests = new S3Requests({ bucket: 'b', prefix: '', endpoint, context: createContext() });
    expect(await new S3Reading(requests).checksum('objects/one')).toBe(expected);
    expect(asked).toEqual(['ENABLED']);
    requests.close();
  });
});

describe('a probe', () => {
  test('does not take a slow connection for a refusal of the wrong checksum', async () => {
    const fake = await startFakeS3({ checksums: 'echoed' });
    [server, stop] = [fake, () => fake.close()];
    let faults = 0;
    fake.fault = ({ method, key, headers }) =>
      method === 'PUT' && headers['x-amz-checksum-sha256'] !== undefined && /1111/.test(key) && faults++ === 0
        ? { kind: 'answer', status: 400, code: 'RequestTimeout' }
        : undefined;
    await using storage = await open(true);
    await storage.probe();
    await storage.put('objects/one', value);
    expect(faults).toBe(2);
    expect(await storage.checksum?.('objects/one')).toBeUndefined();
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
