import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { renderOutcome } from '../../../src/entry/terminal/json.ts';
import type { Outcome } from '../../../src/interface/outcome.ts';
import { judgeManaged } from '../../../src/operations/managed/judge.ts';
import { describeManaged } from '../../../src/operations/managed/report.ts';
import type { Managed, OwnLayer } from '../../../src/operations/managed/result.ts';
import { renderText } from '../../../src/report/text.ts';
import { nameForWorkflow } from '../../../src/runtime/wording.ts';
import { ago, hour, now } from '../../repository/backups/freshness-example.ts';
import { type FakeManagement, type FakeProject, startFakeManagement } from '../../support/fake-management.ts';
import { readPrinted } from '../../support/printed-json.ts';
import { askFake } from './example.ts';
import { makeOwnLayer } from './layers-example.ts';

let platform: FakeManagement;
beforeEach(async () => {
  platform = await startFakeManagement(now);
});
afterEach(async () => {
  expect(platform.violations).toEqual([]);
  await platform.close();
});

async function judge(
  change: (project: FakeProject) => void = () => undefined,
  own: OwnLayer | null = makeOwnLayer(),
): Promise<Managed> {
  change(platform.project);
  return judgeManaged(await askFake(platform), own ?? undefined, { maxAge: 26 * hour });
}

const print = (outcome: Outcome) =>
  readPrinted(renderOutcome('managed', outcome, { redact: (text) => text, name: nameForWorkflow }));

const kindsOf = ({ findings }: Managed) => findings.map(({ kind, severity }) => `${kind} ${severity}`);

const setWindow = (project: FakeProject, latest: Date) => {
  project.isPitr = true;
  project.backups = [];
  project.window = { earliest: ago(7 * 24), latest };
};

describe('what the platform can restore', () => {
  it('is the completed ones of its list', async () => {
    const managed = await judge(({ backups }) => {
      backups.unshift({ status: 'PENDING', at: ago(0.1) });
      backups.push({ status: 'REMOVED', at: ago(30 * 24) });
    });
    expect(managed.platform).toMatchObject({
      kind: 'daily',
      count: 7,
      newest: ago(9),
      oldest: ago(9 + 6 * 24),
    });
    expect(managed.findings).toEqual([]);
    expect(renderText(describeManaged(managed).report)).toContain('PENDING 2026-11-20 11:54 UTC');
  });

  it('is the end of its physical backups where the list is empty', async () => {
    const managed = await judge((project) => {
      project.backups = [];
      project.window = { earliest: ago(5 * 24), latest: ago(12) };
    });
    expect(managed.platform).toMatchObject({ kind: 'daily', newest: ago(12), oldest: ago(5 * 24) });
  });

  it('is any second of its window with point-in-time recovery', async () => {
    const managed = await judge((project) => setWindow(project, ago(0.1)));
    expect(managed.platform).toEqual({ kind: 'pitr', from: ago(7 * 24), to: ago(0.1) });
  });

  it('is nothing where the plan keeps none, whatever is listed', async () => {
    const managed = await judge((project) => {
      project.retentionDays = 0;
    });
    expect(managed.platform).toEqual({ kind: 'none' });
    expect(kindsOf(managed)).toEqual(['managed-off broken']);
  });

  it('is what is listed where the plan cannot be read, and nothing by the name of the plan where only that can', async () => {
    platform.project.denied.set('/entitlements', 'organization_admin_read');
    expect((await judge()).platform.kind).toBe('daily');
    const free = await judge((project) => {
      project.plan = 'free';
    });
    expect(free.platform.kind).toBe('none');
  });

  it('is none where nothing is listed', async () => {
    const managed = await judge((project) => {
      project.backups = [];
    });
    expect(kindsOf(managed)).toEqual(['managed-off broken']);
    expect(managed.findings[0]).toMatchObject({ why: 'none', plan: 'pro', measured: 0 });
  });
});

