import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManagementApi } from '../../src/management/api.ts';
import { ManagementFailure, toKnownError } from '../../src/management/failure.ts';
import {
  readBackups,
  readBackupTime,
  readEntitlements,
  readPitrDays,
  readPlan,
  readProject,
  readRootKey,
  requestPitr,
  setRootKey,
} from '../../src/management/project.ts';
import {
  type FakeManagement,
  type ManagementFault,
  makeClock,
  ref,
  rootKeys,
  startFakeManagement,
  unvalidated,
} from '../support/fake-management.ts';

const now = new Date('2026-11-20T12:00:00Z');
let platform: FakeManagement;
let clock: ReturnType<typeof makeClock>;

beforeEach(async () => {
  platform = await startFakeManagement(now);
  clock = makeClock(now);
});
afterEach(async () => {
  expect(platform.violations).toEqual([]);
  await platform.close();
});

function connect(token = platform.token): ManagementApi {
  const signal = new AbortController().signal;
  return new ManagementApi({ token, root: platform.url, env: {}, clock, signal });
}

/** These, one after the other, and then the truth. */
function script(...faults: (ManagementFault | undefined)[]): void {
  platform.fault = () => faults.shift();
}

async function failureOf(request: Promise<unknown>): Promise<ManagementFailure> {
  const error = await request.then(
    () => undefined,
    (error) => error,
  );
  expect(error).toBeInstanceOf(ManagementFailure);
  return error;
}

const answer = (status: number, body?: unknown, headers: Record<string, string> = {}): ManagementFault => {
  return { kind: 'answer', status, body, headers };
};

describe('what is asked', () => {
  it.skipIf(unvalidated)(
    'is as the published description has it, and so is what the stand-in answers',
    async () => {
      platform.project.schedule = '02:17:00';
      platform.project.pitrDays = 7;
      const api = connect();
      expect(await readProject(api, ref)).toMatchObject({
        status: 'ACTIVE_HEALTHY',
        organization: 'acme-inc',
      });
      expect((await readBackups(api, ref)).backups).toHaveLength(7);
      expect(await readBackupTime(api, ref)).toBe('02:17:00');
      expect(await readPitrDays(api, ref)).toBe(7);
      expect(await readPlan(api, 'acme-inc')).toBe('pro');
      expect(await readEntitlements(api, 'acme-inc')).toEqual({ retentionDays: 7, isCloneable: true });
      platform.project.isPitr = true;
      platform.project.window = { earliest: new Date('2026-11-13T00:00:00Z'), latest: now };
      await requestPitr(api, ref, now.getTime() / 1000);
      expect(platform.project.restores).toEqual([now.getTime() / 1000]);
      const masked: string[] = [];
      expect(await readRootKey(api, ref, (secret) => masked.push(secret))).toBe(rootKeys.own);
      await setRootKey(api, ref, rootKeys.other);
      expect([masked, platform.project.rootKey]).toEqual([[rootKeys.own], rootKeys.other]);
      expect(platform.requests).toHaveLength(9);
    },
  );

  it('goes out once a second at most, with the token in a header and nowhere else', async () => {
    const api = connect();
    for (let count = 0; count < 3; count++) await readProject(api, ref);
    expect(clock.slept).toEqual([1000, 1000]);
    for (const { headers, path, body } of platform.requests) {
      expect(headers.authorization).toBe(`Bearer ${platform.token}`);
      expect(path + body).not.toContain(platform.token);
    }
  });

  it('waits until the limit is over when the last answer says that it is used up', async () => {
    script(
      answer(200, { status: 'ACTIVE_HEALTHY' }, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '42' }),
    );
    const api = connect();
    await readProject(api, ref);
    await readProject(api, ref);
    expect(clock.slept).toEqual([42_000]);
  });

  it('follows no redirect, which would take the token elsewhere', async () => {
    script(answer(302, undefined, { location: 'http://elsewhere.example/' }));
    expect((await failureOf(readProject(connect(), ref))).reason).toBe('refused');
    expect(platform.requests).toHaveLength(1);
  });
});

describe('what changes nothing', () => {
  it.each<[string, ManagementFault, number]>([
    ['an answer of 502', answer(502), 1000],
    ['a connection that ends', { kind: 'reset' }, 1000],
    ['a rate limit with a time', answer(429, undefined, { 'retry-after': '7' }), 7000],
    ['a rate limit with a reset', answer(429, undefined, { 'x-ratelimit-reset': '9' }), 9000],
  ])('is asked again after %s', async (_, fault, waitMs) => {
    script(fault);
    expect((await readProject(connect(), ref)).status).toBe('ACTIVE_HEALTHY');
    expect(clock.slept[0]).toBe(waitMs);
  });

  it('is asked three times in all, and no more', async () => {
    script(answer(500), answer(500), answer(500));
    expect((await failureOf(readProject(connect(), ref))).reason).toBe('failed');
    expect(platform.requests).toHaveLength(3);
  });

  it('is not waited for longer than two minutes', async () => {
    script(answer(429, undefined, { 'retry-after': '3600' }));
    expect((await failureOf(readProject(connect(), ref))).next).toContain('3600 seconds');
    expect(platform.requests).toHaveLength(1);
  });
});

