import { describe, expect, it } from 'vitest';
import { assembleEvidence } from '../../../../src/operations/report/compliance/assemble.ts';
import type { EvidenceFacts } from '../../../../src/operations/report/compliance/facts.ts';
import { judge } from '../../../../src/operations/report/objective.ts';
import { planOf, production } from '../../../schedule/setting.ts';
import {
  backup,
  drill,
  idOf,
  madeAt,
  makeFacts,
  now,
  policyText,
  prune,
  record,
  refused,
  restore,
  run,
} from './example.ts';

const evidence = assembleEvidence(makeFacts());
const kindsOf = (facts: EvidenceFacts) => [...new Set(assembleEvidence(facts).gaps.map(({ kind }) => kind))];
const facts = makeFacts();

type Records = EvidenceFacts['records'];

/** The week with other records of some kinds */
function withRecords(records: Partial<Records>, overrides: Partial<EvidenceFacts> = {}): EvidenceFacts {
  return makeFacts({ records: { ...facts.records, ...records }, ...overrides });
}

const damagedChanges = 'changes/20261120T000000Z-0000/0000000000000100-0000000000000200.json';

describe('runs', () => {
  it('are all of the period, and their counts add up', () => {
    const { total, done, no, failed, byOperation, byActor, list } = evidence.runs;
    expect([total, done, no, failed]).toEqual([12, 10, 1, 1]);
    const sum = (all: readonly { total: number }[]) => all.reduce((one, other) => one + other.total, 0);
    expect(sum(byOperation)).toBe(total);
    expect(sum(byActor)).toBe(total);
    expect(list).toHaveLength(total);
    expect(byOperation).toContainEqual({ operation: 'backup', total: 8, done: 7, no: 0, failed: 1 });
  });

  it('that failed are there with what was done about it', () => {
    const failed = evidence.runs.list.find(({ outcome }) => outcome === 'failed');
    expect(failed).toMatchObject({
      evidence: `records/runs/${refused.id}.json`,
      failure: { class: 'SourceError/authentication' },
      followUp: {
        at: '2026-11-16T08:44:00.000Z',
        evidence: 'records/runs/20261116T084400Z-0000000000000000.json',
      },
    });
    expect(evidence.alarms.raised).toHaveLength(2);
    expect(evidence.alarms.raised.slice(0, 1)).toEqual([
      {
        ...{ evidence: failed?.evidence, at: failed?.endedAt, operation: 'backup' },
        ...{ class: 'SourceError/authentication', endedBy: failed?.followUp, issue: 31 },
      },
    ]);
  });

  it('have the number of the issue that names them, and of no other whose address only begins like theirs', () => {
    const issueOf = (body: string) => {
      const [issue] = facts.issues ?? [];
      const issues = issue === undefined ? undefined : [{ ...issue, body }];
      return assembleEvidence(makeFacts({ issues })).runs.list.find(({ outcome }) => outcome === 'failed')
        ?.issue;
    };
    const { url = '' } = refused.content.run ?? {};
    expect(issueOf(`[run](${url})`)).toBe(31);
    expect(issueOf(`[run](${url}0)`)).toBeNull();
    expect(issueOf(`[run](${url}0), [run](${url})`)).toBe(31);
    expect(assembleEvidence(makeFacts({ issues: undefined })).alarms.issues).toBeNull();
    expect(evidence.alarms.issues).toMatchObject([{ number: 31, closedAt: '2026-11-16T08:44:20.000Z' }]);
  });

  it('are named as a gap where none has succeeded since', () => {
    const runs = facts.records.runs.filter(({ at }) => at <= refused.at);
    expect(assembleEvidence(withRecords({ runs })).gaps).toContainEqual({
      ...{ kind: 'open-failure', from: refused.at.toISOString(), to: null },
      text: 'A run of backup did not succeed (SourceError/authentication), and none has since.',
      evidence: [`records/runs/${refused.id}.json`],
    });
  });

  it('of before and after the period are not in it, and a later success counts for a failure in it', () => {
    const period = { from: new Date('2026-11-16T00:00:00Z'), to: new Date('2026-11-16T08:00:00Z') };
    const { runs, backups } = assembleEvidence(makeFacts({ period }));
    expect(runs).toMatchObject({ total: 1, failed: 1 });
    expect(runs.list[0]?.followUp?.at).toBe('2026-11-16T08:44:00.000Z');
    expect(backups.total).toBe(0);
  });
});

