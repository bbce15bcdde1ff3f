import { describe, expect, test } from 'vitest';
import { GitHubUnreachable, openWorkflows } from '../../../src/github/workflows.ts';
import { type Checkout, makeCheckout, nightlyPolicy, refusalOf, textOf } from '../../schedule/setting.ts';
import { type StandIn, startStandIn } from '../../schedule/stand-in.ts';

/* What the operation finds out from GitHub, of a policy with two workflows whose times are known. */

const [backupFile, cleanupFile] = ['supabase-backup.yml', 'supabase-backup-cleanup.yml'];
const dates = [14, 15, 16, 17, 18, 19, 20].map((date) => `2026-11-${date}`);

/** A checkout whose workflows are pushed, and ran every day. */
async function prepare(): Promise<{ checkout: Checkout; github: StandIn; verify: Verify }> {
  const checkout = await makeCheckout(nightlyPolicy);
  await checkout.run();
  const github = await startStandIn([backupFile, cleanupFile]);
  for (const date of dates) {
    github.workflows[0]?.runs.push({ createdAt: `${date}T02:25:00Z` });
    github.workflows[1]?.runs.push({ createdAt: `${date}T06:19:00Z`, minutes: 1 });
  }
  const verify: Verify = (given = {}) =>
    checkout.run({ check: true, githubToken: 'good', ...given }, { GITHUB_API_URL: github.url });
  return { checkout, github, verify };
}
type Verify = Checkout['run'];
const rowOf = (text: string, file: string) => text.split('\n').findLast((line) => line.startsWith(file));
const enabling = (requests: readonly string[]) => requests.filter((request) => request.startsWith('PUT'));

describe('workflows that ran as due', () => {
  test('are told with their delays, and the month is measured by them', async () => {
    const { github, verify } = await prepare();
    const outcome = await verify();
    expect(outcome).toMatchObject({
      exitCode: 0,
      outputs: { workflows: 2, drift: false, 'missed-runs': 0, 'next-run': '2026-11-21T02:17:00.000Z' },
    });
    const text = textOf(outcome);
    expect(rowOf(text, backupFile)?.split(/ {2,}/)).toEqual([
      backupFile,
      'active',
      '7',
      '7',
      '0',
      '0',
      '0',
      '8 min 00 s',
      '8 min 00 s',
    ]);
    expect(text).toContain('Minutes of full, cleanup are the median of their last runs.');
    expect(text).toMatch(/production .* 328 d +150\n/);
    expect(enabling(github.requests)).toEqual([]);
  });

  test('now and then missed are counted, and no failure', async () => {
    const { github, verify } = await prepare();
    github.workflows[0]?.runs.splice(2, 2);
    expect(await verify()).toMatchObject({ exitCode: 0, outputs: { 'missed-runs': 2 } });
  });

  test('and stopped are a failure that names the schedule and the way to start it', async () => {
    const { github, verify } = await prepare();
    github.workflows[0]?.runs.splice(4);
    const outcome = await verify();
    expect(outcome).toMatchObject({ exitCode: 3, outputs: { 'missed-runs': 2 } });
    expect(textOf(outcome)).toContain(
      "supabase-backup.yml did not run as due by '17 2 * * *' at 2026-11-18T02:17:00.000Z",
    );
    expect(textOf(outcome)).toContain('`gh workflow run supabase-backup.yml`');
  });

  test('by hand do not stand for those that were due', async () => {
    const { github, verify } = await prepare();
    const [workflow] = github.workflows;
    workflow?.runs.splice(
      0,
      7,
      ...dates.map((date) => ({ createdAt: `${date}T02:25:00Z`, event: 'workflow_dispatch' })),
    );
    expect(await verify()).toMatchObject({ exitCode: 3 });
  });

  test('not before they were changed, are not missed', async () => {
    const { github, verify } = await prepare();
    const [workflow] = github.workflows;
    workflow?.runs.splice(0, 6);
    expect((await verify()).outputs['missed-runs']).toBe(6);
    if (workflow) workflow.changedAt = '2026-11-19T12:00:00Z';
    expect(await verify()).toMatchObject({ exitCode: 0, outputs: { 'missed-runs': 0 } });
  });

  test('more often than GitHub lists at once are read page by page', async () => {
    const { github, verify } = await prepare();
    const start = Date.parse('2026-11-18T00:00:00Z');
    const early = Array.from({ length: 250 }, (_, index) => ({
      createdAt: new Date(start + index * 60_000).toISOString(),
    }));
    github.workflows[0]?.runs.push(...early);
    expect(await verify()).toMatchObject({ exitCode: 0, outputs: { 'missed-runs': 0 } });
    expect(github.requests.filter((request) => request.endsWith('/1/runs'))).toHaveLength(3);
  });
});

