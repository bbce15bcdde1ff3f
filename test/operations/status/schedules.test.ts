import { describe, expect, it } from 'vitest';
import type { StatusFacts } from '../../../src/operations/status/facts.ts';
import { describeStatus } from '../../../src/operations/status/report.ts';
import { isHealthy } from '../../../src/operations/status/result.ts';
import { readSchedules } from '../../../src/operations/status/schedules.ts';
import { renderText } from '../../../src/report/text.ts';
import type { BackupSummary } from '../../../src/repository/backups/catalog.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { ago, hour, now, shelve } from '../../repository/backups/freshness-example.ts';
import { makeCheckout, nightlyPolicy, planOf, production } from '../../schedule/setting.ts';
import { startStandIn } from '../../schedule/stand-in.ts';
import { createContext } from '../../support/context.ts';
import { weigh } from './example.ts';
import { makeCaptured, makeRun, makeSchedules } from './watched-example.ts';

/** All kinds, due so that each has its own interval */
const every = `schedules:
  full: 17 2 * * *
  incremental: 17 * * * *
  schema: 17 3 * * 0
  archive: { cron: 17 4 1 * *, label: month }
  capture: 7,22,37,52 * * * *
  drill: 17 5 2 * *
  cleanup: 17 6 * * *
  watch: 43 */4 * * *
`;
const plan = planOf(every);
const schedules = { database: production(plan), timeZone: 'UTC', verification: undefined };

const look = (backups: readonly BackupSummary[], facts: Partial<StatusFacts> = {}) =>
  weigh(backups, { schedules, ...facts });
const jobOf = (status: ReturnType<typeof look>, kind: string) =>
  status.schedules?.jobs.find((job) => job.kind === kind);
const lateOf = (status: ReturnType<typeof look>) =>
  status.findings.flatMap((finding) => (finding.kind === 'late-schedule' ? [finding.job] : []));