describe('the schedule', () => {
  const full = (of: EvidenceFacts) => assembleEvidence(of).schedule?.jobs.find(({ job }) => job === 'full');

  it('is compared with what ran, and a night without a run is named from when to when', () => {
    expect(full(facts)).toEqual({
      ...{ job: 'full', crons: ['17 2 * * *'], due: 8, ran: 7, missed: 1, unjudged: 0 },
      gaps: [{ from: '2026-11-19T02:17:00.000Z', to: '2026-11-20T02:17:00.000Z', due: 1 }],
    });
    expect(evidence.schedule?.notJudged).toEqual(['watch']);
  });

  it('joins nights in a row', () => {
    const runs = facts.records.runs.filter(
      ({ content }) => content.backupType === null || content.startedAt < '2026-11-15T00',
    );
    const catalog = { backups: [], damaged: [] };
    expect(full(withRecords({ runs }, { catalog }))?.gaps).toEqual([
      { from: '2026-11-15T02:17:00.000Z', to: '2026-11-20T02:17:00.000Z', due: 5 },
    ]);
  });

  it('is not judged by what was not recorded yet, but a backup tells of its run', () => {
    const keys = facts.repository.keys.filter((key) => !key.startsWith('records/runs/'));
    const repository = { ...facts.repository, keys };
    const of = withRecords({ runs: [] }, { repository });
    expect(full(of)).toMatchObject({ due: 8, ran: 6, missed: 0, unjudged: 2, gaps: [] });
    expect(assembleEvidence(of).gaps).toContainEqual({
      ...{ kind: 'runs-not-recorded', from: '2026-11-13T00:00:00.000Z', to: '2026-11-20T12:00:00.000Z' },
      ...{ text: expect.stringContaining('No run is recorded'), evidence: [] },
    });
  });

  it('takes a run for one due time only', () => {
    const runs = [
      run('2026-11-14T02:17:00Z', 4, { backup: idOf('2026-11-14T02:17:00Z'), backupType: 'full' }),
    ];
    const catalog = { backups: [backup('2026-11-14T02:17:00Z')], damaged: [] };
    expect(full(withRecords({ runs }, { catalog }))).toMatchObject({ ran: 1, missed: 6 });
  });

  it('takes a capture that took a backup for both, also when the backup is gone', () => {
    const plan = production(planOf(policyText.replace('capture: false', "capture: '17 2 * * *'")));
    if (facts.policy === undefined) throw new Error('the week has a policy');
    const period = { from: new Date('2026-11-14T00:00:00Z'), to: new Date('2026-11-15T00:00:00Z') };
    const time = '2026-11-14T02:20:00Z';
    const runs = [run(time, 4, { operation: 'capture', backup: idOf(time), backupType: 'full' })];
    for (const backups of [[], [backup(time)]]) {
      const catalog = { backups, damaged: [] };
      const of = withRecords({ runs }, { period, policy: { ...facts.policy, plan }, catalog });
      const judged = assembleEvidence(of).schedule?.jobs ?? [];
      for (const kind of ['full', 'capture'])
        expect(judged.find(({ job }) => job === kind)).toMatchObject({ due: 1, ran: 1 });
    }
  });

  it('takes a full backup for what was due as one, and for an incremental one only where no full one was due', () => {
    const plan = production(planOf(policyText.replace('incremental: false', "incremental: '0 9,17 * * *'")));
    if (facts.policy === undefined) throw new Error('the week has a policy');
    const policy = { ...facts.policy, plan };
    const period = { from: new Date('2026-11-14T00:00:00Z'), to: new Date('2026-11-16T00:00:00Z') };
    // On the first day the evening's is missing, on the second the morning's has read everything.
    const taken = [
      ['2026-11-14T02:20:00Z', 'full'],
      ['2026-11-14T09:02:00Z', 'incremental'],
      ['2026-11-15T02:20:00Z', 'full'],
      ['2026-11-15T09:02:00Z', 'full'],
      ['2026-11-15T17:02:00Z', 'incremental'],
    ] as const;
    const runs = taken.map(([time, backupType]) => run(time, 4, { backup: idOf(time), backupType }));
    const catalog = { backups: [], damaged: [] };
    const of = withRecords({ runs }, { period, policy, catalog });
    const judged = assembleEvidence(of).schedule?.jobs ?? [];
    expect(judged.find(({ job }) => job === 'full')).toMatchObject({ due: 2, ran: 2 });
    expect(judged.find(({ job }) => job === 'incremental')).toMatchObject({
      ...{ due: 4, ran: 3 },
      gaps: [{ from: '2026-11-14T17:00:00.000Z', to: '2026-11-15T09:00:00.000Z', due: 1 }],
    });
  });

  it('finds the one that is missing among many', () => {
    const quarter = 15 * 60_000;
    const period = { from: new Date('2026-11-13T00:00:00Z'), to: new Date('2026-11-16T00:00:00Z') };
    const runs = Array.from({ length: 4 * 96 }, (_, index) => period.from.getTime() + index * quarter)
      .filter((time) => time !== Date.parse('2026-11-14T12:15:00Z'))
      .map((time) => run(new Date(time + 40_000).toISOString(), 1, { operation: 'capture' }));
    const plan = production(planOf(policyText.replace('capture: false', "capture: '*/15 * * * *'")));
    if (facts.policy === undefined) throw new Error('the week has a policy');
    const of = withRecords({ runs }, { period, policy: { ...facts.policy, plan } });
    expect(assembleEvidence(of).schedule?.jobs.find(({ job }) => job === 'capture')).toMatchObject({
      ...{ due: 288, ran: 287, missed: 1 },
      gaps: [{ from: '2026-11-14T12:15:00.000Z', to: '2026-11-14T12:30:00.000Z', due: 1 }],
    });
  });

  it('is not judged without a policy, and that is a gap', () => {
    const without = makeFacts({ policy: undefined });
    expect(assembleEvidence(without).schedule).toBeNull();
    expect(kindsOf(without)).toContain('no-policy');
  });
});

