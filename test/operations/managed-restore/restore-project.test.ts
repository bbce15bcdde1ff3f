import { createHmac } from 'node:crypto';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseInputs } from '../../../src/interface/inputs/parse.ts';
import type { InputName } from '../../../src/interface/inputs/schema.ts';
import { describeManagedRestore } from '../../../src/operations/managed-restore/report.ts';
import { restoreProject } from '../../../src/operations/managed-restore/restore-project.ts';
import { renderText } from '../../../src/report/text.ts';
import { openRepository } from '../../../src/repository/open.ts';
import { sealContent } from '../../../src/repository/signature.ts';
import { createRepository } from '../../repository/example.ts';
import { CollectingLog, createContext } from '../../support/context.ts';
import { type FakeManagement, makeClock, startFakeManagement } from '../../support/fake-management.ts';
import { MemoryStorage } from '../../support/memory-storage.ts';
import { connectFake } from '../managed/example.ts';

const stage = vi.hoisted(() => ({ storage: undefined as unknown }));
vi.mock('../../../src/storage/open.ts', () => ({ openStorage: async () => stage.storage }));

const now = new Date('2026-11-20T12:00:00Z');
const target = '2026-11-20T09:30:00Z';
const unix = Date.parse(target) / 1000;

let platform: FakeManagement;
let clock: ReturnType<typeof makeClock>;
let log: CollectingLog;
let storage: MemoryStorage;

beforeEach(async () => {
  platform = await startFakeManagement(now);
  platform.project.isPitr = true;
  platform.project.backups = [];
  platform.project.window = {
    earliest: new Date('2026-11-13T12:00:00Z'),
    latest: new Date('2026-11-20T11:58:00Z'),
  };
  clock = makeClock(now);
  log = new CollectingLog();
  storage = new MemoryStorage();
  stage.storage = storage;
  await createRepository(storage);
});
afterEach(async () => {
  expect(platform.violations).toEqual([]);
  await platform.close();
});

/** What the project is after the platform has accepted, one state for each look; the last one stays. */
function afterwards(...statuses: string[]): void {
  platform.project.onRestore = () => {
    platform.project.statuses = [...statuses];
  };
}

function run(given: Partial<Record<InputName, string>> = {}) {
  const inputs = {
    ...{ operation: 'restore', managed: 'true', storage: './backups', confirm: 'RESTORE PRODUCTION' },
    ...{ 'supabase-access-token': platform.token, 'project-ref': platform.project.ref },
    ...{ 'recovery-target-time': target, 'management-api-url': platform.url, ...given },
  } as Partial<Record<InputName, string>>;
  const parsed = parseInputs((name) => inputs[name], {});
  if (parsed.operation !== 'restore' || !parsed.managed) throw new Error('is no restore by the platform');
  const context = createContext({ log, now: () => clock.now(), env: {} });
  return restoreProject(parsed, context, { api: connectFake(platform, clock), clock });
}

/** Tells what became of a run, or why there was none. */
async function tell(given: Partial<Record<InputName, string>> = {}): Promise<string> {
  const outcome = describeManagedRestore(await run(given));
  return `${outcome.outputs['managed-restore']} ${outcome.exitCode}`;
}

async function refusalOf(given: Partial<Record<InputName, string>> = {}): Promise<string> {
  const error = await run(given).then(
    () => undefined,
    (error) => error,
  );
  return `${error?.name}: ${error?.message} → ${error?.next}`;
}

const posts = () => platform.requests.filter(({ method }) => method === 'POST');

