import { describe, expect, it } from 'vitest';
import { describeBackup } from '../../../src/operations/backup/report.ts';
import type { BackupResult } from '../../../src/operations/backup/result.ts';
import { renderText } from '../../../src/report/text.ts';
import { measureReuse } from '../../../src/source/incremental/reuse.ts';
import { makeManifest } from '../../repository/example.ts';

const tell = (overrides: Partial<BackupResult> = {}) =>
  describeBackup({
    ...{
      manifest: makeManifest(),
      reuse: undefined,
      mismatches: [],
      rootKey: 'none' as const,
      addedBytes: 77,
      elapsed: 1234,
    },
    ...overrides,
  });
const reuse = {
  bytes: 30,
  includesArchive: false,
  tables: [
    { schema: 'public', name: 'a', bytes: 40, reused: 30, isRead: true, why: '1 of 2 ranges changed' },
    { schema: 'public', name: 'B', bytes: 0, reused: 0, isRead: false, why: undefined },
  ],
};

describe('the report of a backup', () => {
  it('for which everything was read is a yes that lists the largest tables', () => {
    const manifest = makeManifest({ fullBecause: 'there is no backup to build on' });
    const outcome = tell({ manifest });
    expect(outcome).toMatchObject({
      exitCode: 0,
      outputs: { 'backup-id': manifest.id, 'new-bytes': 77, 'base-id': '', 'reused-share': 0 },
    });
    const text = renderText(outcome.report);
    expect(text).toContain('Everything was read: there is no backup to build on.');
    expect(text).toMatch(/table +rows +bytes +ranges/);
    expect(text).not.toContain('unchanged');
  });

  it('that was built upon another tells what of each table was not read, and why the rest was', () => {
    const manifest = makeManifest({ kind: 'incremental', base: '20261119T021700Z-7f3a' });
    const rowBytes = manifest.tables.reduce((sum, { bytes }) => sum + bytes, 0);
    const outcome = tell({ manifest, reuse });
    expect(outcome).toMatchObject({
      exitCode: 0,
      outputs: {
        'base-id': '20261119T021700Z-7f3a',
        'reused-share': Math.round((30 / rowBytes) * 10_000) / 10_000,
      },
    });
    const text = renderText(outcome.report);
    expect(text).toMatch(/built upon +20261119T021700Z-7f3a/);
    expect(text).toMatch(/unchanged, not read +30 B/);
    expect(text).toContain('1 table of 2 had something to read.');
    expect(text).toMatch(/public\.a +10 B +30 B +1 of 2 ranges changed/);
    expect(text).toMatch(/public\.B +0 B +0 B +unchanged/);
  });

  it('that reads no archive anew counts it as not read', () => {
    const totals = { rows: 3, bytes: 200, stored: 140, added: 140 };
    const manifest = makeManifest({ kind: 'incremental', base: '20261119T021700Z-7f3a', totals });
    const read = (includesArchive: boolean) =>
      renderText(tell({ manifest, reuse: { ...reuse, includesArchive } }).report);
    expect(read(false)).toMatch(/read +170 B \(/);
    expect(manifest.archive.bytes).toBe(50);
    expect(read(true)).toMatch(/read +120 B \(/);
  });

  it('is a no where a check found that the backups before it cannot be trusted', () => {
    const outcome = tell({ mismatches: ['public.a, pages 1 to 2'] });
    expect(outcome.exitCode).toBe(3);
    const text = renderText(outcome.report);
    expect(text).toContain('An incremental backup would have been wrong');
    expect(text).toContain('public.a, pages 1 to 2');
  });
});

describe('what a backup took over from its base', () => {
  const manifest = makeManifest();

  it('is measured by the pieces that were not read, and the archive by its objects', () => {
    const [entry] = manifest.tables;
    if (entry === undefined) throw new Error('the example has no table');
    const object = manifest.objects[0];
    const piece = (length: number) => ({ holder: { object }, offset: 0, length });
    const slice = { slice: { table: entry, from: 0, to: null }, rows: 1, places: null };
    const choices = [
      { table: entry, reused: [{ ...slice, pieces: [piece(3), piece(4)] }], read: [], why: undefined },
    ] as unknown as Parameters<typeof measureReuse>[2];
    expect(measureReuse(manifest, manifest, choices)).toEqual({
      bytes: 7,
      includesArchive: true,
      tables: [
        {
          ...{ schema: entry.schema, name: entry.name, bytes: entry.bytes },
          ...{ reused: 7, isRead: false, why: undefined },
        },
      ],
    });
    const other = { ...manifest, archive: { ...manifest.archive, objects: [] } };
    expect(measureReuse(manifest, other, choices).includesArchive).toBe(false);
  });
});