describe('backups', () => {
  it('that are stored, removed and gone are all of the period', () => {
    const { total, stored, removed, gone } = evidence.backups;
    expect([total, stored.length, removed.length, gone.length]).toEqual([7, 6, 1, 0]);
    expect([...stored, ...removed].map(({ id }) => id).sort()).toEqual(madeAt.map((time) => idOf(time)));
    expect(removed).toMatchObject([{ evidence: `records/prunes/${prune.id}.json` }]);
    expect(stored.map(({ madeBy }) => madeBy)).not.toContain(null);
  });

  it('that no cleanup has removed and that are gone are named, with the records that name them', () => {
    const backups = facts.catalog.backups.filter(({ id }) => id !== drill.content.backup);
    const of = makeFacts({ catalog: { backups, damaged: [] } });
    const { gone } = assembleEvidence(of).backups;
    expect(gone).toHaveLength(1);
    expect(gone[0]?.id).toBe(drill.content.backup);
    expect(gone[0]?.evidence).toEqual([
      `records/drills/${drill.id}.json`,
      `records/prunes/${prune.id}.json`,
      `records/restores/${restore.id}.json`,
      'records/runs/20261118T022100Z-0000000000000000.json',
      'records/runs/20261118T052100Z-0000000000000000.json',
      'records/runs/20261119T100700Z-0000000000000000.json',
    ]);
    expect(kindsOf(of)).toContain('vanished-backups');
  });

  it('that ought to be gone are named: those that the last cleanup should have removed', () => {
    expect(evidence.disposal.overdue).toMatchObject([{ id: idOf('2026-11-14T02:17:00Z') }]);
    const early = { ...prune, at: new Date('2026-11-19T06:00:00Z') };
    expect(assembleEvidence(makeFacts({ lastPrune: early })).disposal.overdue).toEqual([]);
    const never = assembleEvidence(
      makeFacts({ lastPrune: undefined, now: new Date('2026-11-30T12:00:00Z') }),
    );
    expect(never.disposal.overdue).toMatchObject([{ id: idOf('2026-11-14T02:17:00Z') }]);
  });

  it('that are not encrypted are counted and named', () => {
    const sha256 = '0'.repeat(64);
    const plain = [
      idOf('2026-11-20T02:17:00Z'),
      { sha256, encryption: { scheme: 'none' as const } },
    ] as const;
    const of = makeFacts({ manifests: new Map([...facts.manifests, plain]) });
    expect(assembleEvidence(of).encryption).toMatchObject({ encrypted: 5, unencrypted: 1, unknown: 1 });
    expect(kindsOf(of)).toContain('unencrypted-backups');
    expect(kindsOf(facts)).not.toContain('unencrypted-backups');
  });
});

