import { describe, expect, it } from 'vitest';
import { describeRestore } from '../../../src/operations/restore/report.ts';
import {
  findShortfalls,
  type NonePassed,
  type PlannedRestore,
  type Restored,
  type RestoreResult,
  type Shortfall,
} from '../../../src/operations/restore/result.ts';
import type { Omission } from '../../../src/parity/scope.ts';
import { renderText } from '../../../src/report/text.ts';
import type { RestoreScope } from '../../../src/restorer/scope.ts';
import type { Attempt } from '../../../src/restorer/trial/attempt.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { makeLine, makeParity, makeScope, makeSupplement } from '../../parity/example.ts';
import { makeManifest } from '../../repository/example.ts';
import { makeState } from './example.ts';

const manifest = makeManifest();
const state = makeState();
const scope: RestoreScope = {
  ...makeScope({ tables: manifest.tables }),
  ...{ manifest, target: state.target, supplement: makeSupplement(), notes: [] },
};
const attempt: Attempt = {
  ...{ manifest, backup: manifest.id, until: undefined, phases: { total: 5000 }, recovery: 4000 },
  ...{ parity: makeParity(), notCarried: [], notes: [], checks: [], command: undefined, failure: undefined },
};

const planned: PlannedRestore = {
  ...{ kind: 'planned', manifest, state, scope, elapsed: 1234 },
  ...{
    foreseen: [],
    reasons: [],
    isStaged: false,
    safetyStorage: undefined,
    refusals: [],
    recovery: undefined,
    rootKey: { kind: 'unneeded' },
  },
};
const restored: Restored = {
  ...{ kind: 'restored', manifest, state, scope, elapsed: 1234, phases: { preflight: 100, total: 1234 } },
  ...{ attempts: undefined, safetyBackup: undefined, left: [], ungiven: [], checks: [], usableAfter: 1000 },
  parity: makeParity(),
  rootKey: { kind: 'unneeded' },
};
const nonePassed: NonePassed = {
  ...{ kind: 'none-passed', manifest, state, elapsed: 1234 },
  attempts: [{ ...attempt, failure: { kind: 'damage', message: 'object x: it is missing' } }],
};

const textOf = (result: RestoreResult) => renderText(describeRestore(result).report);
const omission: Omission = { what: 'index public.i', why: 'the server refused it', remedy: 'Make it.' };

describe('the report of a restore', () => {
  const figures = { 'backup-id': manifest.id, tables: 1, rows: 3, 'duration-seconds': 1.2 };
  it.each<[string, RestoreResult, 0 | 3, Record<string, unknown>]>([
    ['a plan', planned, 0, { ...figures, parity: 'skipped', attempts: 0, 'safety-backup-id': '' }],
    ['a restore', restored, 0, { ...figures, parity: 'equal', attempts: 1, 'safety-backup-id': '' }],
    ['one that compared nothing', { ...restored, parity: undefined }, 0, { parity: 'skipped' }],
    ['one that was tried before', { ...restored, attempts: [attempt, attempt] }, 0, { attempts: 2 }],
    ['what no backup passed for', nonePassed, 3, { 'backup-id': '', parity: 'skipped', attempts: 1 }],
  ])('ends %s with its exit code and its outputs', (_what, result, exitCode, outputs) => {
    expect(describeRestore(result)).toMatchObject({
      exitCode,
      outputs: { ...outputs, 'target-kind': 'plain' },
    });
  });

  const different = makeParity({ tables: [makeLine({ status: 'different' })] });
  it.each<[Shortfall, Partial<Restored>]>([
    ['different', { parity: different }],
    ['lost', { scope: { ...scope, notCarried: [{ ...omission, lost: true }] } }],
    ['not given back', { ungiven: [omission] }],
    ['checks', { checks: [{ sql: 'SELECT 1 > 2', passed: false, answer: 'false' }] }],
  ])('says no to what is: %s', (shortfall, about) => {
    const result = { ...restored, ...about };
    expect(findShortfalls(result)).toEqual([shortfall]);
    expect(describeRestore(result).exitCode).toBe(3);
    expect(findShortfalls(restored)).toEqual([]);
  });

  it('is no no where a server was only asked for less, or the comparison tells', () => {
    const notCarried: Omission[] = [omission, { ...omission, lost: 'unless equal' }];
    expect(describeRestore({ ...restored, scope: { ...scope, notCarried } }).exitCode).toBe(0);
  });
});

it('says before a restore what it would be asked for, and what would come first', () => {
  const text = textOf({
    ...planned,
    reasons: [{ kind: 'renamed source', before: 'shop' }, { kind: 'project in use' }],
    isStaged: true,
    safetyStorage: './safety',
    refusals: [new ConfigurationError('confirm: words are missing', 'Type them.')],
  });
  for (const told of [
    'has to be confirmed: it is the database that was backed up, which was then named shop, it is a Supabase project that is not empty.',
    'It would be tried on staging first.',
    'The target would be backed up to ./safety before anything is removed.',
    'Missing: confirm: words are missing. Type them.',
    'Nothing was changed.',
  ]) {
    expect(text).toContain(told);
  }
  expect(textOf(planned)).not.toMatch(/confirmed|staging|backed up to|Missing/);
});

it('says where the backup of the target is, and what could not be removed or given back', () => {
  const text = textOf({
    ...restored,
    safetyBackup: { id: '20261120T021600Z-0001', storage: './safety' },
    left: [{ ...omission, what: 'schema kept' }],
    ungiven: [{ ...omission, what: 'view public.v' }],
  });
  expect(text).toContain('20261120T021600Z-0001, pinned, in ./safety');
  expect(text).toMatch(
    /could not be removed:[\s\S]*schema kept[\s\S]*are not as they were:[\s\S]*view public\.v/,
  );
});

it('tells a damaged backup from a sound one of which a check says no', () => {
  expect(textOf(nonePassed)).toMatch(/: NOT RESTORED\n=+\n\nNo backup passed on staging/);
  const checks = [{ sql: 'SELECT 1 > 2', passed: false, answer: 'false' }];
  const sound = textOf({ ...nonePassed, attempts: [{ ...attempt, checks }] });
  expect(sound).toContain(
    `Backup ${manifest.id} was restored on staging and is identical to the source, but 1 of 1 checks failed`,
  );
  expect(sound).toContain('0 of 1 check passed.');
});