describe('a schedule of the policy', () => {
  it('is late when its kind has not succeeded for its interval and two hours', () => {
    const status = look([shelve(30), shelve(2.5, { kind: 'incremental' })]);
    expect(lateOf(status)).toContain('full');
    expect(lateOf(status)).not.toContain('incremental');
    expect(status.findings.find((finding) => finding.kind === 'late-schedule')).toEqual({
      ...{ kind: 'late-schedule', severity: 'warning', limit: 26 * hour },
      ...{ measured: 30 * hour - 60_000, since: new Date(ago(4).getTime() + 60_000) },
      ...{ job: 'full', crons: ['17 2 * * *'], timeZone: 'UTC' },
    });
    expect(isHealthy(look([shelve(20)]))).toBe(true);
  });

  it('is judged by what its runs leave in the repository', () => {
    const backups = [
      ...[shelve(1), shelve(20, { kind: 'schema' }), shelve(300, { label: 'month' })],
      shelve(0.5, { purpose: 'safety' }),
    ];
    const status = look(backups, makeCaptured(0.1));
    const succeeded = (kind: string) => jobOf(status, kind)?.succeededAt;
    expect(succeeded('full')).toEqual(backups[0]?.finishedAt);
    expect(succeeded('incremental')).toEqual(backups[0]?.finishedAt);
    expect(succeeded('schema')).toEqual(backups[1]?.finishedAt);
    expect(succeeded('archive')).toEqual(backups[2]?.finishedAt);
    expect(succeeded('capture')).toEqual(ago(0.1));
    expect(succeeded('drill')).toBeUndefined();
  });

  it('is judged by the records of runs as well, of which only those count that are done', () => {
    const failed = { outcome: 'failed', exitCode: 1 } as const;
    const full = { operation: 'backup', backupType: 'full' };
    const runs = [
      ...[
        makeRun(9, full),
        makeRun(8, { ...full, backupType: 'schema' }),
        makeRun(7, { operation: 'drill' }),
      ],
      ...[
        makeRun(6, { operation: 'cleanup' }),
        makeRun(5),
        makeRun(4, { ...full, ...failed }),
        makeRun(3, failed),
      ],
    ];
    const status = look([], { runs });
    const succeeded = (kind: string) => jobOf(status, kind)?.succeededAt;
    expect(succeeded('full')).toEqual(ago(9));
    expect(succeeded('incremental')).toEqual(ago(9));
    expect(succeeded('schema')).toEqual(ago(8));
    expect(succeeded('drill')).toEqual(ago(7));
    expect(succeeded('cleanup')).toEqual(ago(6));
    expect(succeeded('capture')).toEqual(ago(5));
    // A record does not say which full backup was the archive.
    expect(succeeded('archive')).toBeUndefined();
  });

  it('that never succeeded is late once the repository is old enough, and has no age', () => {
    expect(lateOf(look([], { createdAt: ago(1) }))).toEqual([]);
    const status = look([], { createdAt: ago(27) });
    expect(lateOf(status)).toEqual(['full', 'incremental', 'capture', 'cleanup']);
    expect(renderText(describeStatus(status).report)).toContain(
      'WARNING: there was no run of `full` that succeeded.',
    );
  });

  it('of the watch is not measured where GitHub was not asked', () => {
    const status = look([], { createdAt: ago(10_000) });
    expect(jobOf(status, 'watch')).toMatchObject({ lateness: undefined, workflow: undefined });
    expect(lateOf(status)).not.toContain('watch');
    expect(renderText(describeStatus(status).report)).toMatch(/\nwatch +43 \*\/4 \* \* \* +not measured/);
  });

  it('of the digest is not measured either: it sends what it sees, and leaves nothing behind', () => {
    const database = production(planOf('schedules: { digest: true }\n'));
    const schedules = { ...makeSchedules(), database, verification: undefined };
    const status = weigh([], { schedules, createdAt: ago(10_000) });
    expect(jobOf(status, 'digest')).toMatchObject({ lateness: undefined, workflow: undefined });
    expect(lateOf(status)).not.toContain('digest');
  });

  it('of the watch is judged by what GitHub has run', () => {
    const asked = makeSchedules();
    const watch = asked.verification?.verdicts.at(-1);
    const status = weigh([shelve(1)], { schedules: asked });
    expect(jobOf(status, 'watch')).toMatchObject({
      workflow: { state: 'enabled', ranAt: new Date('2026-11-20T08:47:00Z') },
    });
    const none = { ...watch, punctuality: undefined };
    const verification = { ...asked.verification, verdicts: [none] };
    const silent = weigh([shelve(1)], { schedules: { ...asked, verification } as typeof asked });
    expect(lateOf(silent)).toContain('watch');
    expect(renderText(describeStatus(silent).report)).toContain('there was no run of `watch`.');
  });

  it('without a policy is not measured, which is no finding', () => {
    const status = weigh([shelve(20)]);
    expect(status.schedules).toBeUndefined();
    expect(lateOf(status)).toEqual([]);
    expect(renderText(describeStatus(status).report)).toMatch(/schedules +not measured: no policy was given/);
  });
});

