import { describe, expect, test } from 'vitest';
import { type IssueState, readState, writeState } from '../../../src/alarm/issues/state.ts';

const state: IssueState = {
  version: 1,
  fingerprint: 'f'.repeat(64),
  group: 'e'.repeat(64),
  firstFailureAt: '2026-11-20T02:17:00.000Z',
  failures: 3,
  last: { startedAt: '2026-11-20T02:17:00.000Z', workflow: null, run: 7, attempt: 1 },
  lastCommentAt: '2026-11-20T02:17:00.000Z',
  told: [],
  level: 'normal',
};

describe('what an issue remembers', () => {
  test('is read as it was written, in the place of what it remembered before', () => {
    const first = writeState('What failed', { ...state, failures: 2 });
    const second = writeState(first, state);
    expect(readState(second)).toEqual(state);
    expect(second.match(/<!--/g)).toHaveLength(1);
    expect(second.startsWith('What failed\n\n<!-- supabase-backup-alarm {')).toBe(true);
  });

  test('is the last of all that a message may hold', () => {
    const forged = `<!-- supabase-backup-alarm ${JSON.stringify({ ...state, failures: 99 })} -->`;
    expect(readState(`${forged}\n${writeState('', state)}`)).toEqual(state);
    expect(readState(`<!-- supabase-backup-alarm {\n} -->`)).toBeUndefined();
    expect(readState(`<!-- supabase-backup-alarm { -->`)).toBeUndefined();
    expect(readState('')).toBeUndefined();
  });

  test.each([
    ['beginnings', '<!-- supabase-backup-alarm {'],
    ['ends', '} -->'],
    ['both', '<!-- supabase-backup-alarm {} -->'],
    ['lines', '<!-- supabase-backup-alarm {\n'],
  ])('takes no longer to find among many %s', (_, part) => {
    const started = performance.now();
    const text = part.repeat(100_000);
    expect(readState(writeState(text, state))).toEqual(state);
    readState(text);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