describe('a backup that a gate has taken', () => {
  it('is made by that run, and stands for what was due', () => {
    const taken = backup('2026-11-19T08:00:00Z');
    const gate = run('2026-11-19T07:59:00Z', 6, { operation: 'gate', backup: taken.id });
    const of = withRecords(
      { runs: [...facts.records.runs, gate] },
      { catalog: { backups: [...facts.catalog.backups, taken], damaged: [] } },
    );
    const { backups, schedule } = assembleEvidence(of);
    expect(backups.stored.find(({ id }) => id === taken.id)?.madeBy).toBe(`records/runs/${gate.id}.json`);
    expect(schedule?.jobs[0]).toMatchObject({ job: 'full', ran: 8, missed: 0 });
  });
});

describe('retention', () => {
  it('is that of the policy, or of the last cleanup where there is no policy', () => {
    expect(evidence.disposal.rules).toEqual({
      text: 'daily=5 verified=3',
      timeZone: 'UTC',
      source: 'policy',
    });
    const without = assembleEvidence(makeFacts({ policy: undefined })).disposal;
    expect(without.rules).toEqual({ text: 'daily=5 verified=3', timeZone: 'UTC', source: 'last cleanup' });
    expect(without.overdue).toEqual(evidence.disposal.overdue);
    const nothing = assembleEvidence(makeFacts({ policy: undefined, lastPrune: undefined })).disposal;
    expect(nothing).toMatchObject({ rules: null, overdue: [] });
  });

  it('has its totals from the cleanups', () => {
    expect(evidence.disposal.totals).toEqual({ cleanups: 1, backups: 1, objects: 12, bytes: 9_400_000 });
    expect(evidence.disposal.cleanups).toMatchObject([{ actor: 'mona', retained: 1, hiddenBytes: 0 }]);
  });
});

