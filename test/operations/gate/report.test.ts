import { describe, expect, it } from 'vitest';
import type { GateInputs } from '../../../src/interface/inputs/types.ts';
import { describeGate, type GateResult } from '../../../src/operations/gate/report.ts';
import { renderText } from '../../../src/report/text.ts';
import { makeManifest } from '../../repository/example.ts';

const tell = (overrides: Partial<GateResult> = {}) =>
  describeGate({
    inputs: { storage: 's3://bucket/it is', s3Region: 'auto' } as GateInputs,
    decision: { kind: 'pass' },
    taken: undefined,
    manifest: makeManifest({ notCarried: [{ what: 'rows of a', why: 'left out', remedy: 'Include them.' }] }),
    pinned: false,
    migrations: { kind: 'not-asked', why: 'there is no base-ref' },
    ages: { newest: 5500, verified: undefined, drilled: undefined },
    judged: [],
    elapsed: 1234,
    ...overrides,
  });
const id = makeManifest().id;

describe('the report of the gate', () => {
  it('tells the way back, with a command that a shell can read, and what is not in the backup', () => {
    const outcome = tell();
    expect(outcome).toMatchObject({
      exitCode: 0,
      outputs: {
        gate: 'passed',
        'backup-id': id,
        destructive: '',
        'age-seconds': 5,
        'duration-seconds': 1.2,
      },
    });
    const text = renderText(outcome.report);
    expect(text).toContain(
      `supabase-backup restore --storage 's3://bucket/it is' --s3-region auto --backup-id ${id} --clean\n`,
    );
    expect(text).toMatch(/rows of a +left out/);
    expect(text).toContain('not looked at: there is no base-ref.');
    expect(text).not.toContain('RESTORE PRODUCTION');
  });

  it('is never a yes when the backup that was taken found something wrong', () => {
    const plan = { choices: [], base: undefined, mismatches: ['public.a differs'] };
    const outcome = tell({
      decision: { kind: 'back-up', why: ['it was old'], pin: false },
      taken: { manifest: makeManifest(), plan, addedBytes: 0, elapsed: 0 },
    });
    expect(outcome).toMatchObject({ exitCode: 3, outputs: { gate: 'stopped', 'backup-id': id } });
    expect(renderText(outcome.report)).toContain('public.a differs');
  });

  it('names each place that destroys data, and asks for a pin where the backup has none', () => {
    const finding = { line: 3, what: 'TRUNCATE', words: 'TRUNCATE a', inside: 'do' } as const;
    const migrations = {
      kind: 'looked-at',
      base: 'main',
      files: ['1.sql', '2.sql'],
      destructive: [{ path: '2.sql', findings: [finding] }],
      passedOver: [{ path: '3.ts', why: 'not SQL' }],
    } as const;
    const outcome = tell({ migrations });
    expect(outcome.outputs.destructive).toBe('["2.sql"]');
    const text = renderText(outcome.report);
    expect(text).toContain('2 SQL migrations since main, of which 1 destroys data');
    expect(text).toMatch(/2\.sql:3 +TRUNCATE +TRUNCATE a +in a DO block/);
    expect(text).toMatch(/3\.ts +not SQL/);
    expect(text).toContain(`pin --backup-id ${id}`);
    expect(renderText(tell({ migrations, pinned: true }).report)).not.toContain('pin --backup-id');
  });

  it('of a release that is stopped says what is missing, with or without a backup', () => {
    const decision = {
      kind: 'stop',
      missing: [{ what: 'no drill has passed', remedy: 'Run `drill`.' }],
    } as const;
    const outcome = tell({
      decision,
      manifest: undefined,
      ages: { newest: undefined, verified: 1, drilled: 2 },
    });
    expect(outcome).toMatchObject({
      exitCode: 3,
      outputs: { gate: 'stopped', 'backup-id': '', 'age-seconds': '' },
    });
    expect(renderText(outcome.report)).toMatch(/no drill has passed +Run `drill`\./);
  });
});
