import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeRpo } from '../../src/alarm/event.ts';
import { classifyFailure, classifyNegative, describeClass } from '../../src/alarm/failure-class.ts';
import {
  type EventOrder,
  messageDigest,
  precedes,
  readState,
  writeState,
} from '../../src/alarm/issues/state.ts';
import { titleIssue } from '../../src/alarm/issues/text.ts';
import { operations } from '../../src/interface/inputs/operations.ts';
import { exampleFailure, hour } from './example.ts';

describe('the class of a failure', () => {
  const withCode = (code: string) => Object.assign(new Error('x'), { code });

  it.each([
    ['28P01', 'SourceError/authentication'],
    ['42501', 'SourceError/permission'],
    ['53100', 'SourceError/space'],
    ['ENOSPC', 'SourceError/space'],
    ['53300', 'SourceError/capacity'],
    ['57014', 'SourceError/timeout'],
    ['ENOTFOUND', 'SourceError/connection'],
    ['08006', 'SourceError/connection'],
    ['57P01', 'SourceError/connection'],
    ['42P01', 'SourceError'],
  ])('is told by code %s as %s', (code, expected) => {
    expect(classifyFailure('SourceError', new Error('outer', { cause: withCode(code) }))).toBe(expected);
  });

  it('is found among several causes, and in a circle of them', () => {
    const inner = new AggregateError([new Error('x'), withCode('ECONNREFUSED')]);
    expect(classifyFailure('StorageError', new Error('outer', { cause: inner }))).toBe(
      'StorageError/connection',
    );
    const circle = new Error('circle');
    circle.cause = circle;
    expect(classifyFailure('Defect', circle)).toBe('Defect');
    expect(classifyFailure('Defect', 'a text')).toBe('Defect');
  });

  it('of a stopped run is that it was stopped', () => {
    expect(classifyFailure('Interruption', withCode('ECONNRESET'))).toBe('Interruption');
  });

  it('of a negative answer says what the answer was about', () => {
    expect(classifyNegative('drill', { drill: 'passed', parity: 'equal' })).toBe('rto');
    expect(classifyNegative('drill', { drill: 'failed', parity: 'different' })).toBe('parity');
    expect(classifyNegative('drill', { drill: 'failed', parity: '' })).toBe('drill');
    expect(classifyNegative('restore', {})).toBe('parity');
    expect(classifyNegative('restore', { 'managed-restore': 'unconfirmed' })).toBe('managed-restore');
    expect(describeClass(classifyNegative('capture', { 'lost-changes': 'the slot is gone' }))).toBe(
      'changes were lost, so point-in-time recovery has a gap',
    );
    // What is written is written, or that fails.
    const writing = ['report', 'estimate', 'init', 'keygen'];
    for (const operation of operations.filter((name) => !writing.includes(name))) {
      const failureClass = classifyNegative(operation, {});
      expect(describeClass(failureClass), operation).not.toBe(failureClass);
    }
  });
});

describe('the title of an issue', () => {
  it('says that an operation fails, or what its answer is', () => {
    expect(titleIssue(exampleFailure())).toBe(
      'supabase-backup: backup of shop at db.example.com fails: the database cannot be read: there is no connection',
    );
    const answer = { state: 'negative', operation: 'restore', failureClass: 'parity' } as const;
    expect(titleIssue(exampleFailure({}, answer))).toBe(
      'supabase-backup: restore of shop at db.example.com: the restored database differs from the backup',
    );
  });
});

describe('the recovery point objective', () => {
  const takenAt = new Date('2026-11-20T00:18:00Z');
  const judge = (changes: object) => judgeRpo(exampleFailure({}, changes));

  it('is broken when the newest backup is that old', () => {
    const lastGood = { id: 'x', takenAt };
    expect(judge({ lastGood, rpoTarget: 2 * hour })?.broken).toBe(true);
    expect(judge({ lastGood, rpoTarget: 2 * hour + 1 })?.broken).toBe(false);
    expect(judge({ lastGood: null, rpoTarget: hour })).toMatchObject({ broken: true, brokenAt: undefined });
    expect(judge({ rpoTarget: hour })).toBeUndefined();
    expect(judge({ lastGood })).toBeUndefined();
  });
});

