import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openWorkflows } from '../../../src/github/workflows.ts';
import { examine, type World } from '../../../src/operations/doctor/examine.ts';
import { describeDiagnosis } from '../../../src/operations/doctor/report.ts';
import { type CheckName, type Diagnosis, findFirst } from '../../../src/operations/doctor/result.ts';
import { askPlatform } from '../../../src/operations/managed/read.ts';
import { askNameServers } from '../../../src/postgres/session/knock.ts';
import { renderText } from '../../../src/report/text.ts';
import { openForBackup } from '../../../src/repository/open.ts';
import { nameSlot } from '../../../src/source/changes/slot.ts';
import { FileStorage } from '../../../src/storage/file.ts';
import { createDatabase, type Database } from '../../postgres/database.ts';
import { now } from '../../repository/backups/freshness-example.ts';
import { makeCheckout, nightlyPolicy } from '../../schedule/setting.ts';
import { startStandIn } from '../../schedule/stand-in.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createContext, presentContext } from '../../support/context.ts';
import { ref, startFakeManagement } from '../../support/fake-management.ts';
import { type FakeS3, type FakeS3Options, startFakeS3 } from '../../support/fake-s3.ts';
import { connectFake } from '../managed/example.ts';
import { find, type Given, makeClient, settle, toInputs } from './example.ts';

/*
 * What docs/doctor.md shows: doctor in a set-up that is as it should be, and in eleven that are broken. The files
 * are written by this test (`-u`) and compared by it, so that the page is what the program prints.
 */

const transcripts = path.join(import.meta.dirname, '../../../docs/transcripts');
const folder = mkdtempSync(path.join(tmpdir(), 'doctor-'));
const identity = await generateIdentity();
const recipient = await identityToRecipient(identity);
const stores: FakeS3[] = [];

let cluster: Cluster;
let database: Database;
let client: string;

beforeAll(async () => {
  process.env.AWS_ACCESS_KEY_ID ??= 'AKIADOCTOR';
  process.env.AWS_SECRET_ACCESS_KEY ??= 'secret';
  cluster = await startCluster({ settings: { max_slot_wal_keep_size: '4GB' } });
  database = await createDatabase(cluster);
  await database.run(`
    CREATE TABLE orders AS SELECT id, 'order ' || id AS title FROM generate_series(1, 1000) id;
    CREATE ROLE reader LOGIN BYPASSRLS REPLICATION PASSWORD 'p';
    CREATE SCHEMA billing; CREATE TABLE billing.invoices AS SELECT 1 AS id;
    GRANT SELECT ON orders TO reader;`);
  client = makeClient(path.join(folder, 'client'), '99.1');
});
afterEach(() => Promise.all(stores.splice(0).map((store) => store.close())));
afterAll(async () => {
  await database?.close();
  await cluster?.stop();
  rmSync(folder, { recursive: true });
});

/** A set-up that is as it should be, but for what is given. */
const wellGiven = (given: Given = {}): Given => ({
  'database-url': `${database.url}?connect_timeout=2`,
  'client-path': client,
  storage: path.join(folder, 'backups'),
  'encryption-recipients': recipient,
  'encryption-identity': identity,
  ...given,
});

async function look(given: Given, world: Partial<World> = {}, env: NodeJS.ProcessEnv = {}) {
  const context = createContext({
    env: { ...process.env, ...env },
    now: () => new Date(),
    temporaryFolder: folder,
  });
  const whole = { lookUp: askNameServers, openApi: openWorkflows, ...world };
  return examine(toInputs(given), context, whole);
}

async function compare(name: string, diagnosis: Diagnosis): Promise<void> {
  const { report } = describeDiagnosis(settle(diagnosis, folder));
  await expect(renderText(report)).toMatchFileSnapshot(`${transcripts}/doctor-${name}.txt`);
}

/** @param wrong the check that finds it, and of which the cure is told last */
async function expectBroken(
  name: string,
  diagnosis: Diagnosis,
  wrong: CheckName,
  exitCode: 0 | 3 = 3,
): Promise<void> {
  expect(findFirst(diagnosis)?.name).toBe(wrong);
  const outcome = describeDiagnosis(diagnosis);
  expect(outcome.exitCode).toBe(exitCode);
  expect(renderText(outcome.report).split('\n').slice(3).join('\n')).toMatch(/^Do this first: /);
  await compare(name, diagnosis);
}