describe('recoveries', () => {
  it.each([
    [15, 14, 'met'],
    [15, 15, 'met'],
    [15, 16, 'not met'],
    [undefined, 16, 'no target'],
    [null, 16, 'no target'],
    [15, null, 'not measured'],
    [undefined, null, 'not measured'],
  ] as const)('with the target %s and %s measured are %s', (target, measured, verdict) => {
    expect(judge(target, measured)).toEqual({ target: target ?? null, measured, verdict });
  });

  it('are judged by the target of then, which the record of a drill has, or else by that of now', () => {
    const rtoOf = (content: Partial<typeof drill.content>, targets = facts.targets) => {
      const drills = [{ ...drill, content: { ...drill.content, ...content } }];
      return assembleEvidence(withRecords({ drills }, { targets })).drills[0]?.rto;
    };
    expect(rtoOf({ rtoTarget: 3_600_000 })).toMatchObject({ target: 3_600_000, verdict: 'met' });
    expect(rtoOf({ rtoTarget: null })).toMatchObject({ verdict: 'no target' });
    expect(rtoOf({ rtoTarget: undefined })).toMatchObject({ target: 900_000, verdict: 'not met' });
    expect(rtoOf({ recovery: null })).toMatchObject({ verdict: 'not measured' });
  });

  it('name who did it, by the run that was under way, and nobody where two were', () => {
    expect(evidence.drills[0]).toMatchObject({
      actor: 'mona',
      recordedRun: expect.stringContaining('T052100Z'),
    });
    const other = run('2026-11-18T05:00:00Z', 30, { operation: 'drill', backup: drill.content.backup });
    const two = assembleEvidence(withRecords({ runs: [...facts.records.runs, other] }));
    expect(two.drills[0]).toMatchObject({ actor: null, run: null, recordedRun: null });
    const elsewhere = run('2026-11-18T05:00:00Z', 30, {
      operation: 'drill',
      backup: idOf('2026-11-17T02:17:00Z'),
    });
    const beside = assembleEvidence(withRecords({ runs: [...facts.records.runs, elsewhere] }));
    expect(beside.drills[0]?.actor).toBe('mona');
  });

  it('in a restore that tries backups elsewhere first are of that restore', () => {
    const tried = record<'drills'>('2026-11-19T10:04:00Z', { ...drill.content, recovery: 60_000 });
    expect(assembleEvidence(withRecords({ drills: [tried] })).drills[0]).toMatchObject({
      ...{ actor: 'hubot', recordedRun: 'records/runs/20261119T100700Z-0000000000000000.json' },
    });
  });

  it('lose what was committed since the backup, or since the time that was recovered', () => {
    expect(evidence.drills[0]?.rpo.measured).toBe(163 * 60_000);
    const recoveredTo = '2026-11-18T04:59:00.000000Z';
    const drills = [{ ...drill, content: { ...drill.content, recoveredTo } }];
    expect(assembleEvidence(withRecords({ drills })).drills[0]?.rpo.measured).toBe(60_000);
  });

  it('that failed are a gap until one passes', () => {
    const failed = record<'drills'>('2026-11-17T05:20:00Z', {
      ...drill.content,
      outcome: 'failed',
      why: 'parity',
    });
    const of = assembleEvidence(withRecords({ drills: [failed, drill] }));
    expect(of.drills[0]?.nextPassed?.evidence).toBe(`records/drills/${drill.id}.json`);
    expect(of.gaps).toContainEqual(
      expect.objectContaining({ kind: 'failed-drill', to: drill.at.toISOString() }),
    );
    expect(kindsOf(withRecords({ drills: [failed] }))).toContain('no-drill');
  });

  it('of a restore are approved by whom GitHub names, or it is told that nobody is known', () => {
    expect(evidence.restores).toMatchObject([
      { actor: 'hubot', approvals: [{ by: 'octocat', state: 'approved' }], rto: { measured: 300_000 } },
    ]);
    expect(kindsOf(facts)).not.toContain('unapproved-restore');
    expect(kindsOf(makeFacts({ approvals: new Map() }))).toContain('unapproved-restore');
  });
});