describe('the order of events', () => {
  const order = fc.record({
    startedAt: fc.integer({ min: 0, max: 9 }).map((n) => new Date(n * hour).toISOString()),
    workflow: fc.constantFrom(null, 'a', 'b'),
    run: fc.integer({ min: 1, max: 4 }),
    attempt: fc.integer({ min: 1, max: 3 }),
  });

  it('never has two events that both come first', () => {
    fc.assert(
      fc.property(order, order, (one, other) => {
        expect(precedes(one, other) && precedes(other, one)).toBe(false);
        expect(precedes(one, one)).toBe(false);
      }),
    );
  });

  const at = (changes: Partial<EventOrder>): EventOrder => ({
    startedAt: '2026-11-20T02:00:00.000Z',
    workflow: 'a',
    run: 5,
    attempt: 1,
    ...changes,
  });

  it('goes by number within a workflow, whatever the clocks say', () => {
    expect(precedes(at({ run: 4, startedAt: '2026-11-21T00:00:00.000Z' }), at({}))).toBe(true);
    expect(precedes(at({ run: 6, startedAt: '2026-11-19T00:00:00.000Z' }), at({}))).toBe(false);
  });

  it('goes by attempt within a run, and by time where an older run was started again', () => {
    expect(precedes(at({ attempt: 1 }), at({ attempt: 2 }))).toBe(true);
    expect(precedes(at({ run: 4, attempt: 2, startedAt: '2026-11-20T03:00:00.000Z' }), at({}))).toBe(false);
    expect(precedes(at({ run: 4, attempt: 2, startedAt: '2026-11-20T01:00:00.000Z' }), at({}))).toBe(true);
  });

  it('goes by time between workflows and outside of them', () => {
    expect(precedes(at({ workflow: 'b', run: 1, startedAt: '2026-11-20T01:00:00.000Z' }), at({}))).toBe(true);
    expect(precedes(at({ workflow: null, run: 0, startedAt: '2026-11-20T03:00:00.000Z' }), at({}))).toBe(
      false,
    );
  });
});

describe('the state of an issue', () => {
  const state = {
    version: 1 as const,
    fingerprint: 'f',
    group: 'g',
    firstFailureAt: '2026-11-20T02:00:00.000Z',
    failures: 2,
    last: { startedAt: '2026-11-20T02:00:00.000Z', workflow: 'a', run: 5, attempt: 1 },
    lastCommentAt: '2026-11-20T02:00:00.000Z',
    told: ['x'],
    level: 'normal' as const,
  };

  it('comes back out of any text, once, however often it is written', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const once = writeState(text, state);
        expect(readState(once)).toEqual(state);
        expect(readState(writeState(once, { ...state, failures: 3 }))?.failures).toBe(3);
        expect(writeState(once, state)).toBe(once);
      }),
    );
  });

  it('is the last of those that a text holds', () => {
    const forged = writeState('', { ...state, fingerprint: 'forged' });
    expect(readState(`${forged}\n${writeState('', state)}`)).toEqual(state);
  });

  it('is none where a text holds none, or one that was edited', () => {
    expect(readState('a text')).toBeUndefined();
    expect(readState('<!-- supabase-backup-alarm {"version":1} -->')).toBeUndefined();
    expect(readState('<!-- supabase-backup-alarm {broken} -->')).toBeUndefined();
  });
});

it('a message with other numbers and ids is the same cause', () => {
  const message = (rest: string) => messageDigest(`backup ${rest} failed`);
  expect(message('20261120T021700Z-7f3a after 12 s')).toBe(message('20261121T021700Z-b0c1 after 9.5 s'));
  expect(message('after 340 ms')).toBe(message('after 3 min 05 s'));
  expect(message('a1b2c3d4')).toBe(message('99ffee00'));
  expect(message('of one table')).not.toBe(message('of another table'));
});