describe('a restore by the platform', () => {
  it('is asked for once, and done when the project has left and come back', async () => {
    afterwards('ACTIVE_HEALTHY', 'RESTORING', 'RESTORING', 'ACTIVE_HEALTHY');
    const outcome = describeManagedRestore(await run());
    expect(outcome).toMatchObject({
      exitCode: 0,
      outputs: { 'managed-restore': 'back', 'project-status': 'ACTIVE_HEALTHY' },
    });
    expect(platform.project.restores).toEqual([unix]);
    expect(posts().map(({ body }) => JSON.parse(body))).toEqual([{ recovery_time_target_unix: unix }]);
    const text = renderText(outcome.report);
    for (const words of ['files of Storage', "are today's", 'replication slots', 'run `backup`'])
      expect(text).toContain(words);
  });

  it('that is done is not asked for again, also by a second run', async () => {
    afterwards('RESTORING', 'ACTIVE_HEALTHY');
    await run();
    expect(await tell()).toBe('back 0');
    expect(posts()).toHaveLength(1);
  });

  it('whose answer is lost is not asked for again: the project tells', async () => {
    afterwards('RESTORING', 'ACTIVE_HEALTHY');
    platform.fault = ({ method }) => (method === 'POST' ? { kind: 'lose-answer' } : undefined);
    expect(await run()).toMatchObject({ request: 'lost', ending: { kind: 'back' } });
    expect(posts()).toHaveLength(1);
    expect(log.warnings.join()).toContain('it is not requested again');
  });

  it('whose project never leaves is unconfirmed, and stays so', async () => {
    platform.fault = ({ method }) => (method === 'POST' ? { kind: 'reset' } : undefined);
    expect(await tell()).toBe('unconfirmed 3');
    expect(await tell()).toBe('unconfirmed 3');
    expect(posts()).toHaveLength(1);
    platform.fault = () => undefined;
    afterwards('RESTORING', 'ACTIVE_HEALTHY');
    expect(await tell({ 'recovery-target-time': '2026-11-20T09:29:59Z' })).toBe('back 0');
    expect(platform.project.restores).toEqual([unix - 1]);
  });

  it('that fails is answered with no', async () => {
    afterwards('RESTORING', 'RESTORE_FAILED');
    expect(await tell()).toBe('failed 3');
  });

  it('that does not come back is waited for to the end of the budget, and by the next run', async () => {
    afterwards('RESTORING');
    const outcome = describeManagedRestore(await run({ 'wait-at-most': '2h' }));
    expect(outcome).toMatchObject({ exitCode: 3, outputs: { 'managed-restore': 'waiting' } });
    expect(log.warnings.join()).toMatch(/more than 30 minutes.*support/);
    const file = path.join(import.meta.dirname, '../../../docs/transcripts/managed-not-back.txt');
    await expect(renderText(outcome.report)).toMatchFileSnapshot(file);
    platform.project.statuses = ['RESTORING', 'ACTIVE_HEALTHY'];
    expect(await tell()).toBe('back 0');
    expect(posts()).toHaveLength(1);
  });

  it('is watched through moments without an answer, and not without a token', async () => {
    afterwards('RESTORING', 'RESTORING', 'ACTIVE_HEALTHY');
    let looks = 0;
    platform.fault = ({ method, path: url }) => {
      if (method !== 'GET' || url.endsWith('/backups') || platform.project.restores.length === 0)
        return undefined;
      looks++;
      return looks <= 4 ? { kind: 'answer', status: 503 } : undefined;
    };
    expect(await tell()).toBe('back 0');

    platform.project.restores.length = 0;
    afterwards('RESTORING');
    platform.fault = ({ method }) =>
      method === 'GET' && platform.project.restores.length > 0 ? { kind: 'answer', status: 401 } : undefined;
    expect(await refusalOf({ 'recovery-target-time': '2026-11-20T09:00:00Z' })).toMatch(
      /^PlatformError: the project can no longer be watched.*Supabase continues the restore. Run the same command again/,
    );
  });

  it('that somebody else has begun is waited for', async () => {
    platform.project.statuses = ['RESTORING', 'RESTORING', 'ACTIVE_HEALTHY'];
    expect(await run()).toMatchObject({ request: 'resumed', ending: { kind: 'back' } });
    expect(posts()).toHaveLength(0);
  });

  it('to one time is not waited for as one to another', async () => {
    afterwards('RESTORING');
    await run({ 'wait-at-most': '10m' });
    expect(await refusalOf({ 'recovery-target-time': '2026-11-20T08:00:00Z' })).toMatch(
      /^ConfigurationError: recovery-target-time: Supabase is restoring .*2026-11-20T09:30:00/,
    );
  });

  it('that was asked for a moment ago keeps one to another time out, until it is known not to begin', async () => {
    platform.fault = ({ method }) => (method === 'POST' ? { kind: 'reset' } : undefined);
    await run({ 'wait-at-most': '1m' });
    platform.fault = () => undefined;
    const other = { 'recovery-target-time': '2026-11-20T08:00:00Z' };
    expect(await refusalOf(other)).toMatch(/: Supabase is restoring the project or about to/);
    expect(posts()).toHaveLength(1);
    await clock.sleep(300_000);
    afterwards('RESTORING', 'ACTIVE_HEALTHY');
    expect(await tell(other)).toBe('back 0');
  });

  it('is asked for by one of two runs', async () => {
    storage.create = async () => false;
    expect(await refusalOf()).toMatch(/^PlatformError: another run is requesting/);
    expect(posts()).toHaveLength(0);
  });

  it('is asked for by one of two runs, also where the store replaces what it was to create', async () => {
    afterwards('RESTORING', 'ACTIVE_HEALTHY');
    const both = Promise.withResolvers<void>();
    let writing = 0;
    storage.create = async (key, value) => {
      await storage.put(key, value);
      writing += 1;
      if (writing === 2) both.resolve();
      await both.promise;
      return true;
    };
    const endings = await Promise.allSettled([run(), run()]);
    expect(endings.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(posts()).toHaveLength(1);
  });
});

describe('a restore by the platform is refused, and nothing is asked for', () => {
  afterEach(() => expect(platform.project.restores).toEqual([]));

  it.each([
    ['before the window', '2026-11-13T11:59:59Z', 'may go back further'],
    ['after the window', '2026-11-20T11:58:01Z', 'is some minutes behind the latest transaction'],
  ])('%s, whose bounds are quoted', async (_, time, next) => {
    const refusal = await refusalOf({ 'recovery-target-time': time });
    expect(refusal).toMatch(/^ConfigurationError: recovery-target-time/);
    expect(refusal).toContain('2026-11-13 12:00:00Z to 2026-11-20 11:58:00Z');
    expect(refusal).toContain(next);
    expect(posts()).toHaveLength(0);
  });

  it('at neither bound of the window', async () => {
    for (const time of ['2026-11-13T12:00:00Z', '2026-11-20T11:58:00Z'])
      expect(await refusalOf({ 'recovery-target-time': time, confirm: '' })).toMatch(/: confirm: /);
  });

  it('without the words, with what would be lost', async () => {
    const refusal = await refusalOf({ confirm: '' });
    expect(refusal).toContain('confirm: the project abcdefghijklmnopqrst needs a confirmation');
    expect(refusal).toContain('2 h 30 min since 2026-11-20 09:30:00Z is lost');
    expect(refusal).toContain('RESTORE PRODUCTION');
  });

  it('without point-in-time recovery, and of a project that is paused', async () => {
    platform.project.isPitr = false;
    expect(await refusalOf()).toMatch(/managed: point-in-time recovery is not enabled/);
    platform.project.statuses = ['INACTIVE'];
    expect(await refusalOf()).toMatch(/project-ref: the project is INACTIVE.*Resume it/);
  });

  it('for another project than that of target-url', async () => {
    const url = 'postgresql://postgres:x@db.zyxwvutsrqponmlkjihg.supabase.co:5432/postgres';
    expect(await refusalOf({ 'target-url': url })).toMatch(/^ConfigurationError: project-ref/);
    expect(platform.requests).toEqual([]);
  });

  it('by a dry run, which lists all that is missing', async () => {
    platform.project.statuses = ['UPGRADING'];
    const result = await run({
      'dry-run': 'true',
      confirm: '',
      'recovery-target-time': '2026-01-01T00:00:00Z',
    });
    const outcome = describeManagedRestore(result);
    expect(outcome).toMatchObject({ exitCode: 0, outputs: { 'managed-restore': 'planned' } });
    const text = renderText(outcome.report);
    expect(text.match(/^Missing: /gm)).toHaveLength(3);
    expect(text).toContain('files of Storage');
    expect(posts()).toHaveLength(0);
  });

  it.each([
    [{ kind: 'answer', status: 400, body: { message: 'must be within range: 1 <= t <= 2' } }, 'within range'],
    [{ kind: 'answer', status: 422, body: { message: 'must be within range: 1 <= t <= 2' } }, 'within range'],
    [{ kind: 'answer', status: 429 }, 'no more requests'],
    [{ kind: 'answer', status: 403, body: { missing_permissions: ['backups_write'] } }, 'backups_write'],
  ] as const)('by the platform itself, and may be asked for again: %j', async (fault, said) => {
    platform.fault = ({ method }) => (method === 'POST' ? fault : undefined);
    expect(await refusalOf()).toContain(said);
    expect(await refusalOf()).toContain(said);
    expect(posts()).toHaveLength(2);
  });

  it('where there is no repository', async () => {
    stage.storage = new MemoryStorage();
    expect(await refusalOf()).toMatch(
      /^ConfigurationError: storage: there is no repository at .*first backup/,
    );
    expect(platform.requests).toEqual([]);
  });
});

describe('a note that a restore by the platform was asked for', () => {
  const keyOf = (time: number) => `managed/${platform.project.ref}-${time}.json`;
  const forged = () => ({
    ...{ ref: platform.project.ref, run: 'nobody', target: unix, claimedAt: now.toISOString() },
    ...{ leftAt: now.toISOString(), backAt: now.toISOString() },
  });
  const refused = (how: string) =>
    new RegExp(`^IntegrityError: ${keyOf(unix)} in .* is not a valid note .*: ${how}.* → .*delete the file`);

  it('counts only with the seal of the repository', async () => {
    const unsealed = JSON.stringify(forged());
    const sealed = `${unsealed.slice(0, -1)},"seal":"${'0'.repeat(64)}"}\n`;
    for (const [text, how] of [
      ['{"ref":1}', 'it is truncated or damaged'],
      [`${unsealed}\n`, 'it is truncated or damaged'],
      [sealed, 'its seal does not match'],
      [sealed.padEnd(5000), 'it has 5000 bytes; the limit is 4096'],
    ] as const) {
      await storage.put(keyOf(unix), Buffer.from(text));
      expect(await refusalOf()).toMatch(refused(how));
    }
    expect(posts()).toHaveLength(0);
  });

  it('counts only with the seal of this repository, not of another one', async () => {
    const other = new MemoryStorage();
    const foreign = sealContent(await createRepository(other), 'claim', forged());
    await storage.put(keyOf(unix), foreign);
    expect(await refusalOf()).toMatch(refused('its seal does not match'));
    expect(posts()).toHaveLength(0);
  });

  it('counts only under its own key', async () => {
    afterwards('RESTORING', 'ACTIVE_HEALTHY');
    await run({ 'recovery-target-time': '2026-11-20T09:29:59Z' });
    await storage.put(keyOf(unix), await storage.get(keyOf(unix - 1), 4096));
    expect(await refusalOf()).toMatch(refused(`it says that it is ${keyOf(unix - 1)}`));
    expect(posts()).toHaveLength(1);
  });

  it('is sealed as docs/format.md says', async () => {
    afterwards('RESTORING', 'ACTIVE_HEALTHY');
    await run();
    const text = (await storage.get(keyOf(unix), 4096)).toString('utf8');
    const [, open = '', seal] = /^(.*),"seal":"([0-9a-f]{64})"\}\n$/.exec(text) ?? [];
    const { key } = await openRepository(storage, undefined);
    expect(createHmac('sha256', key).update(`claim\0${open}}`).digest('hex')).toBe(seal);
    expect(JSON.parse(`${open}}`)).toMatchObject({ ref: platform.project.ref, target: unix });
  });
});
