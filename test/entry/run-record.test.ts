import { describe, expect, it } from 'vitest';
import { toFailure } from '../../src/entry/process/failure.ts';
import type { End } from '../../src/entry/run-end.ts';
import { describeRun, recordRun } from '../../src/entry/run-record.ts';
import { parseInputs } from '../../src/interface/inputs/parse.ts';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import type { Outcome } from '../../src/interface/outcome.ts';
import { SourceError } from '../../src/runtime/errors.ts';
import { toolVersion } from '../../src/runtime/version.ts';
import type { SlotLook } from '../../src/values/slot-look.ts';
import { createContext } from '../support/context.ts';

const facts = { startedAt: new Date('2026-11-20T02:10:00Z'), slot: undefined };
const { signal } = new AbortController();

type Described = Parameters<typeof describeRun>[1];
const parse = (given: Partial<Record<InputName, string>>) =>
  parseInputs((name) => ({ storage: './backups', ...given })[name], {}) as Described;

const inputs = parse({ operation: 'backup', 'database-url': 'postgresql://u:p@h/d' });
const machine = createContext({ env: { GITHUB_ACTOR: 'octocat' } });
const runner = createContext({
  env: {
    GITHUB_ACTIONS: 'true',
    GITHUB_ACTOR: 'octocat',
    GITHUB_REPOSITORY: 'o/r',
    GITHUB_RUN_ID: '7',
    GITHUB_RUN_ATTEMPT: '2',
    RUNNER_ENVIRONMENT: 'github-hosted',
  },
  redact: (text) => text.replaceAll('hunter2', '***'),
});

const outcome = (
  exitCode: 0 | 3,
  outputs: Record<string, string | number>,
  taken?: Outcome['taken'],
): End => ({
  outcome: { exitCode, outputs, report: [], ...(taken && { taken }) },
});
const taken = {
  ...{ type: 'incremental', rows: 12, bytes: 300, storedBytes: 40, newBytes: 5, objects: 2 },
  phases: { copy: 7 },
};

describe('the record of a run', () => {
  it('has what a backup came to', () => {
    const outputs = {
      ...{ 'backup-id': '20261120T021100Z-0c5e', 'backup-type': 'incremental', rows: 12, bytes: 300 },
      ...{ 'stored-bytes': 40, 'new-bytes': 5, objects: 2, 'reused-share': 0.5 },
    };
    expect(describeRun(outcome(0, outputs, taken), inputs, facts, machine)).toEqual({
      ...{ operation: 'backup', startedAt: '2026-11-20T02:10:00.000Z', endedAt: '2026-11-20T02:17:00.000Z' },
      ...{ outcome: 'done', exitCode: 0, failure: null },
      ...{ backup: '20261120T021100Z-0c5e', backupType: 'incremental' },
      ...{ rows: 12, bytes: 300, storedBytes: 40, newBytes: 5, objects: 2, phases: { copy: 7 } },
      ...{ actor: 'octocat', run: null, version: toolVersion, host: 'machine' },
    });
  });

  it('has the backup that another operation took, and none where it only names one', () => {
    const database = { 'database-url': 'postgresql://u:p@h/d' };
    const backup = '20261120T021100Z-0c5e';
    const figures = { rows: 12, bytes: 300, storedBytes: 40, objects: 2, phases: { copy: 7 } };
    const capture = parse({ operation: 'capture', ...database });
    const captured = outcome(0, { 'backup-id': backup, 'new-bytes': 9 }, taken);
    expect(describeRun(captured, capture, facts, machine)).toMatchObject({
      ...{ operation: 'capture', backup, backupType: 'incremental', newBytes: 9, ...figures },
    });
    const gate = parse({ operation: 'gate', ...database });
    expect(describeRun(outcome(0, { 'backup-id': backup }, taken), gate, facts, machine)).toMatchObject({
      ...{ operation: 'gate', backup, backupType: 'incremental', newBytes: 5, ...figures },
    });
    expect(describeRun(outcome(0, { 'backup-id': backup }), gate, facts, machine)).toMatchObject({
      ...{ backup, backupType: null, newBytes: undefined, phases: undefined },
    });
  });

  it('has why one failed, without secrets, and where it ran', () => {
    const cause = Object.assign(new Error('x'), { code: '28P01' });
    const error = new SourceError(
      'refused: hunter2',
      `Give another than hunter2. ${'x'.repeat(9000)}`,
      cause,
    );
    const end = { failure: toFailure(error, signal), error };
    const record = describeRun(end, inputs, facts, runner);
    expect(record).toMatchObject({
      ...{ outcome: 'failed', exitCode: 1, backup: null, backupType: 'full', rows: undefined },
      failure: { class: 'SourceError/authentication', message: 'refused: ***' },
      run: { url: 'https://github.com/o/r/actions/runs/7', attempt: 2 },
      host: 'github-hosted',
    });
    expect(record.failure?.next).toHaveLength(4000);
    expect(JSON.stringify(record)).not.toContain('hunter2');
  });

  it('has the class of an answer that is no', () => {
    const drill = parse({ operation: 'drill', 'target-url': 'postgresql://u:p@h/d' });
    const end = outcome(3, { drill: 'failed', parity: 'different', 'backup-id': '' });
    expect(describeRun(end, drill, facts, machine)).toMatchObject({
      ...{ operation: 'drill', outcome: 'no', exitCode: 3, backup: null, backupType: null },
      failure: { class: 'parity', message: 'the backup failed its drill, or took too long', next: null },
    });
  });

  it('has what the run has seen of the slot of captures, and nothing of it when it has not looked', () => {
    const state = {
      ...{ name: 'supabase_backup_0123abcd', retainedBytes: 12, safeBytes: -3, isActive: false },
      walStatus: 'unreserved' as const,
    };
    const at = new Date('2026-11-20T02:11:00Z');
    const recorded = (slot: SlotLook | undefined) =>
      describeRun(outcome(0, {}), inputs, { ...facts, slot }, machine).slot;
    const noted = { ...state, confirmed: '0/16B3748', unusable: false };
    expect(recorded({ at, state: noted })).toEqual({ at: at.toISOString(), state });
    expect(recorded({ at, state: null })).toEqual({ at: at.toISOString(), state: null });
    expect(recorded(undefined)).toBeUndefined();
  });

  it('passes over an output that is no number or no id', () => {
    const end = outcome(0, { 'backup-id': 'latest', rows: 1.5, bytes: -1, objects: 'many' });
    expect(describeRun(end, inputs, facts, machine)).toMatchObject({
      ...{ backup: null, rows: undefined, bytes: undefined, objects: undefined },
    });
  });
});

