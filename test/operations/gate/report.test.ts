import { describe, expect, it } from 'vitest';
import { reconsider } from '../../../src/operations/gate/decision.ts';
import { describeGate } from '../../../src/operations/gate/report.ts';
import type { GateResult, Missing } from '../../../src/operations/gate/result.ts';
import { renderText } from '../../../src/report/text.ts';
import { StorageError } from '../../../src/runtime/errors.ts';
import { makeManifest } from '../../repository/example.ts';
import { makeGateResult, makeWayBack } from './example.ts';

const tell = (overrides: Partial<GateResult> = {}) => describeGate(makeGateResult(overrides));
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

  it('tells what became of the copies of a backup that was taken, which stop no release', () => {
    const error = new StorageError('nothing answers', 'See that it runs.');
    const copy = { kind: 'failed', name: 'elsewhere', location: 's3://other', error } as const;
    const outcome = describeGate(makeGateResult(), [copy]);
    expect(outcome.exitCode).toBe(0);
    expect(JSON.parse(String(outcome.outputs.copies))).toMatchObject([
      { name: 'elsewhere', state: 'failed' },
    ]);
    expect(renderText(outcome.report)).toContain('elsewhere (s3://other) FAILED: nothing answers');
    expect(tell().outputs).not.toHaveProperty('copies');
  });

  it('is never a yes when the backup that was taken found something wrong', () => {
    const taken = {
      ...{ manifest: makeManifest(), reuse: undefined, mismatches: ['public.a differs'] },
      ...{ rootKey: 'none' as const, addedBytes: 0, elapsed: 0 },
    };
    const verdict = reconsider({ kind: 'back-up', why: ['old-backup'], pin: false }, taken);
    const outcome = tell({ verdict, taken });
    expect(outcome).toMatchObject({ exitCode: 3, outputs: { gate: 'stopped', 'backup-id': id } });
    expect(renderText(outcome.report)).toContain('public.a differs');
    expect(renderText(outcome.report)).toContain('found that those before it cannot be trusted');
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
    expect(renderText(tell({ migrations, wayBack: makeWayBack({ pinned: true }) }).report)).not.toContain(
      'pin --backup-id',
    );
  });

  it('of a release that is stopped says what is missing, with or without a backup', () => {
    const outcome = tell({
      verdict: { kind: 'stop', missing: [{ kind: 'unproven', limit: 'drilled-within' }] },
      wayBack: undefined,
      ages: { newest: undefined, verified: 1, drilled: 2 },
    });
    expect(outcome).toMatchObject({
      exitCode: 3,
      outputs: { gate: 'stopped', 'backup-id': '', 'age-seconds': '' },
    });
    expect(renderText(outcome.report)).toMatch(/no drill has passed within drilled-within +Run `drill`; /);
  });

  it.each<[Missing, RegExp]>([
    [
      { kind: 'unseen-migrations', why: 'git is not there', remedy: 'Check them out.' },
      /the migrations could not be looked at: git is not there +Check them out\./,
    ],
    [
      { kind: 'unseen-file', path: '1.sql', why: 'too large', remedy: 'Cut it.' },
      /1\.sql could not be looked at: it is too large +Cut it\./,
    ],
    [
      { kind: 'unproven', limit: 'verified-within' },
      /no backup was verified within verified-within +Run `validate`/,
    ],
    [
      { kind: 'stale', why: 'no-backup', onStale: 'stop' },
      /there is no backup to go back to +Run `backup`, or set/,
    ],
    [{ kind: 'stale', why: 'old-backup', onStale: 'backup' }, /older than max-age +The gate takes one once/],
    [
      { kind: 'stale', why: 'unguarded', onStale: 'stop' },
      /a migration destroys data, and there is no backup of/,
    ],
    [{ kind: 'doubted' }, /the backup was stored, but a check on it .* +See below what differs/],
  ])('says what to do about %j, and is a no', (missing, words) => {
    const outcome = tell({ verdict: { kind: 'stop', missing: [missing] } });
    expect(outcome).toMatchObject({ exitCode: 3, outputs: { gate: 'stopped' } });
    expect(renderText(outcome.report)).toMatch(words);
  });

  it('tells why a backup was taken, and what that came to', () => {
    const taken = {
      manifest: makeManifest(),
      reuse: undefined,
      mismatches: [],
      rootKey: 'none' as const,
      addedBytes: 77,
      elapsed: 0,
    };
    const outcome = tell({
      verdict: { kind: 'back-up', why: ['old-backup', 'unguarded'], pin: true },
      taken,
      judgedBefore: [{ input: 'max-age', limit: 86_400_000, age: 90_000_000, met: false }],
      judged: [{ input: 'max-age', limit: 86_400_000, age: 500, met: true }],
    });
    expect(outcome).toMatchObject({ exitCode: 0, outputs: { gate: 'backed-up', 'backup-id': id } });
    expect(outcome.taken).toMatchObject({ type: taken.manifest.kind, newBytes: 77 });
    expect(tell()).not.toHaveProperty('taken');
    const text = renderText(outcome.report);
    // Of the backup before, not of the one that was taken.
    expect(text).toContain(
      'because the newest backup is older than max-age (24 h 00 min): its age is 25 h 00 min, and a migration destroys data',
    );
    expect(text).toMatch(/new in the repository +77 B/);
  });

  it('asks for the key of the repository where it has one of its own', () => {
    const name = 'SUPABASE_BACKUP_REPOSITORY_KEY';
    expect(renderText(tell({ wayBack: makeWayBack({ needsKey: true }) }).report)).toContain(name);
    expect(renderText(tell().report)).not.toContain(name);
  });
});
