import { describe, expect, test } from 'vitest';
import { describeMirror } from '../../../src/operations/mirror/report.ts';
import type { MirrorResult } from '../../../src/operations/mirror/result.ts';
import { renderText } from '../../../src/report/text.ts';
import { type MirroredCopy, noValues } from '../../../src/repository/copies/outcome.ts';
import { StorageError } from '../../../src/runtime/errors.ts';

const whole: MirroredCopy = {
  ...{
    kind: 'mirrored',
    name: 'Frankfurt',
    location: 's3://other/production',
    isNew: true,
    bytes: 1_230_000,
  },
  copied: { ...noValues, objects: 12, backups: 1, records: 3 },
  ...{ refused: [], checked: { byStore: 12, byReading: 0 } },
  lag: {
    ...{ newest: '20261120T021700Z-7f3a', oldestMissing: undefined },
    ...{ missingBackups: 0, missingChanges: 0, missingBytes: 0 },
  },
};
const rotten: MirroredCopy = {
  ...whole,
  ...{ name: '/mnt/disk', location: '/mnt/disk', isNew: false, checked: { byStore: 0, byReading: 2 } },
  refused: [{ key: 'objects/aa/aabb', why: 'its SHA-256 is not the recorded one (read 3 times)' }],
  lag: {
    ...{ newest: '20261119T021700Z-7f3a', oldestMissing: '20261120T021700Z-7f3a' },
    ...{ missingBackups: 1, missingChanges: 2, missingBytes: 5000 },
  },
};
const failed = {
  ...{ kind: 'failed' as const, name: 'Drive', location: 's3://drive/copy' },
  error: new StorageError('cannot list s3://drive/copy: nothing answers', 'Start rclone.'),
};
const result = (copies: MirrorResult['copies'], isDryRun = false): MirrorResult => ({
  ...{ isDryRun, source: 's3://first/production', copies, elapsed: 61_000 },
});

describe('the report of a mirror', () => {
  test('of copies that are whole is 0, and says what was copied and checked', () => {
    const outcome = describeMirror(result([whole]));
    expect(outcome).toMatchObject({
      exitCode: 0,
      found: undefined,
      outputs: { copied: 16, 'new-bytes': 1_230_000, refused: 0, 'missing-backups': 0 },
    });
    const text = renderText(outcome.report);
    expect(text).toContain('Mirror: 1 copy is up to date');
    expect(text).toMatch(/Frankfurt \(s3:\/\/other\/production\) +new: 1 backup, 12 objects, 3 records/);
    expect(text).toMatch(/1\.23 MB +12 by the store +nothing/);
  });

  test('of copies that are not is 3, and names each with what is wrong', () => {
    const outcome = describeMirror(result([whole, rotten, failed]));
    expect(outcome).toMatchObject({
      exitCode: 3,
      found: expect.stringMatching(/^\/mnt\/disk lacks 1 file, .*; Drive: cannot list/),
      outputs: { refused: 1, 'missing-backups': 1 },
    });
    const text = renderText(outcome.report);
    expect(text).toContain('Mirror: 2 of 3 copies NOT up to date');
    expect(text).toContain('1 backup and 2 segments, about 5.00 kB, from 20261120T021700Z-7f3a on');
    expect(text).toContain('objects/aa/aabb');
    expect(text).toContain(
      'Drive (s3://drive/copy) FAILED: cannot list s3://drive/copy: nothing answers. Start',
    );
    expect(JSON.parse(String(outcome.outputs.copies))).toMatchObject([
      { name: 'Frankfurt', state: 'complete', lag: { missingBackups: 0, oldestMissing: null } },
      { name: '/mnt/disk', state: 'incomplete', refused: rotten.refused },
      { name: 'Drive', state: 'failed', why: failed.error.message },
    ]);
  });

  test('of a dry run says what would be copied', () => {
    const text = renderText(describeMirror(result([whole], true)).report);
    expect(text).toContain('Mirror: a dry run, for 1 copy');
    expect(text).toContain('would be copied');
  });
});