describe('where a run cannot be recorded', () => {
  async function debugOf(given: Partial<Record<InputName, string>>): Promise<string[]> {
    const told: string[] = [];
    const log = { ...createContext().log, debug: (message: string) => void told.push(message) };
    const context = createContext({ env: {}, now: () => new Date(), log: log as never });
    const run = { inputs: parse(given), ...facts, opened: new Map() };
    await recordRun(outcome(0, {}), run, context);
    return told;
  }

  it.each([
    ['there is no repository', './nowhere', 'there is no repository at ./nowhere'],
    ['it is in an artifact', 'artifact://shelf', 'an artifact is written once'],
    ['the storage cannot be reached', 's3://bucket/shelf', ''],
  ])('because %s, a debug line says so', async (_what, storage, why) => {
    const s3 = { 's3-endpoint': 'http://127.0.0.1:1', 's3-region': 'auto' };
    const database = { 'database-url': 'postgresql://u:p@h/d' };
    const told = await debugOf({ operation: 'backup', storage, ...database, ...(why === '' ? s3 : {}) });
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('this run is not in the records of its repository: ');
    expect(told[0]).toContain(why);
  });

  it('although it has opened its repository, a warning says so', async () => {
    const [told, unsaid] = [[] as string[], [] as string[]];
    const log = {
      ...createContext().log,
      debug: (message: string) => void unsaid.push(message),
      warn: (message: string) => void told.push(message),
    };
    const context = createContext({ env: {}, now: () => new Date(), log: log as never });
    const given = { operation: 'cleanup', storage: './nowhere', retention: 'last=3' } as const;
    const run = { inputs: parse(given), ...facts, opened: new Map([['elsewhere', Buffer.from('{}')]]) };
    await recordRun(outcome(0, {}), run, context);
    expect(told).toEqual([expect.stringContaining('this run is not in the records of its repository: ')]);
    expect(unsaid).toEqual([]);
  });

  it.each<Partial<Record<InputName, string>>>([
    { operation: 'status' },
    { operation: 'list' },
    { operation: 'cleanup', retention: 'last=3', 'dry-run': 'true' },
  ])('because it only looks (%j), nothing is said', async (given) => {
    expect(await debugOf({ storage: './nowhere', ...given })).toEqual([]);
  });
});