describe('lateness', () => {
  it('begins when max-age has passed since the newest completed backup', async () => {
    const managed = await judge(({ backups }) => backups.shift());
    expect(managed.findings[0]).toMatchObject({
      ...{ kind: 'managed-late', measured: 33 * hour, limit: 26 * hour, since: ago(7) },
    });
  });

  it('of a window is measured by the newest transaction that is known, and not by now', async () => {
    const idle = makeOwnLayer(9, { capture: 0.2, commit: 40 });
    const busy = makeOwnLayer(9, { capture: 0.2, commit: 0.5 });
    expect(kindsOf(await judge((project) => setWindow(project, ago(39)), idle))).toEqual([]);
    const late = await judge((project) => setWindow(project, ago(39)), busy);
    expect(late.findings).toMatchObject([{ kind: 'managed-late', measured: 38.5 * hour, what: 'window' }]);
    // Without captures nobody knows of a transaction.
    expect(kindsOf(await judge((project) => setWindow(project, ago(39)), makeOwnLayer(9)))).toEqual([]);
  });

  it('is not that of a paused project, which is told as that', async () => {
    const managed = await judge((project) => {
      project.statuses = ['INACTIVE'];
      project.backups = [{ status: 'COMPLETED', at: ago(200) }];
    }, makeOwnLayer(200));
    expect(kindsOf(managed)).toEqual(['managed-ending warning']);
  });
});

describe('what else is found', () => {
  it('are failures: each since the first of them, and a restore that failed', async () => {
    const managed = await judge((project) => {
      project.statuses = ['RESTORE_FAILED'];
      project.backups = [
        { status: 'PENDING', at: ago(0.1) },
        ...[2, 8].map((hours) => ({ status: 'FAILED', at: ago(hours) })),
        ...project.backups,
      ];
    });
    expect(managed.findings).toMatchObject([
      { kind: 'managed-failed', what: 'restore', measured: undefined },
      { kind: 'managed-failed', what: 'backup', measured: 2, since: ago(8), completed: ago(9) },
    ]);
  });

  it('is a project that goes, and daily backups that end', async () => {
    const going = await judge((project) => {
      project.statuses = ['GOING_DOWN'];
    });
    expect(kindsOf(going)).toEqual(['managed-ending warning']);
    const replaced = await judge((project) => {
      project.statuses = ['ACTIVE_HEALTHY'];
      project.isPitr = true;
      project.window = { earliest: ago(100), latest: ago(0.1) };
    });
    expect(replaced.findings[0]).toMatchObject({ why: 'pitr-replaces-daily', severity: 'note' });
  });

  it('are layers that are out of step, either behind the other', async () => {
    const behind = await judge(undefined, makeOwnLayer(40));
    expect(behind.findings).toMatchObject([
      { kind: 'managed-out-of-step', behind: 'repository', measured: 31 * hour },
    ]);
    const none = { ...makeOwnLayer(), newest: undefined, oldest: undefined };
    expect((await judge(undefined, none)).findings[0]).toMatchObject({ measured: undefined });
    platform.project.backups = [{ status: 'COMPLETED', at: ago(25) }];
    const ahead = { ...makeOwnLayer(), newest: new Date(now.getTime() + 2 * hour) };
    expect((await judge(undefined, ahead)).findings[0]).toMatchObject({
      ...{ kind: 'managed-out-of-step', behind: 'platform', measured: 27 * hour },
    });
    expect(kindsOf(await judge())).toEqual([]);
  });

  it('is what could not be read: a note where the backups are, a warning where no answer came, else broken', async () => {
    platform.project.denied.set('/addons', 'infra_add_ons_read');
    const note = await judge();
    expect(note.findings).toMatchObject([
      {
        ...{ kind: 'managed-unreadable', severity: 'note', measured: 1 },
        unread: [{ part: 'pitrDays', cause: 'permission', missing: ['infra_add_ons_read'] }],
      },
    ]);
    platform.fault = ({ path: url }) =>
      url.endsWith('/backups') ? { kind: 'answer', status: 503 } : undefined;
    expect(kindsOf(await judge())).toEqual(['managed-unreadable warning']);
    platform.fault = () => ({ kind: 'answer', status: 403 });
    expect(kindsOf(await judge())).toEqual(['managed-unreadable broken']);
  });
});

