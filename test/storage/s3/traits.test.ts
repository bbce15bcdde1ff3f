import {
  CreateBucketCommand,
  PutBucketVersioningCommand,
  PutObjectLockConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStorage } from '../../../src/storage/open.ts';
import { presentContext } from '../../support/context.ts';
import { startFakeS3 } from '../../support/fake-s3.ts';
import { type S3Server, s3Makes } from '../../support/s3-servers.ts';

const [moto] = s3Makes;
const region = 'us-east-1';

beforeAll(() => {
  process.env.AWS_ACCESS_KEY_ID ??= 'AKIATRAITS';
  process.env.AWS_SECRET_ACCESS_KEY ??= 'secret';
});

async function readTraits(endpoint: string, bucket: string) {
  const options = { s3Endpoint: endpoint, s3Region: region };
  await using storage = await openStorage(`s3://${bucket}/some/prefix`, options, presentContext);
  return storage.readTraits?.();
}

describe.skipIf(moto?.isHere !== true)('a bucket of a server that others wrote', () => {
  let server: S3Server;
  let client: S3Client;
  beforeAll(async () => {
    if (moto === undefined) return;
    server = await moto.start();
    client = new S3Client({ endpoint: server.endpoint, region, forcePathStyle: true });
  });
  afterAll(async () => {
    client?.destroy();
    await server?.stop();
  });

  it('keeps nothing of its own accord, unless it is told to', async () => {
    expect(await readTraits(server.endpoint, server.bucket)).toEqual({
      ...{ versions: 'none', defaultRetention: 'none' },
    });
  });

  it('keeps versions, and has kept them once they are suspended', async () => {
    for (const [Status, versions] of [
      ['Enabled', 'kept'],
      ['Suspended', 'suspended'],
    ] as const) {
      const VersioningConfiguration = { Status };
      await client.send(new PutBucketVersioningCommand({ Bucket: server.bucket, VersioningConfiguration }));
      expect(await readTraits(server.endpoint, server.bucket)).toMatchObject({ versions });
    }
  });

  it('locks what is written, in days also where it says years', async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'locked', ObjectLockEnabledForBucket: true }));
    for (const [rule, found] of [
      [
        { Mode: 'GOVERNANCE', Days: 30 },
        { mode: 'GOVERNANCE', days: 30 },
      ],
      [
        { Mode: 'COMPLIANCE', Years: 2 },
        { mode: 'COMPLIANCE', days: 730 },
      ],
    ] as const) {
      const ObjectLockConfiguration = {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: rule },
      } as const;
      await client.send(new PutObjectLockConfigurationCommand({ Bucket: 'locked', ObjectLockConfiguration }));
      expect(await readTraits(server.endpoint, 'locked')).toEqual({
        versions: 'kept',
        defaultRetention: found,
      });
    }
  });
});

it('a store that does not tell is not taken for one that does nothing', async () => {
  const store = await startFakeS3();
  store.fault = ({ query }) =>
    query.has('versioning') || query.has('object-lock')
      ? { kind: 'answer', status: query.has('versioning') ? 501 : 403, code: 'NotImplemented' }
      : undefined;
  try {
    expect(await readTraits(store.endpoint, store.bucket)).toEqual({
      ...{ versions: 'unknown', defaultRetention: 'unknown' },
    });
  } finally {
    await store.close();
  }
});
