import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import type { Outcome } from '../../src/interface/outcome.ts';
import { runTool } from '../fixture/dump.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { awsSecret } from '../support/run-cli.ts';
import { type S3Server, s3Makes } from '../support/s3-servers.ts';
import { operate } from './in-process.ts';
import { createDatabase, createShop, query } from './shop.ts';

/** The life of a repository in servers of S3 that others wrote. */

let cluster: Cluster;
beforeAll(async () => {
  process.env.AWS_ACCESS_KEY_ID ??= 'AKIASCENARIOS';
  process.env.AWS_SECRET_ACCESS_KEY ??= awsSecret;
  cluster = await startCluster();
});
afterAll(() => cluster?.stop());

describe.each(s3Makes)('$name', ({ isHere, start }) => {
  describe.skipIf(!isHere)('as the storage', () => {
    let server: S3Server;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server?.stop());

    const run = (words: Partial<Record<InputName, string>>): Promise<Outcome> =>
      operate(
        { now: () => new Date() },
        { storage: `s3://${server.bucket}/shop`, 's3-endpoint': server.endpoint, ...words },
      );
    /** What pg_dump writes of a database, in no order; its key against injection is another each time. */
    async function digest(url: string): Promise<string> {
      const dump = await runTool(cluster.binFolder, 'pg_dump', [], url);
      const lines = dump.split('\n').filter((line) => !/^(--|\\(un)?restrict )/.test(line));
      return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
    }

    test('takes backups, full and incremental, which are listed, validated, restored and cleaned up', async () => {
      const source = await createShop(cluster.superuserUrl(), 'of_servers');
      const backup = { operation: 'backup', 'database-url': source };
      const full = await run(backup);
      await query(source, `UPDATE public.events SET text = md5(text) WHERE id % 3 = 0`);
      const incremental = await run({ ...backup, 'backup-type': 'incremental' });
      expect(incremental.outputs).toMatchObject({ 'base-id': full.outputs['backup-id'] });

      const listed = await run({ operation: 'list' });
      expect(JSON.stringify(listed.report)).toContain(full.outputs['backup-id']);
      expect(await run({ operation: 'validate' })).toMatchObject({
        exitCode: 0,
        outputs: { backups: 2, damaged: 0 },
      });

      const target = await createDatabase(cluster.superuserUrl(), 'target_of_servers');
      const restored = await run({ operation: 'restore', 'target-url': target });
      expect(restored).toMatchObject({ exitCode: 0, outputs: { parity: 'equal' } });
      expect(await digest(target)).toBe(await digest(source));

      const cleaned = await run({ operation: 'cleanup', retention: 'last=1 verified=1' });
      expect(cleaned.outputs).toMatchObject({ removed: 1 });
      expect(await run({ operation: 'validate' })).toMatchObject({
        exitCode: 0,
        outputs: { backups: 1, damaged: 0 },
      });
    });
  });
});