describe('schedules and GitHub', () => {
  const [backupFile, cleanupFile] = ['supabase-backup.yml', 'supabase-backup-cleanup.yml'];

  async function prepare() {
    const checkout = await makeCheckout(nightlyPolicy, now);
    await checkout.run();
    const github = await startStandIn([backupFile, cleanupFile]);
    github.workflows[0]?.runs.push({ createdAt: '2026-11-20T02:25:00Z' });
    const read = (given: object = {}) =>
      readSchedules(
        {
          ...{ policy: `${checkout.folder}/../supabase-backup.yml`, workflows: checkout.folder },
          ...{ githubToken: 'good', storage: 's3://octo-backups/production/', database: undefined, ...given },
        },
        createContext({ env: { GITHUB_API_URL: github.url }, now: () => now }),
      );
    const ask = async (given?: object) => weigh([shelve(9)], { schedules: await read(given) });
    return { checkout, github, read, ask };
  }
  const disabledOf = (status: Awaited<ReturnType<typeof weigh>>) =>
    status.findings.flatMap((finding) => (finding.kind === 'disabled-schedule' ? [finding] : []));

  it('tell which workflows are enabled and when they ran, and change nothing', async () => {
    const { github, ask } = await prepare();
    const [first] = github.workflows;
    if (first) first.state = 'disabled_inactivity';
    const status = await ask();
    expect(jobOf(status, 'full')?.workflow).toEqual({
      state: 'disabled',
      ranAt: new Date('2026-11-20T02:25:00Z'),
    });
    expect(jobOf(status, 'cleanup')?.workflow).toEqual({ state: 'enabled', ranAt: undefined });
    expect(disabledOf(status)).toMatchObject([
      { severity: 'warning', workflow: backupFile, jobs: ['full'], state: 'disabled', measured: undefined },
    ]);
    expect(github.requests.filter((request) => !request.startsWith('GET'))).toEqual([]);
    expect(isHealthy(status)).toBe(true);
  });

  it('tell of a workflow that is not on GitHub', async () => {
    const { github, ask } = await prepare();
    github.workflows.splice(1);
    expect(disabledOf(await ask())).toMatchObject([{ workflow: cleanupFile, state: 'not on GitHub' }]);
  });

  it('say nothing of a workflow that is not as the policy says, or without a token', async () => {
    const { checkout, ask } = await prepare();
    const unasked = await ask({ githubToken: undefined });
    expect(unasked.schedules?.jobs.map(({ workflow }) => workflow)).toEqual([undefined, undefined]);
    await checkout.writePolicy(nightlyPolicy.replace('17 2', '18 2'));
    const changed = await ask();
    expect(jobOf(changed, 'full')?.workflow).toBeUndefined();
    expect(jobOf(changed, 'cleanup')?.workflow?.state).toBe('enabled');
  });

  it('say why GitHub did not answer, and what the repository knows all the same', async () => {
    const { github, ask } = await prepare();
    github.faults.push(503, 503, 503, 503);
    const status = await ask();
    expect(status.schedules?.unreachable).toBe('GitHub answered 503');
    expect(jobOf(status, 'full')).toMatchObject({
      workflow: undefined,
      lateness: { age: 9 * hour - 60_000 },
    });
    expect(renderText(describeStatus(status).report)).toContain(
      'Whether the workflows are enabled is not measured: GitHub answered 503.',
    );
  });

  it('are those of the database with this storage, or of this name; any other is a mistake', async () => {
    const { read } = await prepare();
    expect((await read())?.database.name).toBe('production');
    expect((await read({ storage: './copy', database: 'production' }))?.database.name).toBe('production');
    await expect(read({ storage: './copy' })).rejects.toThrow(ConfigurationError);
    await expect(read({ storage: './copy' })).rejects.toThrow(
      /^policy: no database of .* has the storage \.\/copy$/,
    );
    await expect(read({ database: 'nope' })).rejects.toThrow(ConfigurationError);
    await expect(read({ database: 'nope' })).rejects.toThrow(/^database: .* has no database "nope"$/);
    await expect(read({ githubToken: 'bad' })).rejects.toThrow(/github-token: GitHub answered 401/);
  });

  it('are never those of another database than the one that is named', async () => {
    const { checkout, read } = await prepare();
    const books = `  books:\n    database-url: BOOKS_URL\n    storage: s3://octo-backups/books\n`;
    await checkout.writePolicy(nightlyPolicy.replace('schedules:', `${books}schedules:`));
    expect((await read())?.database.name).toBe('production');
    const storage = 's3://octo-backups/books/';
    expect((await read({ storage, database: 'books' }))?.database.name).toBe('books');
    await expect(read({ database: 'books' })).rejects.toThrow(ConfigurationError);
    await expect(read({ database: 'books' })).rejects.toThrow(
      /^database: s3:\/\/octo-backups\/production\/ is in .* the storage of production, and that of books is s3:\/\/octo-backups\/books$/,
    );
  });
});
