import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AlarmSettings, RunEvent } from '../../src/alarm/event.ts';
import { readState, writeState } from '../../src/alarm/issues/state.ts';
import { notify } from '../../src/alarm/notify.ts';
import { type FakeGitHub, type FakeIssue, startFakeGitHub } from '../support/fake-github.ts';
import { createContext, day, exampleFailure, exampleSuccess, hour, limits, settingsFor } from './example.ts';

let github: FakeGitHub;
let context: ReturnType<typeof createContext>;

beforeEach(async () => {
  github = await startFakeGitHub();
  context = createContext({ GITHUB_API_URL: github.url });
});
afterEach(() => github.close());

async function tell(event: RunEvent, changes: Partial<AlarmSettings> = {}): Promise<void> {
  github.now = () => event.at;
  await notify(event, settingsFor(github, changes), context, limits);
}

/** The issue when there is exactly one. */
function theIssue(): FakeIssue {
  expect(github.issues).toHaveLength(1);
  return github.issues[0] as FakeIssue;
}

const writes = () => github.requests.filter(({ method }) => method !== 'GET').length;

describe('the first failure', () => {
  it('opens an issue that says what failed, why, and what to do', async () => {
    const lastGood = { id: '20261119T021700Z-aaaa', takenAt: new Date('2026-11-19T02:17:00Z') };
    await tell(exampleFailure({}, { lastGood, rpoTarget: 26 * hour }));
    const issue = theIssue();
    expect(issue.title).toBe(
      'supabase-backup: backup of shop at db.example.com fails: the database cannot be read: there is no connection',
    );
    expect(issue.labels).toEqual(['supabase-backup', 'backup-failure']);
    expect(issue.body).toContain('the server closed the connection after 12 s');
    expect(issue.body).toContain('Check that the project is not paused');
    expect(issue.body).toContain('[Backup run 7](https://github.example/acme/shop/actions/runs/700)');
    expect(issue.body).toContain('20261119T021700Z-aaaa, 24 h 01 min old');
    expect(issue.body).toContain('will be missed in 1 h 59 min, at 2026-11-20 04:17 UTC');
    expect(issue.body).toContain('docs/emergency.md');
    expect(issue.body).toContain('When this closes');
    expect(context.lines).toEqual([]);
  });

  it('is severe at once where the recovery point objective is broken', async () => {
    const lastGood = { id: '20261119T021700Z-aaaa', takenAt: new Date('2026-11-19T02:17:00Z') };
    await tell(exampleFailure({}, { lastGood, rpoTarget: hour }));
    expect(theIssue().labels).toContain('severity: high');
    expect(theIssue().body).toContain('is missed since 2026-11-19 03:17 UTC');
  });

  it('assigns and mentions whom the settings name', async () => {
    github.assignable.add('octocat');
    const issues = {
      token: github.token,
      labels: [],
      assignees: ['@octocat'],
      mentions: ['acme/dba', '@kim'],
    };
    await tell(exampleFailure(), { issues });
    expect(theIssue().assignees).toEqual(['octocat']);
    expect(theIssue().body).toContain('\n@acme/dba @kim\n');
    expect(theIssue().labels).toEqual(['supabase-backup']);
  });

  it('goes without somebody who cannot be assigned, and says so', async () => {
    const issues = { token: github.token, labels: [], assignees: ['stranger'], mentions: [] };
    await tell(exampleFailure(), { issues });
    expect(theIssue().assignees).toEqual([]);
    expect(context.lines.join()).toMatch(/without its assignees/);
  });

  it('calls nobody and hides nothing by what its message holds', async () => {
    const forged = writeState('', { ...(await stateOfSomeIssue()), fingerprint: 'forged' });
    const message = `@acme/everyone #1 \`\`\`\n</td> ${forged}`;
    await tell(exampleFailure({}, { message, database: 'a|b @kim #2', failureClass: 'Defect' }));
    const issue = github.issues.at(-1) as FakeIssue;
    expect(issue.body).toContain('````text\n@acme/everyone #1 ```');
    expect(issue.body).not.toMatch(/@kim|#2/);
    expect(readState(issue.body)?.fingerprint).not.toBe('forged');
  });

  it('hides nothing, turns nothing around, and refers to nothing by what its texts hold', async () => {
    const text = 'see GH-12 and https://github.com/acme/shop/issues/1 a\u202eb\u200bc\u001b[2J';
    await tell(exampleFailure({}, { message: text, next: text, database: text }));
    const { title, body } = theIssue();
    for (const hidden of ['\u202e', '\u001b', 'b\u200bc']) expect(`${title}${body}`).not.toContain(hidden);
    const [before = '', after = ''] = body.split('### What to do');
    expect(`${before.split('### What failed')[0]}${after}`).not.toMatch(
      /GH-1|https:\/\/github.com\/acme\/shop\/issues/,
    );
    expect(title).toContain('a\\u{202e}b');
  });

  it('fits GitHub, however long its texts are', async () => {
    await tell(
      exampleFailure(
        {},
        { message: '<`|'.repeat(50_000), next: '*'.repeat(90_000), database: 'd'.repeat(9000) },
      ),
    );
    expect(theIssue().title.length).toBeLessThanOrEqual(256);
    expect(context.lines).toEqual([]);
  });
});

async function stateOfSomeIssue() {
  await tell(exampleFailure());
  const state = readState(theIssue().body);
  if (state === undefined) throw new Error('an issue without a state');
  return state;
}

describe('a failure that goes on', () => {
  it('counts in the issue and adds no comment within a day', async () => {
    await tell(exampleFailure({ run: 7 }));
    await tell(
      exampleFailure({ run: 8, after: hour }, { message: 'the server closed the connection after 9 s' }),
    );
    expect(theIssue().comments).toEqual([]);
    expect(readState(theIssue().body)).toMatchObject({ failures: 2, level: 'normal', last: { run: 8 } });
    expect(theIssue().body).toContain('run 8');
  });

  it('adds one comment a day', async () => {
    await tell(exampleFailure({ run: 7 }));
    for (let run = 8; run <= 7 + 48; run++) await tell(exampleFailure({ run, after: (run - 7) * hour }));
    expect(theIssue().comments).toHaveLength(2);
    expect(theIssue().comments[0]).toContain('It still fails.');
    expect(theIssue().comments[0]).toContain('25 failures since 2026-11-20 02:18 UTC');
    expect(theIssue().comments[1]).toContain('49 failures');
  });

  it('adds a comment for another cause, once for each within a day', async () => {
    const other = { message: 'the password is wrong' };
    await tell(exampleFailure({ run: 7 }));
    await tell(exampleFailure({ run: 8, after: hour }, other));
    await tell(exampleFailure({ run: 9, after: 2 * hour }));
    await tell(exampleFailure({ run: 10, after: 3 * hour }, other));
    expect(theIssue().comments).toHaveLength(1);
    expect(theIssue().comments[0]).toContain('It fails for another cause.');
    expect(theIssue().comments[0]).toContain('the password is wrong');
  });

  it('is severe from the third time', async () => {
    await tell(exampleFailure({ run: 7 }));
    await tell(exampleFailure({ run: 8, after: hour }));
    expect(theIssue().labels).not.toContain('severity: high');
    await tell(exampleFailure({ run: 9, after: 2 * hour }));
    expect(theIssue().labels).toEqual(['supabase-backup', 'backup-failure', 'severity: high']);
    const before = writes();
    await tell(exampleFailure({ run: 10, after: 3 * hour }));
    expect(writes() - before).toBe(1);
  });

  it('is severe as soon as the recovery point objective is broken', async () => {
    const takenAt = new Date('2026-11-20T01:00:00Z');
    const rpo = { lastGood: { id: '20261120T010000Z-aaaa', takenAt }, rpoTarget: 2 * hour };
    await tell(exampleFailure({ run: 7 }, rpo));
    expect(theIssue().labels).not.toContain('severity: high');
    await tell(exampleFailure({ run: 8, after: hour }, rpo));
    expect(theIssue().labels).toContain('severity: high');
  });

  it('has an issue for each class, operation and database', async () => {
    await tell(exampleFailure({ run: 7 }));
    await tell(exampleFailure({ run: 8, after: hour }, { failureClass: 'StorageError' }));
    await tell(exampleFailure({ run: 9, after: hour }, { operation: 'drill' }));
    await tell(exampleFailure({ run: 10, after: hour }, { database: 'another' }));
    await tell(exampleFailure({ run: 11, after: hour }));
    expect(github.issues).toHaveLength(4);
  });

  it('is found behind other issues and pull requests, page by page', async () => {
    await github.close();
    github = await startFakeGitHub({ pageSize: 2 });
    context = createContext({ GITHUB_API_URL: github.url });
    await tell(exampleFailure({ run: 7 }));
    const body = github.issues[0]?.body ?? '';
    for (let count = 0; count < 6; count++) github.add({ labels: ['supabase-backup'], body: 'by hand' });
    github.add({ labels: ['supabase-backup'], body, isPullRequest: true });
    await tell(exampleFailure({ run: 8, after: hour }));
    expect(github.issues).toHaveLength(8);
    expect(readState(github.issues[0]?.body ?? '')).toMatchObject({ failures: 2 });
    expect(github.issues[7]?.body).toBe(body);
  });

  it('does not go into the issue of a stranger who copied its text', async () => {
    const state = await stateOfSomeIssue();
    const real = theIssue();
    real.state = 'closed';
    real.closedAt = new Date(0);
    const copy = github.add({
      body: writeState('a copy', state),
      labels: ['supabase-backup'],
      author: { type: 'User', association: 'NONE' },
    });
    await tell(exampleFailure({ run: 8, after: hour }));
    await tell(exampleSuccess({ run: 9, after: 2 * hour }));
    expect(copy).toMatchObject({ state: 'open', comments: [], body: writeState('a copy', state) });
    expect(github.issues).toHaveLength(3);
  });
});

describe('an issue that somebody made up', () => {
  const forever = { startedAt: '9999-12-31T00:00:00.000Z', workflow: null, run: 1e9, attempt: 9 };
  const silencing = async () => ({ ...(await stateOfSomeIssue()), last: forever });
  const closed = { state: 'closed', closedAt: new Date('2026-11-19T00:00:00Z') } as const;

  it.each([
    ['a member', { type: 'User', association: 'MEMBER', login: 'kim' }],
    ['an app', { type: 'Bot', association: 'NONE', login: 'copycat[bot]' }],
    ['a stranger', { type: 'User', association: 'NONE', login: 'kim' }],
  ] as const)('keeps no failure back: %s, without the label', async (_, author) => {
    const body = writeState('', await silencing());
    github.issues.length = 0;
    const made = [github.add({ body, author, ...closed }), github.add({ body, author })];
    await tell(exampleFailure({ run: 7, after: hour }));
    expect(github.issues).toHaveLength(3);
    await tell(exampleSuccess({ run: 8, after: 2 * hour }));
    expect(made.map(({ state }) => state)).toEqual(['closed', 'open']);
    expect(made.map((issue) => issue.body)).toEqual([body, body]);
  });

  it.each([closed, {}])(
    'keeps no failure back, whoever made it, by a time that is to come: %j',
    async (life) => {
      const body = writeState('', { ...(await silencing()), lastCommentAt: forever.startedAt, told: [] });
      github.issues.length = 0;
      const made = github.add({ body, labels: ['supabase-backup'], ...life });
      await tell(exampleFailure({ run: 7, after: hour }));
      expect(theIssue()).toBe(made);
      expect(made.state).toBe('open');
      expect(made.comments).toHaveLength(1);
      await tell(exampleSuccess({ run: 8, after: 2 * hour }));
      expect(made.state).toBe('closed');
    },
  );

  it('keeps no failure back where it is closed, labelled and of now', async () => {
    const last = { startedAt: '2026-11-20T23:00:00.000Z', workflow: null, run: 1e9, attempt: 9 };
    const body = writeState('', { ...(await silencing()), last });
    github.issues.length = 0;
    github.add({ body, labels: ['supabase-backup'], ...closed });
    await tell(exampleFailure({ run: 7, after: hour }));
    expect(github.issues.map(({ state }) => state)).toContain('open');
  });

  it('keeps no failure back by the number of a run that never was', async () => {
    const { last } = await stateOfSomeIssue();
    const body = writeState('', { ...(await silencing()), last: { ...last, run: 1e9 }, told: [] });
    github.issues.length = 0;
    const made = github.add({ body, labels: ['supabase-backup'] });
    await tell(exampleFailure({ run: 8, after: 25 * hour }));
    expect(made.comments).toHaveLength(1);
    expect(readState(made.body)).toMatchObject({ last: { run: 8 } });
  });

  it.each([
    { kind: 'answer', status: 201 },
    { kind: 'answer', status: 500 },
    { kind: 'answer', status: 404 },
  ] as const)('keeps no failure back where nobody tells who we are: $status', async (fault) => {
    const body = writeState('', await silencing());
    github.issues.length = 0;
    github.add({ body, author: { type: 'User', association: 'MEMBER', login: 'kim' }, ...closed });
    github.fault = ({ path }) => (path.endsWith('/user') || !path.startsWith('/') ? fault : undefined);
    await tell(exampleFailure({ run: 7, after: hour }));
    expect(github.issues.map(({ state }) => state)).toEqual(['closed', 'open']);
  });

  it('keeps no failure back by a time that there is none of', async () => {
    const body = writeState('', { ...(await silencing()), firstFailureAt: '2026-02-31T24:00:00Z' });
    github.issues.length = 0;
    github.add({ body, labels: ['supabase-backup'] });
    await tell(exampleFailure({ run: 7, after: hour }));
    expect(context.lines).toEqual([]);
    expect(github.issues.some(({ body }) => body.includes('run 7'))).toBe(true);
  });
});

describe('an issue whose conversation is locked', () => {
  it('is kept and closed without comments', async () => {
    await tell(exampleFailure({ run: 7 }));
    github.fault = ({ path }) =>
      path.endsWith('/comments') ? { kind: 'answer', status: 403, message: 'issue is locked' } : undefined;
    await tell(exampleFailure({ run: 8, after: hour }, { message: 'another cause' }));
    expect(readState(theIssue().body)).toMatchObject({ failures: 2 });
    expect(theIssue().body).toContain('another cause');
    await tell(exampleSuccess({ run: 9, after: 2 * hour }));
    expect(theIssue().state).toBe('closed');
    expect(context.lines).toEqual(Array(2).fill(expect.stringContaining('Unlock its conversation')));
  });
});

describe('an issue without the label', () => {
  it.each([undefined, 'robot'])('is known by its author, who is whose the token is: %s', async (user) => {
    github.user = user;
    github.mayLabel = false;
    await tell(exampleFailure({ run: 7 }));
    await tell(exampleFailure({ run: 8, after: hour }));
    expect(readState(theIssue().body)).toMatchObject({ failures: 2 });
  });
});

describe('a success', () => {
  it('closes the issue with the evidence and how long it was failing', async () => {
    await tell(exampleFailure({ run: 7 }));
    await tell(exampleFailure({ run: 8, after: hour }));
    await tell(exampleSuccess({ run: 9, after: 3 * hour }));
    const issue = theIssue();
    expect(issue).toMatchObject({ state: 'closed', stateReason: 'completed' });
    expect(issue.body).toMatch(/^> \*\*Recovered\*\* at 2026-11-20 05:18 UTC/);
    expect(issue.comments).toHaveLength(1);
    const [evidence] = issue.comments;
    expect(evidence).toContain('20261120T051700Z-7f3a');
    expect(evidence).toContain('1234567');
    expect(evidence).toContain('[Backup run 9](https://github.example/acme/shop/actions/runs/900)');
    expect(evidence).toContain('| it was failing for | 3 h 00 min |');
    expect(evidence).toContain('| failures | 2 |');
  });

  it('closes all classes of its operation and database, and nothing else', async () => {
    await tell(exampleFailure({ run: 1 }));
    await tell(exampleFailure({ run: 2 }, { failureClass: 'StorageError' }));
    await tell(exampleFailure({ run: 3 }, { operation: 'drill' }));
    await tell(exampleFailure({ run: 4 }, { database: 'another' }));
    github.add({ labels: ['supabase-backup'], body: 'by hand' });
    await tell(exampleSuccess({ run: 5, after: hour }));
    expect(github.issues.map(({ state }) => state)).toEqual(['closed', 'closed', 'open', 'open', 'open']);
  });

  it('that looked at a part only closes nothing', async () => {
    await tell(exampleFailure({ run: 7 }));
    await tell(exampleSuccess({ run: 8, after: hour }, { partial: true }));
    expect(theIssue()).toMatchObject({ state: 'open', comments: [] });
  });

  it('writes nothing when nothing was failing', async () => {
    await tell(exampleSuccess());
    expect(writes()).toBe(0);
    expect(context.lines).toEqual([]);
  });
});

describe('a failure after a recovery', () => {
  beforeEach(async () => {
    for (let run = 1; run <= 3; run++) await tell(exampleFailure({ run, after: run * hour }));
    await tell(exampleSuccess({ run: 4, after: 4 * hour }));
    expect(theIssue()).toMatchObject({ state: 'closed', labels: expect.arrayContaining(['severity: high']) });
  });

  it('within seven days reopens the issue and counts from one again', async () => {
    await tell(exampleFailure({ run: 5, after: 6 * day }));
    const issue = theIssue();
    expect(issue).toMatchObject({ state: 'open', stateReason: 'reopened' });
    expect(issue.labels).not.toContain('severity: high');
    expect(issue.comments.at(-1)).toContain('It fails again.');
    expect(issue.body).not.toContain('Recovered');
    expect(readState(issue.body)).toMatchObject({ failures: 1, level: 'normal', last: { run: 5 } });
  });

  it('later opens a new one', async () => {
    await tell(exampleFailure({ run: 5, after: 8 * day }));
    expect(github.issues.map(({ state }) => state)).toEqual(['closed', 'open']);
  });

  it('of a run that is older than the success is told by an issue of its own, which the next success closes', async () => {
    const before = structuredClone(theIssue());
    await tell(exampleFailure({ run: 3, after: 5 * hour }));
    expect(github.issues).toMatchObject([before, { state: 'open' }]);
    await tell(exampleSuccess({ run: 5, after: 6 * hour }));
    expect(github.issues.map(({ state }) => state)).toEqual(['closed', 'closed']);
  });
});

describe('runs that end out of order', () => {
  it('leave the issue open where an older one succeeded', async () => {
    await tell(exampleFailure({ run: 8, after: hour }));
    const before = writes();
    await tell(exampleSuccess({ run: 7, after: 2 * hour }));
    expect(theIssue().state).toBe('open');
    expect(writes()).toBe(before);
  });

  it('change nothing where an older one failed', async () => {
    await tell(exampleFailure({ run: 8, after: 2 * day }));
    const { body } = theIssue();
    await tell(exampleFailure({ run: 7, after: 2.5 * day }, { message: 'something else' }));
    expect(theIssue()).toMatchObject({ body, comments: [] });
  });

  it('of different workflows are compared by when they began', async () => {
    await tell(exampleFailure({ run: 8, after: 2 * hour }));
    const { at } = exampleFailure({ after: 2 * hour });
    await tell({ ...exampleSuccess({ run: 900, after: hour, workflow: 'other.yml' }), at });
    expect(theIssue().state).toBe('open');
    await tell(exampleSuccess({ run: 1, after: 3 * hour, workflow: 'other.yml' }));
    expect(theIssue().state).toBe('closed');
  });

  it('count when they were started again: a second attempt is newer than the first', async () => {
    await tell(exampleFailure({ run: 8, after: hour }));
    await tell(exampleSuccess({ run: 8, attempt: 2, after: 2 * hour }));
    expect(theIssue().state).toBe('closed');
  });
});

describe('two runs that fail at once', () => {
  it('keep one issue, the older, and count both', async () => {
    await race();
    expect(readState(github.issues[0]?.body ?? '')).toMatchObject({ failures: 2 });
    const [older, younger] = github.issues as [FakeIssue, FakeIssue];
    expect(github.issues).toHaveLength(2);
    expect(older.state).toBe('open');
    expect(younger).toMatchObject({ state: 'closed', stateReason: 'not_planned' });
    expect(younger.comments).toEqual([expect.stringContaining('#1 goes on')]);
  });

  it('leave no duplicate that could be reopened', async () => {
    await race();
    await tell(exampleSuccess({ run: 9, after: 2 * hour }));
    // It was closed last, as where its run was slow.
    Object.assign(github.issues[1] as FakeIssue, { closedAt: new Date(github.now().getTime() + 1) });
    await tell(exampleFailure({ run: 10, after: 3 * hour }));
    expect(github.issues.map(({ state }) => state)).toEqual(['open', 'closed']);
  });

  it('are sorted out by the next failure where one died in between', async () => {
    await tell(exampleFailure({ run: 7 }));
    const { body, labels } = theIssue();
    const duplicate = github.add({ body, labels });
    await tell(exampleFailure({ run: 8, after: hour }));
    expect(duplicate.state).toBe('closed');
    expect(github.issues[0]).toMatchObject({ state: 'open' });
  });

  /** Holds both up until neither can see what the other opens. Which one is first is chance. */
  async function race(): Promise<void> {
    const met = Promise.withResolvers<void>();
    let waiting = 0;
    github.fault = async ({ method, path }) => {
      if (method !== 'POST' || path !== '/issues') return undefined;
      waiting += 1;
      if (waiting === 2) met.resolve();
      await met.promise;
      return undefined;
    };
    await Promise.all(['a.yml', 'b.yml'].map((workflow) => tell(exampleFailure({ workflow }))));
    github.fault = () => undefined;
  }
});

describe('an issue whose creation was answered to nobody', () => {
  it('is opened once', async () => {
    let lost = 0;
    github.fault = ({ method, path }) => {
      if (method !== 'POST' || path !== '/issues' || lost > 0) return undefined;
      lost += 1;
      return { kind: 'lose-answer' };
    };
    await tell(exampleFailure());
    expect(github.issues.filter(({ state }) => state === 'open')).toHaveLength(1);
    expect(readState(github.issues[0]?.body ?? '')).toMatchObject({ failures: 1 });
    expect(lost).toBe(1);
  });
});

describe('a repository where something is missing', () => {
  it('without the permission is told the line to add', async () => {
    github.permission = 'read';
    await tell(exampleFailure());
    expect(github.issues).toEqual([]);
    expect(context.lines).toEqual([
      expect.stringMatching(/"issues: write" to the "permissions:" of the job/),
    ]);
  });

  it('that the token cannot see is told the same', async () => {
    github.permission = 'none';
    await tell(exampleFailure());
    expect(context.lines).toEqual([expect.stringContaining('issues: write')]);
  });

  it('with a token that has expired is told so', async () => {
    const issues = { token: 'expired-token', labels: [], assignees: [], mentions: [] };
    await tell(exampleFailure(), { issues });
    expect(context.lines).toEqual([expect.stringMatching(/401: Bad credentials.*github-token/)]);
  });

  it('without issues is told where to enable them', async () => {
    github.issuesEnabled = false;
    await tell(exampleFailure());
    expect(context.lines).toEqual([
      expect.stringMatching(/410: Issues are disabled.*settings of the repository/),
    ]);
  });

  it('without a token, or a name, is told which setting', async () => {
    const issues = { token: '', labels: [], assignees: [], mentions: [] };
    await tell(exampleFailure(), { issues });
    await tell(exampleFailure({}, { run: undefined }));
    expect(context.lines).toEqual([
      expect.stringContaining('there is no github-token'),
      expect.stringContaining('GITHUB_REPOSITORY'),
    ]);
  });

  it('that takes no labels has an issue without, which is found again and closed', async () => {
    github.mayLabel = false;
    await tell(exampleFailure({ run: 7 }));
    expect(theIssue().labels).toEqual([]);
    expect(context.lines.join('\n')).toContain('issue 1 is without the label "supabase-backup"');
    await tell(exampleFailure({ run: 8, after: hour }));
    expect(readState(theIssue().body)).toMatchObject({ failures: 2 });
    await tell(exampleSuccess({ run: 9, after: 2 * hour }));
    expect(theIssue().state).toBe('closed');
  });

  it('whose rate limit is reached is told so, and not asked again', async () => {
    github.fault = () => ({
      kind: 'answer',
      status: 403,
      message: 'You have exceeded a secondary rate limit',
      headers: { 'retry-after': '60' },
    });
    await tell(exampleFailure());
    expect(github.requests).toHaveLength(1);
    expect(context.lines).toEqual([expect.stringContaining("GitHub's rate limit is reached")]);
  });

  it('that fails for a moment is asked again', async () => {
    let left = 2;
    github.fault = () => (left-- > 0 ? { kind: 'answer', status: 502 } : undefined);
    await tell(exampleFailure());
    expect(theIssue().state).toBe('open');
    expect(context.lines).toEqual([]);
  });
});