describe('a restore', () => {
  it.each<[string, ManagementFault, boolean]>([
    ['its answer is lost', { kind: 'lose-answer' }, false],
    ['the server fails', answer(503), false],
    ['there are too many requests', answer(429), true],
    ['it is refused', answer(422, { message: 'no' }), true],
  ])('is asked for once, also when %s', async (_, fault, wasRefused) => {
    platform.project.isPitr = true;
    platform.project.window = { earliest: new Date(now.getTime() - 1000), latest: now };
    script(fault);
    const failure = await failureOf(requestPitr(connect(), ref, now.getTime() / 1000));
    expect(failure.wasRefused).toBe(wasRefused);
    expect(platform.requests).toHaveLength(1);
  });
});

describe("Vault's root key", () => {
  it.each<[string, ManagementFault]>([
    ['its answer is lost', { kind: 'lose-answer' }],
    ['the server fails', answer(500)],
  ])('is set once, also when %s', async (_, fault) => {
    script(fault);
    const failure = await failureOf(setRootKey(connect(), ref, rootKeys.other));
    expect(failure.wasRefused).toBe(false);
    expect(failure.message).not.toContain(rootKeys.other);
    expect(platform.requests).toHaveLength(1);
  });

  it('is none that no header or statement could hold', async () => {
    script(answer(200, { root_key: 'a key\nof two lines' }));
    expect((await failureOf(readRootKey(connect(), ref, () => undefined))).reason).toBe('unclear');
  });
});

describe('a failure says what to do', () => {
  it.each<[string, ManagementFault, string, RegExp, 'ConfigurationError' | 'PlatformError']>([
    ['401', answer(401), 'may have expired', /tokens/, 'ConfigurationError'],
    [
      '402',
      answer(402, { error: { feature: 'backup.schedule' } }),
      'backup.schedule',
      /plan/,
      'PlatformError',
    ],
    [
      '403 of a token with scopes',
      answer(403, { message: 'no', missing_permissions: ['backups_read', { name: 'x_read' }] }),
      'it lacks backups_read, x_read',
      /backups_read/,
      'ConfigurationError',
    ],
    [
      '403 of a role',
      answer(403, { message: 'Forbidden resource' }),
      'Forbidden resource',
      /docs\/managed/,
      'ConfigurationError',
    ],
    ['404', answer(404), 'project-ref', /twenty letters/, 'ConfigurationError'],
    [
      '429',
      answer(429, undefined, { 'retry-after': '600' }),
      'no more requests',
      /600 seconds/,
      'PlatformError',
    ],
    ['400', answer(400, { message: ['a', 'b'] }), 'a; b', /Nothing was changed/, 'PlatformError'],
    [
      'an answer that is no JSON',
      answer(200, '<html>'),
      'an unexpected answer',
      /management-api-url/,
      'PlatformError',
    ],
    ['an answer of another form', answer(200, { name: 3 }), 'an unexpected answer', /newer/, 'PlatformError'],
  ])('%s', async (_, fault, said, next, kind) => {
    script(fault);
    const failure = await failureOf(readProject(connect(), ref));
    expect(failure.message).toContain(said);
    expect(failure.next).toMatch(next);
    expect(`${failure.message} ${failure.next}`).not.toContain(platform.token);
    expect(toKnownError(failure).name).toBe(kind);
  });

  it('when nobody answers', async () => {
    script({ kind: 'reset' }, { kind: 'reset' }, { kind: 'reset' });
    const failure = await failureOf(readProject(connect(), ref));
    expect(failure).toMatchObject({ reason: 'silent', wasRefused: false });
    expect(failure.next).toMatch(/status\.supabase\.com/);
  });

  it('when the platform fails, and words of it cannot move a cursor', async () => {
    script(...Array.from({ length: 3 }, () => answer(500, { message: 'a\u001b[2Jb' })));
    const failure = await failureOf(readProject(connect(), ref));
    expect(failure.message).toContain('a\\u{1b}[2Jb');
    expect(failure.next).toMatch(/^The problem is on their side/);
  });

  it('a wrong token is told as that', async () => {
    expect((await failureOf(readProject(connect('sbp_other'), ref))).reason).toBe('unauthorized');
  });
});

