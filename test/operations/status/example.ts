import type { StatusFacts } from '../../../src/operations/status/facts.ts';
import { judgeStatus } from '../../../src/operations/status/judge.ts';
import type { Status } from '../../../src/operations/status/result.ts';
import type { BackupSummary } from '../../../src/repository/backups/catalog.ts';
import { measureFreshness } from '../../../src/repository/backups/freshness.ts';
import { findWindows } from '../../../src/repository/changes/recoverable.ts';
import { ago, hour, now } from '../../repository/backups/freshness-example.ts';

/** The status of a repository with these backups and nothing else, newest first, at the time of the examples. */
export function weigh(backups: readonly BackupSummary[], overrides: Partial<StatusFacts> = {}): Status {
  const freshness = measureFreshness({ backups, damaged: [] }, [], [], { now, warn: () => undefined });
  return judgeStatus({
    location: './backups',
    limits: { maxAge: 26 * hour, verifiedWithin: undefined, drilledWithin: undefined },
    freshness,
    recoverable: { windows: findWindows(freshness.usable, []), damaged: [], captured: false },
    stored: { objects: 120_000, manifests: 3000, changes: 200, records: 250, others: 6 },
    price: undefined,
    vanished: [],
    prune: undefined,
    restores: [],
    ...{ runs: [], unreadRuns: 0, createdAt: ago(1000), capturedThrough: undefined },
    ...{ schedules: undefined, slotNow: undefined, managed: undefined },
    newestCommit: undefined,
    now,
    ...overrides,
  });
}