describe('a workflow that', () => {
  test('GitHub disabled is enabled again where the token may', async () => {
    const { github, verify } = await prepare();
    const [workflow] = github.workflows;
    if (workflow) workflow.state = 'disabled_inactivity';
    const outcome = await verify();
    expect(outcome.exitCode).toBe(0);
    expect(rowOf(textOf(outcome), backupFile)).toContain('enabled again');
    expect(enabling(github.requests)).toHaveLength(1);
    expect(workflow?.state).toBe('active');
  });

  test('GitHub disabled is a failure with the command where the token may not', async () => {
    const { github, verify } = await prepare();
    const [workflow] = github.workflows;
    if (workflow) workflow.state = 'disabled_inactivity';
    github.mayEnable = false;
    const outcome = await verify();
    expect(outcome.exitCode).toBe(3);
    const text = textOf(outcome);
    expect(text).toContain(
      'after 60 days without activity in the repository, and this token may not enable it',
    );
    expect(text).toContain('`gh workflow enable supabase-backup.yml`');
  });

  test('GitHub disabled stays so in a dry run', async () => {
    const { github, verify } = await prepare();
    const [workflow] = github.workflows;
    if (workflow) workflow.state = 'disabled_inactivity';
    const outcome = await verify({ check: false, dryRun: true });
    expect(outcome.exitCode).toBe(3);
    expect(enabling(github.requests)).toEqual([]);
  });

  test('a person disabled is not enabled, but told', async () => {
    const { github, verify } = await prepare();
    const [workflow] = github.workflows;
    if (workflow) workflow.state = 'disabled_manually';
    const outcome = await verify();
    expect(outcome.exitCode).toBe(3);
    expect(textOf(outcome)).toContain('supabase-backup.yml is disabled by a person, so nothing of it runs');
    expect(enabling(github.requests)).toEqual([]);
  });

  test('is not on the default branch is told', async () => {
    const { github, verify } = await prepare();
    github.workflows.pop();
    const outcome = await verify();
    expect(outcome.exitCode).toBe(3);
    expect(textOf(outcome)).toContain(
      'supabase-backup-cleanup.yml is not on GitHub: merge it into the default branch',
    );
  });

  test('was only just written is not asked about', async () => {
    const { checkout, github } = await prepare();
    await checkout.writePolicy(nightlyPolicy.replace('17 2', '18 2'));
    const given = { githubToken: 'good' };
    const outcome = await checkout.run(given, { GITHUB_API_URL: github.url });
    expect(outcome.exitCode).toBe(0);
    expect(rowOf(textOf(outcome), backupFile)).toContain('not pushed yet');
  });
});

describe('GitHub', () => {
  test('that is asked with a wrong token is told as such', async () => {
    const { verify } = await prepare();
    const error = await refusalOf(() => verify({ githubToken: 'bad' }));
    expect(error.message).toBe(
      'github-token: GitHub answered 401 to a question about the workflows of octo-org/shop',
    );
    expect(`${error.message} ${error.next}`).not.toContain('bad');
  });

  test('that refuses the token names the permission', async () => {
    const { github, verify } = await prepare();
    github.faults = [403];
    expect((await refusalOf(() => verify())).next).toContain('`actions: read`');
  });

  test('that is busy for a moment is asked again', async () => {
    const { github, verify } = await prepare();
    github.faults = [503, 429];
    expect(await verify()).toMatchObject({ exitCode: 0, outputs: { 'missed-runs': 0 } });
  });

  test('that does not answer leaves the question open, which is no yes', async () => {
    const checkout = await makeCheckout(nightlyPolicy);
    await checkout.run();
    const unreachable = () => Promise.reject(new GitHubUnreachable('GitHub did not answer'));
    const outcome = await checkout.run({ check: true, githubToken: 'good' }, {}, () => ({
      listWorkflows: unreachable,
      listScheduledRuns: unreachable,
      findLastChange: unreachable,
      enable: unreachable,
    }));
    expect(outcome.exitCode).toBe(3);
    expect(textOf(outcome)).toContain('could not be found out: GitHub did not answer');
  });

  test('that fails every time is asked four times', async () => {
    const { github } = await prepare();
    github.faults = [500, 502, 503, 504];
    const signal = new AbortController().signal;
    const settings = {
      repository: 'octo-org/shop',
      token: 'good',
      env: { GITHUB_API_URL: github.url },
      now: () => new Date(),
      signal,
      retryDelayMs: 1,
    };
    await expect(openWorkflows(settings).listWorkflows()).rejects.toThrow(
      new GitHubUnreachable('GitHub answered 504'),
    );
    expect(github.requests).toHaveLength(4);
  });

  test('is not asked without a token, which is said', async () => {
    const { checkout, github } = await prepare();
    const outcome = await checkout.run({ check: true });
    expect(outcome).toMatchObject({ exitCode: 0, outputs: { 'missed-runs': '' } });
    expect(textOf(outcome)).toContain('give a github-token to ask GitHub');
    expect(github.requests).toEqual([]);
  });
});

