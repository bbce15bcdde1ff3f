import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareData, type DataDump, dumpData } from '../fixture/dump.ts';
import { type Seeded, seedDatabase } from '../fixture/seed.ts';
import {
  makeImageTarget,
  makePlainTarget,
  makeProjectTarget,
  type Target,
  type TargetOptions,
} from '../fixture/target.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { readPrinted } from '../support/printed-json.ts';
import { runCli } from '../support/run-cli.ts';
import { query } from './shop.ts';

/*
 * A Supabase database, captured by a role that is no superuser: what changed on the platform's tables and on the user's comes back to the
 * moment, in an empty database, in a container of Supabase and in a project of another version.
 */

const minutes = 60_000;
const owner = 'app_owner';
const folder = mkdtempSync(path.join(tmpdir(), 'point-in-time-kinds-'));
const storage = path.join(folder, 'repository');

let home: Cluster;
let away: Cluster;
let source: Seeded;
let moment: { at: string; data: DataDump };
/** The only repository of the drill's own, too */
const words = () => ['--storage', storage, '--client-path', home.binFolder, '--json'];

async function capture(): Promise<Record<string, string | number>> {
  const run = await runCli(['capture', ...words()], {
    env: { SUPABASE_BACKUP_DATABASE_URL: source.ownerUrl },
  });
  expect(run.exitCode, run.stderr).toBe(0);
  return readPrinted(run.stdout).outputs;
}

/** As the applications and the platform do it. */
const changes = `
  UPDATE auth.users SET email = 'moved+' || email, raw_user_meta_data = '{"it''s": ["\\\\"]}' WHERE id IN (SELECT id FROM auth.users ORDER BY id LIMIT 3);
  INSERT INTO auth.users (id, email, aud) VALUES ('00000000-0000-4000-8000-0000000000ff', 'late@example.org', 'authenticated');
  UPDATE storage.objects SET name = 'moved/' || name WHERE id IN (SELECT id FROM storage.objects ORDER BY id LIMIT 2);
  INSERT INTO storage.objects (bucket_id, name) SELECT id, 'late/object.png' FROM storage.buckets ORDER BY id LIMIT 1;
  DELETE FROM public.todos WHERE ctid IN (SELECT ctid FROM public.todos LIMIT 2);
  INSERT INTO public.internal_billing VALUES (987654, 12.50, E'a\\ttab and a\\nline')`;

beforeAll(async () => {
  home = await startCluster({ major: 15, settings: { max_slot_wal_keep_size: '1GB' } });
  away = await startCluster({ major: 15 });
  source = await seedDatabase({
    superuserUrl: home.superuserUrl('postgres'),
    database: 'source',
    owner,
    tinyTables: 20,
    bulkRows: 2000,
    superuserObjects: false,
  });
  await query(source.superuserUrl, `ALTER ROLE ${owner} REPLICATION`);
  expect((await capture())['backup-id']).not.toBeNull();
  await query(source.superuserUrl, changes);
  const [now] = await query<{ at: string }>(
    source.superuserUrl,
    `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`,
  );
  moment = { at: now?.at ?? '', data: await dumpData(source.superuserUrl, home.binFolder) };
  // The accident
  await query(source.superuserUrl, 'DELETE FROM public.todos; UPDATE public.internal_billing SET amount = 0');
  expect(await capture()).toMatchObject({ barrier: null, 'lost-changes': null, 'backup-id': null });
}, 5 * minutes);
afterAll(async () => {
  await home?.stop();
  await away?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const options = (database: string): TargetOptions => ({
  superuserUrl: away.superuserUrl('postgres'),
  database,
  owner,
});

async function restore(target: Target, exitCode = 0) {
  const run = await runCli(['restore', ...words(), '--recovery-target-time', moment.at], {
    env: { SUPABASE_BACKUP_TARGET_URL: target.url },
  });
  expect(run.exitCode, run.stderr).toBe(exitCode);
  expect(readPrinted(run.stdout).outputs).toMatchObject({
    parity: exitCode === 0 ? 'equal' : expect.any(String),
    'recovered-to': moment.at,
  });
  return dumpData(target.superuserUrl, away.binFolder);
}

/** A sequence may be a little ahead. */
const withoutSequences = (dump: DataDump): DataDump => ({ ...dump, sequences: [] });
const compare = (restored: DataDump) =>
  compareData(withoutSequences(moment.data), withoutSequences(restored));

describe('the moment before an accident comes back', () => {
  it(
    'in an empty database, to the last row',
    async () => {
      expect(compare(await restore(await makePlainTarget(options('plain'))))).toEqual([]);
    },
    5 * minutes,
  );

  it(
    'in a container of Supabase, the rows of the platform included',
    async () => {
      expect(compare(await restore(await makeImageTarget(options('image'))))).toEqual([]);
    },
    5 * minutes,
  );

  it(
    'in a project of another version, on tables that were there before',
    async () => {
      const target = await makeProjectTarget(options('project'));
      // Rows of a table that its platform has not yet are lost.
      const different = compare(await restore(target, 3)).map((line) => line.replace(/(:| and).*/s, ''));
      // What the project has no place for, or a column more; the rows of the users are looked at below.
      expect(different).toEqual([
        'auth.flow_state',
        'auth.users',
        'auth.sessions',
        'auth.refresh_tokens',
        'cron.job',
        'vault.secrets',
      ]);
      const users = 'SELECT id, email, raw_user_meta_data::text AS data FROM auth.users ORDER BY id';
      expect(await query(target.superuserUrl, users)).toEqual(await query(source.superuserUrl, users));
      const objects = 'SELECT id, bucket_id, name FROM storage.objects ORDER BY id';
      expect(await query(target.superuserUrl, objects)).toEqual(await query(source.superuserUrl, objects));
    },
    5 * minutes,
  );

  it(
    'in a drill, which records how far it went',
    async () => {
      const run = await runCli(
        ['drill', ...words(), '--recovery-target-time', 'latest', '--report-folder', folder],
        {
          env: { SUPABASE_BACKUP_TARGET_URL: away.superuserUrl('postgres') },
        },
      );
      expect(run.exitCode, run.stderr).toBe(0);
      const outputs = readPrinted(run.stdout).outputs;
      expect(outputs).toMatchObject({ drill: 'passed', parity: 'equal' });
      expect((outputs['recovered-to'] ?? '') > moment.at).toBe(true);
    },
    5 * minutes,
  );
});
