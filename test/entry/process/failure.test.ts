import { expect, it } from 'vitest';
import { toFailure } from '../../../src/entry/process/failure.ts';
import { ServerError } from '../../../src/postgres/session/server-error.ts';
import { messageOf } from '../../../src/runtime/errors.ts';

const { signal } = new AbortController();
const hint = 'You might need to increase max_locks_per_transaction.';

it.each([
  ['has too few locks', new ServerError('53200', 'out of shared memory', { hint })],
  ['is shut down', new ServerError('57P01', 'terminating connection due to administrator command')],
  ['has a deadlock', new ServerError('40P01', 'deadlock detected')],
])('a server that %s is no defect of ours', (_what, error) => {
  expect(toFailure(error, signal)).toMatchObject({ kind: 'ServerError', exitCode: 1 });
});

it('what the server says comes with its hint, which holds the remedy', () => {
  const error = new ServerError('53200', 'out of shared memory', { hint });
  expect(messageOf(error)).toBe(`out of shared memory; hint: ${hint.slice(0, -1)}`);
  expect(toFailure(error, signal).message).toContain('max_locks_per_transaction');
});

it.each([
  ['a statement that the server does not understand', new ServerError('42601', 'syntax error')],
  ['anything else', new TypeError('x is undefined')],
])('%s is a defect', (_what, error) => {
  expect(toFailure(error, signal).kind).toBe('Defect');
});

it('the details tell no more of a server than the message does, and where it was', () => {
  const raised = new ServerError('P0001', 'the row is SECRET\n    at SECRET', {
    routine: 'exec_stmt_raise',
    hint: 'SECRET',
  });
  const value = new ServerError('22P02', 'invalid input syntax for type integer: "SECRET"', {}, 'ERROR');
  for (const error of [raised, value, new Error('outer', { cause: raised })]) {
    const { details, message } = toFailure(error, signal);
    expect(details + message).not.toContain('SECRET');
    expect(details).toMatch(/\n {4}at .*failure\.test\.ts/);
  }
});