test('a target that the schedules cannot keep is a no, though every file is written', async () => {
  const checkout = await makeCheckout(`${nightlyPolicy}alarms: { rpo-target: 23h }\n`);
  const outcome = await checkout.run();
  expect(outcome.exitCode).toBe(3);
  expect(textOf(outcome)).toContain(
    'The rpo-target of 23h cannot be kept: production is left 24 h 00 min without a backup',
  );
  expect(Object.keys(await checkout.read())).toHaveLength(2);
  await checkout.writePolicy(`${nightlyPolicy}alarms: { rpo-target: 24h }\n`);
  expect((await checkout.run()).exitCode).toBe(0);
});

describe('captures', () => {
  const captured = nightlyPolicy.replace('capture: false', 'capture: auto/30 * * * *');
  const captureFile = 'supabase-backup-capture.yml';

  test('are what is lost at worst, and are told with the minutes that they take', async () => {
    const text = textOf(await (await makeCheckout(captured)).run());
    expect(text).toMatch(/production +capture +\d+,\d+ \* \* \* \* .* 1[,.\u202f ]?440 +1[,.\u202f ]?440\n/);
    expect(text).toMatch(/production +30 min 00 s +\w+ .* +of the last 8d +hourly=24/);
  });

  test('that take more minutes than a free plan has are told so, unless the runner is one of their own', async () => {
    const often = captured.replace('auto/30', 'auto/15');
    const words = /All this takes 3[,.\u202f ]?240 minutes in 30 days/;
    expect(textOf(await (await makeCheckout(often)).run())).toMatch(words);
    for (const enough of [captured, `${often}runs-on: own\n`])
      expect(textOf(await (await makeCheckout(enough)).run())).not.toContain('All this takes');
  });

  test('that a target is shorter than are a no that names them', async () => {
    const checkout = await makeCheckout(`${captured}alarms: { rpo-target: 20m }\n`);
    const outcome = await checkout.run();
    expect(outcome.exitCode).toBe(3);
    expect(textOf(outcome)).toMatch(
      /is left 30 min 00 s without a capture or a backup from .*\. Schedule captures more often/,
    );
    await checkout.writePolicy(`${captured}alarms: { rpo-target: 30m }\n`);
    expect((await checkout.run()).exitCode).toBe(0);
  });

  test('that ran are told with how far apart they were', async () => {
    const checkout = await makeCheckout(captured);
    await checkout.run();
    const github = await startStandIn([backupFile, cleanupFile, captureFile]);
    const [, , workflow] = github.workflows;
    if (workflow) workflow.changedAt = '2026-11-20T04:00:00Z';
    for (const time of ['05:10', '05:40', '06:55', '07:25', '09:40'])
      workflow?.runs.push({ createdAt: `2026-11-20T${time}:00Z` });
    const given = { check: true, githubToken: 'good' };
    const text = textOf(await checkout.run(given, { GITHUB_API_URL: github.url }));
    expect(text).toContain(
      'Captures of production that succeeded in the last seven days were 2 h 15 min apart',
    );
  });

  test('that end leave a slot on the server, which is told once', async () => {
    const other = '  staging:\n    database-url: OTHER\n    storage: s3://octo-backups/staging\nschedules';
    const both = captured.replace('schedules', other);
    const checkout = await makeCheckout(both);
    await checkout.run();
    const words = (database: string) =>
      `${database} is not captured any more, and its slot stays on the server`;
    await checkout.writePolicy(both.replace('staging\n', 'staging\n    schedules: { capture: false }\n'));
    const one = textOf(await checkout.run());
    expect(one).toContain(words('staging'));
    expect(one).not.toContain(words('production'));
    await checkout.writePolicy(nightlyPolicy.replace('schedules', other));
    expect(textOf(await checkout.run({ check: true }))).toContain(words('production'));
    expect(textOf(await checkout.run())).toContain('`supabase-backup capture --drop-slot`');
    expect(textOf(await checkout.run())).not.toContain('slot');
  });
});