async function bucket(options: FakeS3Options = {}): Promise<FakeS3> {
  const store = await startFakeS3(options);
  stores.push(store);
  return store;
}

const inBucket = ({ endpoint }: FakeS3, name: string): Given => {
  return { storage: `s3://${name}/production`, 's3-endpoint': endpoint, 's3-region': 'eu-central-1' };
};

describe('doctor tells', () => {
  it('of a set-up that is as it should be that nothing stands in the way', async () => {
    const diagnosis = await look(wellGiven());
    expect(describeDiagnosis(diagnosis)).toMatchObject({ exitCode: 0, outputs: { doctor: 'ok', cure: '' } });
    await compare('healthy', diagnosis);
  });

  it('of the direct host, on a machine without IPv6, to use the session pooler', async () => {
    const url = 'postgresql://postgres:p@db.abcdefghijklmnopqrst.supabase.co:5432/postgres?connect_timeout=1';
    // An address that is nobody's (RFC 3849): no machine reaches it.
    const lookUp = () => Promise.resolve([{ address: '2001:db8::1', family: 6 }]);
    const diagnosis = await look(wellGiven({ 'database-url': url }), { lookUp });
    await expectBroken('direct-host', diagnosis, 'reach');
    for (const name of ['tls', 'login', 'server', 'client', 'privileges', 'size'] as const)
      expect(find(diagnosis, name).state).toBe('unchecked');
  });

  it('of the transaction pooler which port is right', async () => {
    const url =
      'postgresql://postgres.abcdefghijklmnopqrst:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres';
    await expectBroken(
      'transaction-pooler',
      await look(wellGiven({ 'database-url': url })),
      'connection-string',
    );
  });

  it('of a wrong password that no other should be tried', async () => {
    const url = database.url.replace(/:[^:@/]+@/, ':wrong@');
    await expectBroken('wrong-password', await look(wellGiven({ 'database-url': url })), 'login');
  });

  it('of a role that cannot read a table which it is', async () => {
    const url = database.url.replace(/\/\/[^@]+@/, '//reader:p@');
    const diagnosis = await look(wellGiven({ 'database-url': url }));
    await expectBroken('closed-table', diagnosis, 'privileges');
    expect(find(diagnosis, 'privileges').reason).toContain('billing.invoices');
  });

  it('of a pg_dump that is too old which one is needed', async () => {
    const old = makeClient(path.join(folder, 'old-client'), '12.4');
    await expectBroken('old-client', await look(wellGiven({ 'client-path': old })), 'client');
  });

  it('of a bucket that is not there', async () => {
    const diagnosis = await look(wellGiven(inBucket(await bucket(), 'backup')));
    await expectBroken('no-bucket', diagnosis, 'listing');
    for (const name of ['write', 'delete', 'clock', 'repository'] as const)
      expect(find(diagnosis, name).state).toBe('unchecked');
  });

  it('of a store that ignores If-None-Match what that means', async () => {
    const store = await bucket({ conditionalWrites: 'ignored' });
    const diagnosis = await look(wellGiven(inBucket(store, 'backups')));
    await expectBroken('overwriting-store', diagnosis, 'create-only', 0);
    expect([...store.values.keys()]).toEqual([]);
  });

  it('of credentials that may only read that nothing can be written', async () => {
    const store = await bucket();
    store.fault = ({ method }) =>
      method === 'PUT' ? { kind: 'answer', status: 403, code: 'AccessDenied' } : undefined;
    const diagnosis = await look(wellGiven(inBucket(store, 'backups')));
    expect(findFirst(diagnosis)?.name).toBe('write');
    expect(find(diagnosis, 'listing').state).toBe('ok');
    expect(find(diagnosis, 'repository').state).toBe('ok');
    expect(find(diagnosis, 'create-only')).toMatchObject({ reason: 'write and read back has failed' });
  });

  it('of credentials that may not delete that both can be right', async () => {
    const store = await bucket();
    store.retains = () => true;
    const diagnosis = await look(wellGiven(inBucket(store, 'backups')));
    expect(describeDiagnosis(diagnosis).exitCode).toBe(0);
    expect(find(diagnosis, 'delete').reason).toContain('refused: nobody can remove a backup');
    expect([...store.values.keys()].every((key) => key.startsWith('production/probe/'))).toBe(true);
  });

  it('of a database whose backups are elsewhere', async () => {
    const place = path.join(folder, 'of-another');
    await using storage = new FileStorage(place, presentContext);
    const maker = { holder: { id: 'test', name: 'test' }, signal: presentContext.signal };
    await openForBackup(storage, undefined, { systemIdentifier: '1', database: 'other' }, new Date(), {
      ...{ ...maker, log: presentContext.log, now: () => new Date(), random: Math.random },
    });
    const diagnosis = await look(wellGiven({ storage: place }));
    expect(findFirst(diagnosis)?.name).toBe('repository');
    expect(find(diagnosis, 'repository').reason).toContain('holds backups of database "other"');
  });

  it('of the slot of captures how much log it keeps', async () => {
    const place = path.join(folder, 'captured');
    const [[system, name]] = (await database.rows(
      'SELECT system_identifier, current_database() FROM pg_control_system()',
    )) as [[string, string]];
    await using storage = new FileStorage(place, presentContext);
    const maker = { holder: { id: 'test', name: 'test' }, signal: presentContext.signal };
    const source = { systemIdentifier: system, database: name };
    const repository = await openForBackup(storage, undefined, source, new Date(), {
      ...{ ...maker, log: presentContext.log, now: () => new Date(), random: Math.random },
    });
    const before = await look(wellGiven({ storage: place }));
    expect(find(before, 'slot')).toMatchObject({ state: 'ok', reason: 'there is none: nothing is captured' });
    const slot = nameSlot(repository);
    await database.rows(`SELECT pg_create_logical_replication_slot($1, 'test_decoding')`, [slot]);
    try {
      const after = await look(wellGiven({ storage: place }));
      expect(find(after, 'slot')).toMatchObject({ state: 'ok' });
      expect(find(after, 'slot').reason).toMatch(new RegExp(`^${slot} keeps .* of write-ahead log$`));
    } finally {
      await database.rows('SELECT pg_drop_replication_slot($1)', [slot]);
    }
  });

  it('of an identity of somebody else that it opens nothing', async () => {
    const other = await generateIdentity();
    const diagnosis = await look(wellGiven({ 'encryption-identity': other }));
    await expectBroken('wrong-identity', diagnosis, 'identity');
    expect(JSON.stringify(diagnosis)).not.toContain(other);
  });

  it('of a schedule that GitHub has disabled how it is enabled', async () => {
    const checkout = await makeCheckout(nightlyPolicy);
    await checkout.run();
    const github = await startStandIn(['supabase-backup.yml', 'supabase-backup-cleanup.yml']);
    const [backups] = github.workflows;
    if (backups) backups.state = 'disabled_inactivity';
    const given = {
      policy: path.join(checkout.folder, '../supabase-backup.yml'),
      workflows: checkout.folder,
      'github-token': 'good',
    };
    const diagnosis = await look(given, {}, { GITHUB_API_URL: github.url });
    expect(findFirst(diagnosis)?.name).toBe('schedules');
    const { checks } = settle(diagnosis, path.join(checkout.folder, '../..'));
    await expectBroken('disabled-schedule', { ...diagnosis, checks }, 'schedules');
    expect(github.requests.filter((request) => !request.startsWith('GET'))).toEqual([]);
  });

  it('of a project that is paused to resume it, before what fails because of that', async () => {
    const platform = await startFakeManagement(now);
    platform.project.statuses = ['INACTIVE'];
    platform.project.denied.set('/entitlements', 'organization_admin_read');
    const ask = ((management, context) =>
      askPlatform(management, context, connectFake(platform))) satisfies typeof askPlatform;
    const given = wellGiven({
      ...{ 'database-url': 'postgresql://postgres:p@127.0.0.1:9/postgres', 'project-ref': ref },
      'supabase-access-token': platform.token,
    });
    const diagnosis = await look(given, { askPlatform: ask });
    await expectBroken('paused-project', diagnosis, 'platform-project');
    expect(find(diagnosis, 'platform-token').state).toBe('warning');
    expect(platform.violations).toEqual([]);
    await platform.close();
  });

  it('of a server whose log captures cannot read that backups need none of it', async () => {
    await using other = await startCluster({ settings: { wal_level: 'replica' } });
    const diagnosis = await look(wellGiven({ 'database-url': other.superuserUrl() }));
    await expectBroken('no-logical-slots', diagnosis, 'captures', 0);
  });
});
