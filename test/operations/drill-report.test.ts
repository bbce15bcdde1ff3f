import { expect, it } from 'vitest';
import type { DrillInputs } from '../../src/inputs.ts';
import type { Attempt } from '../../src/operations/drill-attempt.ts';
import { describeDrill } from '../../src/operations/drill-report.ts';
import { makeLine, makeParity } from '../target/parity-example.ts';

const attempt = (overrides: Partial<Attempt> = {}): Attempt => ({
  manifest: undefined,
  backup: '20261120T021700Z-7f3a',
  until: undefined,
  phases: { preflight: 100, total: 5000 },
  recovery: 4000,
  parity: makeParity(),
  checks: [],
  command: undefined,
  failure: undefined,
  ...overrides,
});
const describe = (attempts: Attempt[], rtoTarget?: number) =>
  describeDrill(attempts, { rtoTarget } as DrillInputs);
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
  expect(textOf(outcome)).toContain('TOO SLOW');
});

it.each([
  ['did not restore', { failure: 'object x: it is missing', recovery: undefined, parity: undefined }],
  ['differs', { parity: makeParity({ tables: [makeLine({ status: 'different' })] }) }],
  ['failed a check', { checks: [{ sql: 'SELECT false', passed: false, answer: 'false' }] }],
  ['failed the command', { command: 'sh exited with 1' }],
])('says no to a backup that %s, and names one that works', (_what, wrong) => {
  expect(describe([attempt(wrong)])).toMatchObject({
    exitCode: 3,
    outputs: { drill: 'failed', 'backup-id': '' },
  });
  const outcome = describe([attempt(wrong), attempt({ backup: '20261119T021700Z-0000' })]);
  expect(outcome).toMatchObject({
    exitCode: 3,
    outputs: { drill: 'fell-back', 'backup-id': '20261119T021700Z-0000', attempts: 2 },
  });
  expect(textOf(outcome)).toContain('the newest backup that works is 20261119T021700Z-0000');
});
