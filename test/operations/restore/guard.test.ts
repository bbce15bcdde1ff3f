import { describe, expect, it } from 'vitest';
import { parseInputs } from '../../../src/interface/inputs/parse.ts';
import type { RestoreInputs } from '../../../src/interface/inputs/types.ts';
import { findRefusals, needsSafetyBackup } from '../../../src/operations/restore/guard.ts';
import { describeReason, findReasons } from '../../../src/operations/restore/reasons.ts';
import { isWorthKeeping, type TargetState } from '../../../src/operations/restore/target-state.ts';
import { makeManifest } from '../../repository/example.ts';
import { makeState } from './example.ts';

/* What a restore asks for, by what its target is and holds. */

const manifest = makeManifest();
const { database, systemIdentifier } = manifest.source;

function makeInputs(overrides: Partial<RestoreInputs> = {}): RestoreInputs {
  const given: Record<string, string> = {
    operation: 'restore',
    storage: './repository',
    'target-url': 'postgresql://someone@127.0.0.1/target',
  };
  const inputs = parseInputs((name) => given[name], {});
  if (inputs.operation !== 'restore' || inputs.managed) throw new Error('other inputs than those given');
  return { ...inputs, ...overrides };
}

const full = { existing: ['table public.t'], tables: 1, rows: 5 };
const mark = {
  backup: '20261120T021700Z-7f3a',
  startedAt: '2026-11-20T02:17:00.000Z',
  startedBy: 'octocat',
  step: 'Definitions',
  stepName: 'definitions' as const,
  wasEmpty: true,
  safetyBackup: null,
  databaseOid: 5,
};

/** The inputs that are asked for, in order. */
const ask = (inputs: Partial<RestoreInputs>, state: Partial<TargetState>): string[] =>
  findRefusals(makeInputs(inputs), manifest, makeState(state)).map(
    ({ message }) => /^[a-z-]+/.exec(message)?.[0] ?? '',
  );

describe('the guard of a restore', () => {
  it.each([
    ['of another database, of which this is a copy', { databaseOid: 6 }, {}],
    ['of an older version, which does not say of which database', { databaseOid: undefined }, {}],
    ['that is older than a day', {}, { now: Date.parse('2026-11-21T03:00:00Z') }],
    ['from the future', {}, { now: Date.parse('2026-11-20T01:00:00Z') }],
    ['of a restore that had everything but its comparison', { stepName: 'comparing' as const }, {}],
  ])('holds what is there worth keeping under a mark %s', (_, about, when) => {
    const state = { ...full, mark: { ...mark, ...about } as TargetState['mark'], ...when };
    expect(isWorthKeeping(makeState(state))).toBe(true);
    expect(isWorthKeeping(makeState({ ...full, mark }))).toBe(false);
  });

  it.each<[string, Partial<RestoreInputs>, Partial<TargetState>, string[]]>([
    ['an empty database of nobody', {}, {}, []],
    ['an empty project', {}, { kind: 'supabase-project' }, []],
    ['what was backed up, empty', {}, { database, systemIdentifier }, ['confirm']],
    ['a database of the same name elsewhere', {}, { database }, []],
    ['another database of the same server', {}, { systemIdentifier, databaseOid: 6 }, []],
    ['what was backed up, under another name', {}, { systemIdentifier }, ['confirm']],
    ['production', { environment: 'PRODuction' }, {}, ['confirm']],
    ['production, confirmed', { environment: 'production', confirmed: true }, {}, []],
    ...['staging', 'shop-staging', 'Test', 'test_2', 'dev', 'Preview 12', 'local', 'development'].map(
      (environment): [string, Partial<RestoreInputs>, Partial<TargetState>, string[]] => [
        environment,
        { environment },
        {},
        [],
      ],
    ),
    ...[
      ...[
        'production-restore',
        'prod',
        'Live',
        'live-test',
        'staging-of-production',
        'shop',
        'restore',
        'attest',
      ],
      ...['devon', 'latest', 'main'],
    ].map((environment): [string, Partial<RestoreInputs>, Partial<TargetState>, string[]] => [
      environment,
      { environment },
      {},
      ['confirm'],
    ]),
    ['a full database', {}, full, ['target-url']],
    ['a full database, confirmed', { confirmed: true }, full, ['target-url']],
    ['a full database to be emptied', { clean: true }, full, ['safety-storage']],
    ['a full one with a place', { clean: true, safetyStorage: './safety' }, full, []],
    ['a full one without a safety backup', { clean: true, safetyBackup: false }, full, []],
    ['what was backed up, full', { clean: true }, { ...full, database, systemIdentifier }, ['confirm']],
    [
      'a full project',
      { clean: true, safetyBackup: false },
      { ...full, kind: 'supabase-project' },
      ['confirm'],
    ],
    [
      'a full project, taken for a plain server',
      { clean: true, safetyBackup: false },
      { ...full, found: 'supabase-project' },
      ['confirm'],
    ],
    ['a full image', { clean: true, safetyBackup: false }, { ...full, kind: 'supabase-image' }, []],
    ['an unfinished one', {}, { mark }, ['target-url']],
    ['an unfinished one that was empty', { clean: true }, { ...full, mark }, []],
    ['an unfinished project that was empty', { clean: true }, { mark, kind: 'supabase-project' }, []],
    [
      'an unfinished one that was not',
      { clean: true },
      { mark: { ...mark, wasEmpty: false }, kind: 'supabase-project' },
      ['confirm', 'safety-storage'],
    ],
  ])('asks for what is due: %s', (_what, inputs, state, expected) => {
    expect(ask(inputs, state)).toEqual(expected);
  });

  it('takes a safety backup of what would be lost, and of nothing else', () => {
    const takes = (inputs: Partial<RestoreInputs>, state: Partial<TargetState>) =>
      needsSafetyBackup(makeInputs({ clean: true, ...inputs }), makeState(state));
    expect(takes({}, full)).toBe(true);
    expect(takes({}, { mark: { ...mark, wasEmpty: false } })).toBe(true);
    expect(takes({}, {})).toBe(false);
    expect(takes({}, { ...full, mark })).toBe(false);
    expect(takes({ safetyBackup: false }, full)).toBe(false);
    expect(takes({ clean: false }, full)).toBe(false);
  });

  it('gives every reason, and says what would be lost', () => {
    const state = makeState({ ...full, database, systemIdentifier, kind: 'supabase-project' });
    const inputs = makeInputs({ environment: 'production', clean: true });
    const reasons = findReasons(inputs, manifest, state);
    expect(reasons).toHaveLength(3);
    expect(reasons).toEqual([
      { kind: 'source' },
      { kind: 'environment', name: 'production' },
      { kind: 'project in use' },
    ]);
    const [refusal] = findRefusals(inputs, manifest, state);
    expect(refusal?.message).toMatch(/its 1 table with about 5 rows would be replaced/);
    expect(refusal?.message).toContain(reasons.map(describeReason).join(', '));
    expect(refusal?.next).toContain('RESTORE PRODUCTION');
  });

  it('names what an unfinished restore left, and where that is kept which was there before', () => {
    const safetyBackup = '20261120T021600Z-0001';
    const [refusal] = findRefusals(
      makeInputs(),
      manifest,
      makeState({ ...full, mark: { ...mark, safetyBackup } }),
    );
    expect(refusal?.message).toMatch(
      new RegExp(
        `a restore of backup ${mark.backup}, .* by octocat, .* "Definitions" \\(.*${safetyBackup}\\), table`,
      ),
    );
  });
});