describe('an answer that cannot be right', () => {
  it('is refused when it is of another project', async () => {
    script(answer(200, { id: 'x', ref: 'zzzzzzzzzzzzzzzzzzzz', status: 'ACTIVE_HEALTHY' }));
    expect(await failureOf(readProject(connect(), ref))).toMatchObject({ reason: 'foreign' });
  });

  it('is not believed when it names a time that has not come, by our clock and by that of the API', async () => {
    const list = (at: number) => ({ backups: [{ status: 'COMPLETED', inserted_at: new Date(at) }] });
    const asked = (minutes: number, apiMinutes: number) => {
      const date = new Date(now.getTime() + apiMinutes * 60_000).toUTCString();
      script(answer(200, list(now.getTime() + minutes * 60_000), { date }));
      return readBackups(connect(), ref);
    };
    expect((await asked(4, 0)).backups).toHaveLength(1);
    expect(await failureOf(asked(6, 0))).toMatchObject({
      ...{ reason: 'future', wasRefused: false },
      message: expect.stringContaining('2026-11-20T12:06:00.000Z, and it is 2026-11-20T12:00:00.000Z'),
    });
    // The clock of this machine is slow, or that of the API.
    expect((await asked(64, 60)).backups).toHaveLength(1);
    expect((await asked(4, -60)).backups).toHaveLength(1);
  });

  it('is given up when it has no end', async () => {
    script(answer(200, { status: ' '.repeat(9 * 1024 * 1024) }));
    expect(await failureOf(readProject(connect(), ref))).toMatchObject({ reason: 'unclear' });
  });

  it('names no time: milliseconds for seconds, and numbers beyond all calendars', async () => {
    for (const seconds of [now.getTime(), 1e18, 1e300]) {
      const physical = {
        earliest_physical_backup_date_unix: seconds,
        latest_physical_backup_date_unix: seconds,
      };
      script(answer(200, { pitr_enabled: true, backups: [], physical_backup_data: physical }));
      expect(await readBackups(connect(), ref)).toMatchObject({ earliest: undefined, latest: undefined });
    }
    script(answer(200, { backups: [{ status: 'COMPLETED', inserted_at: '+275760-09-13T00:00:00Z' }] }));
    expect(await failureOf(readBackups(connect(), ref))).toMatchObject({ reason: 'unclear' });
    script(answer(200, { selected_addons: [{ type: 'pitr', variant: { id: `pitr_${'9'.repeat(400)}` } }] }));
    expect(await failureOf(readPitrDays(connect(), ref))).toMatchObject({ reason: 'unclear' });
  });

  it('fills no report with one word', async () => {
    script(answer(200, { ref, status: 'A'.repeat(500_000), name: 'ü'.repeat(500_000) }));
    const { status, name } = await readProject(connect(), ref);
    expect([status, name]).toEqual([`${'A'.repeat(200)}…`, `${'ü'.repeat(200)}…`]);
  });
});

describe('what is newer than this program', () => {
  it('is passed over: fields, states and kinds of backups', async () => {
    script(
      answer(200, { status: 'HIBERNATING', moon: 'full', name: 7, created_at: 'soon' }),
      answer(200, {
        pitr_enabled: 'maybe',
        backups: [
          { status: 'COMPLETED', inserted_at: '2026-11-19 02:17:00', extra: 1 },
          { status: 'FROZEN', inserted_at: '2026-11-20T02:17:00.5+02:00', id: 'x' },
        ],
      }),
      answer(200, { selected_addons: [{ type: 'moon' }] }),
      answer(200, { entitlements: [{ feature: { key: 'moon' }, hasAccess: true, config: 3 }] }),
    );
    const api = connect();
    const unknown = { name: undefined, createdAt: undefined, organization: undefined };
    expect(await readProject(api, ref)).toMatchObject({ status: 'HIBERNATING', ...unknown });
    const { isPitr, backups } = await readBackups(api, ref);
    expect(isPitr).toBeUndefined();
    expect(backups.map(({ status, at }) => [status, at.toISOString()])).toEqual([
      ['FROZEN', '2026-11-20T00:17:00.500Z'],
      ['COMPLETED', '2026-11-19T02:17:00.000Z'],
    ]);
    expect(await readPitrDays(api, ref)).toBeNull();
    expect(await readEntitlements(api, 'acme-inc')).toEqual({
      retentionDays: undefined,
      isCloneable: undefined,
    });
  });

  it.each([
    ['says nothing of backups', {}],
    ['has a backup without a time', { backups: [{ status: 'COMPLETED', inserted_at: 'soon' }] }],
  ])('is no list of none where it %s', async (_, body) => {
    script(answer(200, body));
    expect((await failureOf(readBackups(connect(), ref))).reason).toBe('unclear');
  });

  it('is no window of none: an add-on without days', async () => {
    script(answer(200, { selected_addons: [{ type: 'pitr', variant: { id: 'pitr_x' } }] }));
    expect((await failureOf(readPitrDays(connect(), ref))).reason).toBe('unclear');
  });
});
