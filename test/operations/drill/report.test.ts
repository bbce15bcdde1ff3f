import { expect, it } from 'vitest';
import { describeDrill } from '../../../src/operations/drill/report.ts';
import { judgeDrill } from '../../../src/operations/drill/result.ts';
import type { Attempt } from '../../../src/restorer/trial/attempt.ts';
import { makeLine, makeParity } from '../../parity/example.ts';
import { makeManifest } from '../../repository/example.ts';

const attempt = (overrides: Partial<Attempt> = {}): Attempt => ({
  manifest: undefined,
  backup: '20261120T021700Z-7f3a',
  until: undefined,
  phases: { preflight: 100, total: 5000 },
  recovery: 4000,
  parity: makeParity(),
  notCarried: [],
  notes: [],
  checks: [],
  command: undefined,
  failure: undefined,
  ...overrides,
});
const describe = (attempts: Attempt[], rtoTarget?: number) => describeDrill(judgeDrill(attempts, rtoTarget));
const textOf = (outcome: ReturnType<typeof describe>) => JSON.stringify(outcome.report);

it('passes a backup that came back in time', () => {
  expect(describe([attempt()], 4000)).toMatchObject({
    exitCode: 0,
    outputs: { drill: 'passed', 'recovery-seconds': 4, 'duration-seconds': 5 },
  });
});

it('says no to a recovery that took longer than it may, though the backup is sound', () => {
  const outcome = describe([attempt()], 3999);
  expect(outcome).toMatchObject({ exitCode: 3, outputs: { drill: 'passed' } });
  expect(outcome.found).toBe('recovery took 4.0 s, and the target is 4.0 s.');
  expect(textOf(outcome)).toContain('TOO SLOW');
});

const damage: Partial<Attempt> = {
  failure: { kind: 'damage', message: 'object x: it is missing' },
  recovery: undefined,
  parity: undefined,
};
const different = { parity: makeParity({ tables: [makeLine({ status: 'different' })] }) };
const refused = { ...damage, failure: { kind: 'refusal' as const, message: 'the disk is full' } };
const saidNo = { checks: [{ sql: 'SELECT 1 > 2', passed: false, answer: 'false' }] };
const failedCommand = { command: 'sh exited with 1' };

it.each<[string, Partial<Attempt>]>([
  ['did not restore', damage],
  ['differs', different],
  ['failed a check', saidNo],
  ['failed the command', failedCommand],
])('says no to a backup that %s, and names one that works', (_what, wrong) => {
  expect(describe([attempt(wrong)])).toMatchObject({
    exitCode: 3,
    found: expect.stringMatching(/missing|differs|not all of|SELECT 1 > 2|exited with 1/),
    outputs: { drill: 'failed', 'backup-id': '' },
  });
  const outcome = describe([attempt(wrong), attempt({ backup: '20261119T021700Z-0000' })]);
  expect(outcome).toMatchObject({
    exitCode: 3,
    outputs: { drill: 'fell-back', 'backup-id': '20261119T021700Z-0000', attempts: 2 },
  });
  expect(textOf(outcome)).toContain('the newest backup that works is 20261119T021700Z-0000');
});

it('sends people to look for damage only when something stored is at fault', () => {
  const advice = 'Run `validate`';
  expect(textOf(describe([attempt(damage)]))).toContain(advice);
  expect(textOf(describe([attempt(refused), attempt(different)]))).toContain(advice);
  expect(textOf(describe([attempt(refused)]))).toContain('says nothing about what is stored');
  for (const wrong of [refused, saidNo, failedCommand]) {
    expect(textOf(describe([attempt(wrong)]))).not.toContain(advice);
  }
  expect(textOf(describe([attempt(saidNo)]))).toContain('SELECT 1 > 2 (answer: false)');
  const second = attempt({ ...saidNo, backup: '20261119T021700Z-0000' });
  expect(textOf(describe([attempt(damage), second]))).toMatch(
    /Backup 20261119T021700Z-0000 was restored and is identical to the source, but 1 of 1 checks failed.*The 1 backup that was tried before it failed/,
  );
});

it('tells what the restore did not bring, and what was in no backup', () => {
  const line = { what: 'index public.i', why: 'the server refused it', remedy: 'Make it.' };
  const manifest = makeManifest({
    notCarried: [
      { what: 'rows of public.q', why: 'it belongs to the extension hstore', remedy: 'Take it out.' },
    ],
  });
  const text = textOf(describe([attempt({ manifest, notCarried: [line] })]));
  for (const told of ['index public.i', 'rows of public.q']) expect(text).toContain(told);
});

it('is a result of its own: which backup works, and by how much it was too slow', () => {
  const failed = attempt({ ...damage });
  const before = attempt({ backup: '20261119T021700Z-0000' });
  expect(judgeDrill([failed], 1)).toEqual({ kind: 'failed', chosen: failed, attempts: [failed] });
  expect(judgeDrill([failed, before], undefined)).toMatchObject({
    kind: 'fell-back',
    chosen: failed,
    works: before,
    overrun: undefined,
  });
  expect(judgeDrill([before], 3999)).toMatchObject({
    kind: 'passed',
    works: before,
    overrun: { took: 4000, target: 3999 },
  });
  expect(() => judgeDrill([], undefined)).toThrow('without an attempt');
});
