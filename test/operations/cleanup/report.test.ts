import { expect, it } from 'vitest';
import { describeCleanup } from '../../../src/operations/cleanup/report.ts';
import type { Cleanup, Ending } from '../../../src/operations/cleanup/result.ts';
import { renderText } from '../../../src/report/text.ts';

const markedAt = new Date('2026-11-20T02:17:00Z');

/** A cleanup that removed one of three backups, and found two objects that nothing needs. */
function makeCleanup(overrides: Partial<Cleanup> = {}): Cleanup {
  return {
    kind: 'done',
    ending: { kind: 'complete' },
    storage: './repository',
    gracePeriod: 24 * 3600 * 1000,
    backups: 3,
    decisions: [],
    vanished: [],
    cleared: [],
    removed: ['20261113T021700Z-0001'],
    changes: { segments: 0, removed: 0, window: undefined },
    waiting: [{ markedAt, objects: 2, bytes: 2048 }],
    swept: { objects: 0, bytes: 0 },
    hidden: { objects: 0, bytes: 0 },
    hiddenFiles: 0,
    versions: 0,
    retained: [],
    ...overrides,
  };
}

const damaged = [{ id: '20261120T021700Z-7f3a', message: 'its seal does not match' }];
const textOf = (overrides: Partial<Cleanup>) => renderText(describeCleanup(makeCleanup(overrides)).report);

it.each<[string, Ending, 0 | 3]>([
  ['is complete', { kind: 'complete' }, 0],
  ['left what was due, for backups have vanished', { kind: 'postponed', why: { kind: 'vanished' } }, 0],
  ['was hindered', { kind: 'postponed', why: { kind: 'hindered', message: 'run 17 holds it' } }, 0],
  ['was stopped by damage', { kind: 'stopped', damaged, blind: false }, 3],
  ['sees no backup', { kind: 'stopped', damaged: [], blind: true }, 3],
])('ends a cleanup that %s with the exit code of its end', (_what, ending, exitCode) => {
  for (const kind of ['done', 'planned'] as const) {
    expect(describeCleanup(makeCleanup({ kind, ending }))).toMatchObject({
      exitCode,
      outputs: { backups: 2, removed: 1, 'marked-objects': 2 },
    });
  }
});

it('tells a dry run from a cleanup', () => {
  expect(textOf({})).toMatch(/^Cleanup of \.\/repository: 1 backup removed, 2 stay\n/);
  expect(textOf({ kind: 'planned' })).toMatch(
    /^Cleanup, dry run of \.\/repository: 1 backup would be removed, 2 would stay\n/,
  );
  expect(textOf({ kind: 'planned' })).toContain('2 objects that nothing needs would be freed');
});

it('names what stops it, and what it has removed until then', () => {
  const ending: Ending = { kind: 'stopped', damaged, blind: false };
  expect(textOf({ ending })).toMatch(/STOPPED by 1 damaged file[\s\S]*No object was removed: which/);
  expect(textOf({ ending, removed: [] })).toContain('Nothing was removed: which');
  expect(textOf({ ending, removed: [], kind: 'planned' })).toContain('Nothing would be removed: which');
  expect(textOf({ ending: { kind: 'stopped', damaged: [], blind: true } })).toMatch(
    /STOPPED, for no backup is listed[\s\S]*No bytes are freed before it is known which backups there are/,
  );
});

it('says why what is due was left, and when the rest is freed', () => {
  const vanished = ['20261101T021700Z-0001', '20261102T021700Z-0002'];
  const awaiting = textOf({ vanished, ending: { kind: 'postponed', why: { kind: 'vanished' } } });
  expect(awaiting).toContain(`left to the next run: ${vanished[0]} and 1 more is not listed any more`);
  expect(awaiting).toContain('2026-11-21 02:17:00');
  const why = { kind: 'hindered', message: 'run 17 holds it' } as const;
  expect(textOf({ ending: { kind: 'postponed', why }, waiting: [] })).toContain(
    'Nothing waits to be removed. What is due was left to the next run: run 17 holds it',
  );
});
