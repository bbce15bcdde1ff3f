import { expect, it } from 'vitest';
import { describeFailure } from '../../src/entry/failure.ts';
import { messageOf } from '../../src/errors.ts';
import { ServerError } from '../../src/postgres/server-error.ts';

const { signal } = new AbortController();
const hint = 'You might need to increase max_locks_per_transaction.';

it.each([
  ['has too few locks', new ServerError('53200', 'out of shared memory', { hint })],
  ['is shut down', new ServerError('57P01', 'terminating connection due to administrator command')],
  ['has a deadlock', new ServerError('40P01', 'deadlock detected')],
])('a server that %s is no defect of ours', (_what, error) => {
  expect(describeFailure(error, signal)).toMatchObject({ kind: 'ServerError', exitCode: 1 });
});

it('what the server says comes with its hint, which holds the remedy', () => {
  const error = new ServerError('53200', 'out of shared memory', { hint });
  expect(messageOf(error)).toBe(`out of shared memory; hint: ${hint.slice(0, -1)}`);
  expect(describeFailure(error, signal).message).toContain('max_locks_per_transaction');
});

it.each([
  ['a statement that the server does not understand', new ServerError('42601', 'syntax error')],
  ['anything else', new TypeError('x is undefined')],
])('%s is a defect', (_what, error) => {
  expect(describeFailure(error, signal).kind).toBe('Defect');
});
