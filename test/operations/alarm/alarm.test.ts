import { expect, test } from 'vitest';
import { hearJobs } from '../../../src/operations/alarm/jobs.ts';
import { describeHeard } from '../../../src/operations/alarm/report.ts';
import { renderText } from '../../../src/report/text.ts';
import { JobError } from '../../../src/runtime/errors.ts';

const job = (result: string, outputs: Record<string, string> = {}) => ({ id: 'backup', result, outputs });
const hear = (...needs: ReturnType<typeof job>[]) => hearJobs({ alarmOf: 'backup', needs });

test('jobs that succeeded, were skipped or have told of themselves are heard, which is a yes', () => {
  const jobs = [job('success'), job('skipped'), job('failure', { announced: 'true' })];
  const heard = hear(...jobs);
  expect(heard).toEqual({ operation: 'backup', jobs });
  const outcome = describeHeard(heard);
  expect(outcome).toMatchObject({ exitCode: 0, outputs: {} });
  expect(renderText(outcome.report)).toContain(
    'No job ended without having told how backup went (backup: success, backup: skipped, backup: failure).',
  );
});

test.each([
  [job('failure'), 'backup did not start: its job backup ended as failure, without any output'],
  [
    job('cancelled', { 'backup-id': 'x' }),
    'backup ended without reporting: its job backup ended as cancelled',
  ],
])('%j ended without a word, which is thrown', (silent, message) => {
  expect(() => hear(job('success'), silent)).toThrow(
    expect.objectContaining({ constructor: JobError, message }),
  );
});
