import { afterAll, beforeAll, describe } from 'vitest';
import { S3Storage } from '../../../src/storage/s3/store.ts';
import { describeStorage } from '../../storage.contract.ts';
import { presentContext } from '../../support/context.ts';
import { type S3Server, s3Makes } from '../../support/s3-servers.ts';

/** The contract, against servers that others wrote. */
describe.each(s3Makes)('$name', ({ name, createOnly, tears, isHere, start }) => {
  describe.skipIf(!isHere)('as a store', () => {
    let server: S3Server;
    let opened = 0;
    beforeAll(async () => {
      process.env.AWS_ACCESS_KEY_ID ??= 'AKIACONTRACT';
      process.env.AWS_SECRET_ACCESS_KEY ??= 'of the contract';
      server = await start();
    });
    afterAll(() => server.stop());

    describeStorage(
      `s3 of ${name}`,
      async () =>
        new S3Storage({
          bucket: server.bucket,
          prefix: `contract/${opened++}`,
          endpoint: new URL(server.endpoint),
          context: presentContext,
          firstDelayMs: 2,
        }),
      { createOnly, deletes: true },
      { tears },
    );
  });
});
