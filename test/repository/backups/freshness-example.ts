import type { BackupSummary } from '../../../src/repository/backups/catalog.ts';
import { makeManifest } from '../example.ts';

export const now = new Date('2026-11-20T12:00:00Z');
export const hour = 3_600_000;
export const ago = (hours: number) => new Date(now.getTime() - hours * hour);

/** A backup of some hours ago; a test names only what it is about. */
export function shelve(hours: number, overrides: Partial<BackupSummary> = {}): BackupSummary {
  const at = ago(hours);
  return {
    id: `${at.toISOString().replace(/[-:]|\.\d+/g, '')}-0000`,
    kind: 'full',
    purpose: 'ordinary',
    label: null,
    snapshotAt: at,
    startedAt: at,
    finishedAt: new Date(at.getTime() + 60_000),
    base: null,
    fullBecause: null,
    totals: { rows: 1000, bytes: 5000, stored: 2000, added: 2000 },
    serverVersion: 150018,
    source: { ...makeManifest().source, snapshotAt: at.toISOString() },
    encrypted: false,
    pinned: false,
    verifiedAt: null,
    damagedAt: null,
    drilled: null,
    ...overrides,
  };
}