describe('a platform that cannot be believed', () => {
  const future = new Date('2999-01-01T00:00:00Z');

  it.each<[string, (project: FakeProject) => void]>([
    ['newest backup', ({ backups }) => void backups.unshift({ status: 'COMPLETED', at: future })],
    ['window', (project) => setWindow(project, future)],
  ])('is one whose %s is of the future: not measured, and broken', async (_, change) => {
    const managed = await judge(change);
    expect(managed.platform).toEqual({ kind: 'unread' });
    expect(managed.findings).toMatchObject([
      { kind: 'managed-unreadable', severity: 'broken', unread: [{ part: 'backups', cause: 'future' }] },
    ]);
    const { report, outputs, exitCode } = describeManaged(managed);
    expect([outputs.status, outputs['managed-to'], exitCode]).toEqual(['broken', '', 3]);
    expect(renderText(report)).toMatch(/a time in the future[\s\S]*clock of this machine/);
  });

  it('is one that answers about another project', async () => {
    platform.fault = ({ path: url }) =>
      url.endsWith(`/projects/${platform.project.ref}`)
        ? { kind: 'answer', status: 200, body: { ref: 'zyxwvutsrqponmlkjihg', status: 'ACTIVE_HEALTHY' } }
        : undefined;
    const managed = await judge();
    expect(managed.findings).toMatchObject([
      { severity: 'broken', unread: [{ part: 'project', cause: 'foreign' }] },
    ]);
    const text = renderText(describeManaged(managed).report);
    expect(text).toContain('about another project');
    expect(text).not.toContain('HEALTHY');
  });
});

describe('a platform that does not answer, or not to this token', () => {
  it.each([
    [{ kind: 'reset' }, 3, 'managed-unreadable warning'],
    [{ kind: 'answer', status: 401 }, 1, 'managed-unreadable broken'],
  ] as const)('is not asked for each part in turn: %j', async (fault, requests, found) => {
    platform.fault = () => fault;
    const managed = await judge();
    expect(platform.requests).toHaveLength(requests);
    expect(kindsOf(managed)).toEqual([found]);
    expect(managed.findings[0]).toMatchObject({ measured: 4 });
    expect(renderText(describeManaged(managed).report)).toContain('a recovery takes   not measured');
  });
});

describe('the better layer', () => {
  it('is not measured where the platform could not be asked, and for parts the repository', async () => {
    platform.project.denied.set('/database/backups', 'backups_read');
    const { choices } = await judge();
    expect(choices?.map(({ better }) => better)).toEqual([
      ...Array.from({ length: 3 }, () => 'not measured'),
      ...['repository', 'repository'],
    ]);
  });

  it('loses less, or reaches back further', async () => {
    const { choices } = await judge();
    expect(choices).toMatchObject([
      { better: 'platform' },
      { better: 'repository' },
      { better: 'both' },
      {},
      {},
    ]);
    expect((await judge(undefined, null)).choices).toBeUndefined();
  });
});

describe('the JSON of managed', () => {
  it.each<[string, (project: FakeProject) => void]>([
    ['healthy', () => undefined],
    [
      'of which nothing may be read',
      ({ denied }) => void ['', 'backups', 'schedule', 'addons'].map((end) => denied.set(end, 'x')),
    ],
    ['with a window', (project) => setWindow(project, ago(0.1))],
  ])('of a project that is %s fits the schema', async (_, change) => {
    for (const own of [makeOwnLayer(), null]) {
      const outcome = describeManaged(await judge(change, own));
      expect(print(outcome).outputs['project-ref']).toBe(platform.project.ref);
    }
  });

  it('has nothing where nothing was measured, and never 0', async () => {
    platform.fault = () => ({ kind: 'answer', status: 403 });
    const { outputs } = print(describeManaged(await judge(undefined, null)));
    const { status, findings, 'project-ref': project, ...others } = outputs;
    expect([status, project]).toEqual(['broken', platform.project.ref]);
    expect(findings).not.toEqual([]);
    expect(Object.values(others).every((value) => value === null)).toBe(true);
  });
});
