import { describe, expect, it } from 'vitest';
import { describeCapture } from '../../../src/operations/capture/report.ts';
import type { CaptureResult } from '../../../src/operations/capture/result.ts';
import { renderText } from '../../../src/report/text.ts';
import { makeSegment } from '../../repository/changes-example.ts';
import { makeManifest } from '../../repository/example.ts';

const segment = makeSegment({ transactions: 3, changes: 5, barrier: null });
const tell = (overrides: Partial<CaptureResult> = {}) =>
  describeCapture({
    segments: [segment],
    keyless: [],
    slot: {
      ...{ name: 'supabase_backup_0123', confirmed: segment.from, retainedBytes: 2000, safeBytes: null },
      ...{ walStatus: 'reserved', isActive: false, unusable: false },
    },
    from: segment.from,
    throughBefore: '2026-11-20T01:00:00.000000Z',
    lost: undefined,
    isEncrypted: true,
    addedBytes: 10,
    ending: { kind: 'reached', base: '20261120T021700Z-7f3a' },
    elapsed: 1234,
    ...overrides,
  });
const taken = {
  manifest: makeManifest(),
  reuse: undefined,
  mismatches: [],
  rootKey: 'none' as const,
  addedBytes: 7,
  elapsed: 0,
};

describe('the report of a capture', () => {
  it('that a backup can be brought to the end of is a yes that names the backup', () => {
    const outcome = tell();
    expect(outcome).toMatchObject({
      exitCode: 0,
      outputs: {
        ...{ transactions: 3, changes: 5, 'captured-through': segment.through, 'new-bytes': 10 },
        ...{ 'lag-bytes': 2000, barrier: '', 'lost-changes': '', 'backup-id': '', 'duration-seconds': 1.2 },
      },
    });
    const text = renderText(outcome.report);
    expect(text).toContain('It can be replayed on backup 20261120T021700Z-7f3a.');
    expect(text).toMatch(/encrypted +age/);
    expect(text).toContain(`supabase_backup_0123: ${segment.from} to ${segment.to}`);
  });

  it('that a backup was taken for tells of both', () => {
    const outcome = tell({ ending: { kind: 'backed-up', taken } });
    expect(outcome).toMatchObject({
      exitCode: 0,
      outputs: { 'backup-id': makeManifest().id, 'new-bytes': 17 },
      taken: { type: makeManifest().kind, rows: makeManifest().totals.rows, newBytes: 7 },
    });
    const text = renderText(outcome.report);
    expect(text).toContain('No backup could be brought to the end of it, so one was taken.');
    expect(text).toContain('Backup of postgres: 3 rows, 140 B stored, 7 B of it new, NOT encrypted\n');
    expect(text).toContain(`Backup ${makeManifest().id}, `);
    const barrier = 'definitions were changed';
    const changed = tell({ segments: [{ ...segment, barrier }], ending: { kind: 'backed-up', taken } });
    expect(changed.outputs).toMatchObject({ barrier });
    expect(renderText(changed.report)).toContain(`cannot be brought past this capture (${barrier})`);
  });

  it('is a no where changes are lost, however it ended', () => {
    const lost = 'the server has begun a new timeline';
    for (const ending of [
      { kind: 'reached', base: 'x' },
      { kind: 'backed-up', taken },
      { kind: 'dropped' },
    ] as const) {
      const outcome = tell({ lost, ending });
      expect(outcome).toMatchObject({ exitCode: 3, outputs: { 'lost-changes': lost } });
      expect(renderText(outcome.report)).toContain(`CHANGES ARE LOST: ${lost}.`);
    }
  });

  it('is a no where the backup that was taken puts those before it in doubt', () => {
    const outcome = tell({
      ending: { kind: 'backed-up', taken: { ...taken, mismatches: ['public.a differs'] } },
    });
    expect(outcome.exitCode).toBe(3);
    expect(renderText(outcome.report)).toContain('public.a differs');
  });

  it('that let the slot go says so, and may have stored nothing', () => {
    const outcome = tell({ segments: [], ending: { kind: 'dropped' } });
    expect(outcome).toMatchObject({
      exitCode: 0,
      outputs: { transactions: 0, 'captured-through': '2026-11-20T01:00:00.000000Z' },
    });
    expect(renderText(outcome.report)).toContain('Nothing captured');
    expect(renderText(outcome.report)).toContain('The slot is dropped: from now on nothing is captured.');
    const first = tell({ segments: [], throughBefore: undefined, ending: { kind: 'dropped' } });
    expect(first.outputs).toMatchObject({ 'captured-through': '' });
  });
});