describe('gaps', () => {
  it('of a week are these', () => {
    expect(kindsOf(facts)).toEqual([
      'missed-schedule',
      'open-failure',
      'objective-not-met',
      'overdue-disposal',
    ]);
  });

  it('of a repository without anything are all that it lacks', () => {
    const records = { runs: [], drills: [], restores: [], prunes: [], validations: [], pins: [] };
    const empty = makeFacts({
      ...{ records, catalog: { backups: [], damaged: [] }, manifests: new Map(), newest: undefined },
      ...{ policy: undefined, lastPrune: undefined, repository: { ...facts.repository, keys: [] } },
      unreadable: [{ key: 'records/runs/20261118T022100Z-0000000000000000.json', message: 'no seal' }],
      period: { from: new Date('2026-11-01T00:00:00Z'), to: new Date('2026-12-01T00:00:00Z') },
    });
    expect(kindsOf(empty)).toEqual([
      ...['no-backups', 'unreadable-evidence', 'no-drill', 'no-validation', 'no-cleanup'],
      ...['objective-not-measured', 'no-policy', 'runs-not-recorded', 'period-not-over'],
    ]);
  });

  it('tell that there was no repository yet, and since when its runs are recorded', () => {
    const createdAt = new Date('2026-11-14T02:17:20Z');
    const later = facts.records.runs.filter(({ at }) => at > createdAt);
    const gapsOf = (runs: Records['runs'], keys: readonly string[]) =>
      assembleEvidence(withRecords({ runs }, { repository: { ...facts.repository, createdAt, keys } }))
        .gaps.filter(({ kind }) => ['no-repository', 'runs-not-recorded'].includes(kind))
        .map(({ kind, from, to }) => [kind, from, to]);
    const keysOf = (runs: Records['runs']) => runs.map(({ id }) => `records/runs/${id}.json`);
    const absent = ['no-repository', '2026-11-13T00:00:00.000Z', '2026-11-14T02:17:20.000Z'];
    expect(gapsOf(later, keysOf(later))).toEqual([absent]);
    const latest = later.slice(1);
    expect(gapsOf(latest, keysOf(latest))).toEqual([
      absent,
      ['runs-not-recorded', '2026-11-14T02:17:20.000Z', '2026-11-15T02:17:00.000Z'],
    ]);
    expect(kindsOf(facts)).not.toContain('no-repository');
  });

  it('tell damage that a validation has found', () => {
    const damaged = record<'validations'>('2026-11-17T03:00:00Z', {
      share: 1,
      backups: [{ id: idOf('2026-11-17T02:17:00Z'), outcome: 'damaged', opened: false, part: 'objects' }],
      damagedObjects: ['a'.repeat(64)],
    });
    expect(assembleEvidence(withRecords({ validations: [damaged] })).gaps).toContainEqual(
      expect.objectContaining({
        kind: 'damaged-backups',
        evidence: [`records/validations/${damaged.id}.json`],
      }),
    );
  });

  it.each([
    [{ damagedSegments: [{ key: damagedChanges, part: 'contents' as const }] }, damagedChanges],
    [{ damagedObjects: ['a'.repeat(64)] }, '1 object of captured changes'],
  ])('tell damage of captured changes that a validation has found: %j', (content, named) => {
    const backups = [{ id: idOf('2026-11-17T02:17:00Z'), outcome: 'passed' as const, opened: true }];
    const damaged = record<'validations'>('2026-11-17T03:00:00Z', {
      ...{ share: 1, backups, damagedObjects: [] },
      ...content,
    });
    expect(assembleEvidence(withRecords({ validations: [damaged] })).gaps).toContainEqual(
      expect.objectContaining({
        kind: 'damaged-backups',
        text: `A validation found damage in ${named}.`,
        evidence: [`records/validations/${damaged.id}.json`],
      }),
    );
  });

  it('are told once where a time has not come yet', () => {
    const period = { from: new Date('2026-11-13T00:00:00Z'), to: new Date('2026-12-01T00:00:00Z') };
    const { gaps, header } = assembleEvidence(makeFacts({ period }));
    expect(header.period.isOver).toBe(false);
    expect(gaps.at(-1)).toMatchObject({ kind: 'period-not-over', from: now.toISOString() });
  });
});
