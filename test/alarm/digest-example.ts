import type { Digest } from '../../src/interface/digest.ts';

/** A week in which a shop was backed up well, and one capture failed. */
export const exampleDigest: Digest = {
  from: new Date('2026-11-13T02:18:00Z'),
  to: new Date('2026-11-20T02:18:00Z'),
  location: 's3://bucket/production',
  runs: [
    { operation: 'backup', succeeded: 7, failed: 0 },
    { operation: 'capture', succeeded: 167, failed: 1 },
    { operation: 'drill', succeeded: 1, failed: 0 },
    { operation: 'cleanup', succeeded: 7, failed: 0 },
  ],
  backups: { count: 7, addedBytes: 77_400_000 },
  newest: {
    ...{ id: '20261120T021700Z-7f3a', takenAt: new Date('2026-11-20T02:17:00Z') },
    ...{ rows: 2_400_000, bytes: 2_160_000_000 },
  },
  recoverableTo: new Date('2026-11-20T02:17:31Z'),
  storedBytes: 714_723_300,
  monthGrowthBytes: 331_000_000,
  lastDrill: {
    ...{ at: new Date('2026-11-17T05:09:00Z'), backup: '20261117T021700Z-0c44' },
    ...{ passed: true, recovery: 251_000 },
  },
  lastVerified: new Date('2026-11-17T05:09:00Z'),
  findings: [
    {
      ...{ kind: 'max-age', severity: 'note', remedy: 'Nothing needs to be done.' },
      sentence: 'the newest backup is 1 min 00 s old, and max-age is at most 26 h 00 min.',
    },
    {
      ...{ kind: 'hidden-versions', severity: 'warning', remedy: 'Set a lifecycle rule.' },
      sentence: 'the bucket keeps versions of what the last cleanup removed.',
    },
  ],
  removals: [
    {
      ...{ backup: '20261112T021700Z-91d0', takenAt: new Date('2026-11-12T02:17:00Z') },
      reasons: ['daily: 20261112T141700Z-0a0b is newer in 2026-11-12'],
    },
  ],
};
