import { describe, expect, it, test } from 'vitest';
import { findProblems, findRemarks } from '../../../src/operations/schedule/findings.ts';
import { previewSchedule } from '../../../src/operations/schedule/outlook.ts';
import { describeSchedule } from '../../../src/operations/schedule/report.ts';
import type { Problem, Remark, Schedule } from '../../../src/operations/schedule/result.ts';
import { renderText } from '../../../src/report/text.ts';
import type { SchedulePlan } from '../../../src/schedule/plan/plan.ts';
import { hour } from '../../../src/values/duration.ts';
import { planOf } from '../../schedule/setting.ts';

const now = new Date('2026-11-20T10:00:00Z');
/** Of every kind of job; it takes a while to foresee. */
const outlook = previewSchedule(planOf(), undefined, now);

function makeSchedule(overrides: Partial<Schedule> = {}): Schedule {
  return {
    ...{ mode: 'write', timeZone: 'UTC', changes: [], verification: undefined },
    ...outlook,
    ...{ problems: [], remarks: [] },
    ...overrides,
  };
}

const change = (state: 'same' | 'update' | 'foreign') => {
  const reason = state === 'foreign' ? 'was edited by hand' : '';
  return { file: 'a.yml', state, reason, before: 'x', after: state === 'same' ? 'x' : 'y' };
};
const gap = { from: now, until: new Date(now.getTime() + 30 * hour), milliseconds: 30 * hour };
const about = { target: '1h', database: 'shop' };

test.each<[Problem, string]>([
  [{ kind: 'drift' }, 'The workflows are not what the policy says'],
  [{ kind: 'foreign', file: 'a.yml', reason: 'was edited by hand' }, 'a.yml was edited by hand: move the'],
  [{ kind: 'workflow', file: 'a.yml', text: 'a.yml is not on GitHub: merge it.' }, 'is not on GitHub: merge'],
  [{ kind: 'unreachable', why: 'GitHub did not answer' }, 'could not be found out: GitHub did not answer.'],
  [
    { kind: 'rpo-target', ...about, isCaptured: false, gap },
    'shop is left 30 h 00 min without a backup from Fri 2026-11-20 10:00 UTC+0. Schedule backups more often',
  ],
  [
    { kind: 'rpo-target', ...about, isCaptured: true, gap },
    'shop is left 30 h 00 min without a capture or a backup from',
  ],
  [
    { kind: 'rpo-target', ...about, isCaptured: false, gap: undefined },
    'The rpo-target of 1h cannot be kept: shop has fewer than two backups a year.',
  ],
])('%j is told, and makes the answer a no', (problem, words) => {
  const outcome = describeSchedule(makeSchedule({ problems: [problem] }));
  expect(outcome.exitCode).toBe(3);
  expect(renderText(outcome.report)).toContain(words);
});

test.each<[Remark, string]>([
  [{ kind: 'ended-capture', database: 'shop' }, 'shop is not captured any more, and its slot stays'],
  [{ kind: 'unencrypted', database: 'shop' }, 'Backups of shop are stored unencrypted: whoever'],
  [
    { kind: 'peak', database: 'shop', job: 'full', cron: '0 14 * * *' },
    'full of shop is due at a full hour or a quarter of one (0 14 * * *), when GitHub is busiest, starts schedules late and drops some: write auto for its minute, as in `auto 14 * * *`.',
  ],
  [{ kind: 'longest-pause', database: 'shop', length: 2 * hour }, 'were 2 h 00 min apart at most'],
  [
    { kind: 'cost', minutes: 300, free: 200 },
    'All this takes 300 minutes in 30 days. A private repository has 200',
  ],
])('%j is told, and is no failure', (remark, words) => {
  const outcome = describeSchedule(makeSchedule({ remarks: [remark] }));
  expect(outcome.exitCode).toBe(0);
  expect(renderText(outcome.report)).toContain(words);
});

describe('workflows that are not what the policy says', () => {
  const changes = [change('update'), change('same')];
  it.each([
    ['write', 'Schedule: 1 file changed; commit and push them', false],
    ['dry-run', 'Schedule, dry run: 1 file would change', true],
    ['check', 'Schedule: 1 file not as the policy says', true],
  ] as const)('are told of under %s', (mode, title, isShown) => {
    const outcome = describeSchedule(makeSchedule({ mode, changes }));
    expect(outcome.outputs).toMatchObject({ workflows: 2, drift: true, 'missed-runs': '' });
    const text = renderText(outcome.report);
    expect(text).toContain(title);
    expect(text.includes('- as it is, + as the policy says:')).toBe(isShown);
  });

  it('are a problem under check alone, and foreign ones always', () => {
    const { databases } = makeSchedule();
    const find = (mode: Schedule['mode'], ...states: Parameters<typeof change>[0][]) =>
      findProblems({ mode, changes: states.map(change), verification: undefined, databases }, undefined);
    expect(find('check', 'update')).toEqual([{ kind: 'drift' }]);
    expect(find('check', 'same')).toEqual([]);
    expect(find('dry-run', 'update')).toEqual([]);
    expect(find('write', 'foreign')).toEqual([
      { kind: 'foreign', file: 'a.yml', reason: 'was edited by hand' },
    ]);
  });
});

it('holds a target against the longest gap of each database', () => {
  const { databases } = makeSchedule();
  const find = (target: string) =>
    findProblems({ mode: 'write', changes: [], verification: undefined, databases }, target);
  expect(find('30d')).toEqual([]);
  expect(find('1m')).toMatchObject([
    { kind: 'rpo-target', target: '1m', database: 'production', isCaptured: true },
  ]);
});

const nothingElse = { changes: [], verification: undefined, databases: [] };
const remarksOf = (given: SchedulePlan) =>
  findRemarks(given, { ...nothingElse, ...previewSchedule(given, undefined, now) }, now);

it('remarks on what is due when GitHub is busiest, and not on auto', () => {
  const found = (schedules: string) =>
    findRemarks(planOf(`schedules: { ${schedules} }\n`), nothingElse, now).flatMap((remark) =>
      remark.kind === 'peak' ? [`${remark.job} ${remark.cron}`] : [],
    );
  expect(found('full: 0 14 * * *, archive: 17 2 1 * *')).toEqual(['full 0 14 * * *']);
  expect(found("full: ['30 2 * * *', '17 14 * * *']")).toEqual(['full 30 2 * * *']);
  expect(found("capture: '*/10 8-18 * * *'")).toEqual(['capture */10 8-18 * * *']);
  expect(found('full: auto 2 * * *, capture: auto/10 * * * *')).toEqual([]);
});

it('remarks on minutes that are more than those that cost nothing, of hosted runners alone', () => {
  const often = planOf('schedules: { capture: auto/15 * * * * }\n');
  const clear = { kind: 'unencrypted', database: 'production' };
  expect(remarksOf(often)).toMatchObject([clear, { kind: 'cost', free: 2000 }]);
  expect(remarksOf({ ...often, runsOn: 'own' })).toEqual([clear]);
  const [database] = often.databases;
  const written = { ...database?.written, 'encryption-recipients': 'age1…' };
  const databases = [{ ...database, written }] as unknown as typeof often.databases;
  expect(remarksOf({ ...often, runsOn: 'own', databases })).toEqual([]);
});
