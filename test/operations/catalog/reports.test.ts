import { describe, expect, it, test } from 'vitest';
import { describeList } from '../../../src/operations/catalog/list-report.ts';
import { describePinning } from '../../../src/operations/catalog/pin-report.ts';
import type { BackupEvent, BackupList, ShownBackup } from '../../../src/operations/catalog/result.ts';
import { describeShown } from '../../../src/operations/catalog/show-report.ts';
import { renderText } from '../../../src/report/text.ts';
import { ago, shelve } from '../../repository/backups/freshness-example.ts';
import { makeManifest } from '../../repository/example.ts';

describe('the report of a list', () => {
  const listed = (overrides: Partial<BackupList> = {}) =>
    describeList({
      location: './backups',
      decisions: [
        { backup: shelve(1), keep: true, reasons: ['daily'] },
        { backup: shelve(9), keep: false, reasons: ['too old'] },
      ],
      damaged: [],
      recoverable: { windows: [], damaged: [], captured: false },
      ...overrides,
    });

  it('is a yes that names what a cleanup would remove', () => {
    const outcome = listed();
    expect(outcome).toMatchObject({ exitCode: 0, outputs: { backups: 2, damaged: 0 } });
    expect(JSON.parse(String(outcome.outputs.list))).toMatchObject([
      { id: shelve(1).id, keep: true, reasons: ['daily'] },
      { id: shelve(9).id, keep: false, reasons: ['too old'] },
    ]);
    expect(renderText(outcome.report)).toContain('2 backups; a cleanup with this retention would remove 1.');
  });

  it('is a no with a manifest that cannot be read', () => {
    const damaged = [{ id: '20261101T000000Z-0000', message: 'its end is missing' }];
    expect(listed({ damaged })).toMatchObject({ exitCode: 3, outputs: { damaged: 1 } });
    const text = renderText(listed({ decisions: [], damaged }).report);
    expect(text).toContain('There is no backup that can be read.');
    expect(text).toMatch(/20261101T000000Z-0000 +its end is missing/);
    expect(renderText(listed({ decisions: [] }).report)).toContain('There are no backups yet');
  });
});

describe('the report of one backup', () => {
  const shown = (overrides: Partial<ShownBackup> = {}) =>
    describeShown({
      ...{ manifest: makeManifest(), pinned: false, verifiedAt: null, damagedAt: null, drilled: null },
      events: [],
      ...overrides,
    });

  it('is what is known now, and not what its manifest says of pins', () => {
    const outcome = shown({ pinned: true, damagedAt: ago(1) });
    expect(outcome).toMatchObject({ exitCode: 0, outputs: { 'backup-id': makeManifest().id } });
    const text = renderText(outcome.report);
    expect(text).toMatch(/pinned +yes/);
    expect(text).toMatch(/verified \(UTC\) +DAMAGED, found 2026-11-20 11:00/);
    expect(text).toContain('Nothing was recorded of it since');
  });

  test.each<[BackupEvent, string]>([
    [{ kind: 'pin', at: ago(1), pinned: true }, 'pinned'],
    [{ kind: 'pin', at: ago(1), pinned: false }, 'unpinned'],
    [
      { kind: 'validation', at: ago(1), share: 0.5, outcome: 'passed', opened: false },
      'validated: passed; 50% of the objects read, not opened',
    ],
    [{ kind: 'drill', at: ago(1), why: null, recovery: 61_000 }, 'drilled: passed, recovered in 1 min 01 s'],
    [{ kind: 'drill', at: ago(1), why: null, recovery: null }, 'drilled: passed'],
    [{ kind: 'drill', at: ago(1), why: 'it is gone', recovery: null }, 'drilled: FAILED, it is gone'],
    [
      { kind: 'restore', at: ago(1), target: 'db', actor: 'ann', whole: false, outcome: 'equal', why: null },
      'restored in part into db by ann: equal',
    ],
    [
      { kind: 'restore', at: ago(1), target: 'db', actor: 'ann', whole: true, outcome: 'failed', why: 'no' },
      'restored into db by ann: failed, no',
    ],
  ])('tells of %j', (event, words) => {
    const [line] = renderText(shown({ events: [event] }).report)
      .split('\n')
      .filter((text) => text.startsWith(event.at.toISOString()));
    expect(line?.trimEnd()).toMatch(new RegExp(`^\\S+ +${words.replace(/[()]/g, '\\$&')}$`));
  });
});

test.each([
  [true, true, 'is pinned', 'It stays whatever'],
  [true, false, 'is pinned already', 'Nothing was written.'],
  [false, true, 'is no longer pinned', 'The next cleanup'],
  [false, false, 'is not pinned', 'Nothing was written.'],
])('a pinning (pinned %j, new %j) is told as: %s', (pinned, isNew, what, consequence) => {
  const outcome = describePinning({ id: 'x', pinned, isNew });
  expect(outcome).toMatchObject({ exitCode: 0, outputs: { 'backup-id': 'x' } });
  expect(renderText(outcome.report)).toContain(`Backup x ${what}\n`);
  expect(renderText(outcome.report)).toContain(consequence);
});
