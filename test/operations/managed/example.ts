import { ManagementApi } from '../../../src/management/api.ts';
import { type ManagedFacts, readManagedFacts } from '../../../src/management/facts.ts';
import { toOwnLayer } from '../../../src/operations/managed/own-layer.ts';
import type { OwnLayer } from '../../../src/operations/managed/result.ts';
import { measureFreshness } from '../../../src/repository/backups/freshness.ts';
import { findWindows } from '../../../src/repository/changes/recoverable.ts';
import { ago, now, shelve } from '../../repository/backups/freshness-example.ts';
import type { FakeManagement } from '../../support/fake-management.ts';
import { makeClock } from '../../support/fake-management.ts';

/** Asks the stand-in with a clock that only sleeping moves. */
export function connectFake({ url, token }: FakeManagement, clock = makeClock(now)): ManagementApi {
  return new ManagementApi({ token, root: url, env: {}, clock, signal: new AbortController().signal });
}

/** What the stand-in says of its project, at the time of the examples */
export function askFake(platform: FakeManagement): Promise<ManagedFacts> {
  return readManagedFacts(connectFake(platform), platform.project.ref, now);
}

/**
 * The layer of a repository with a backup a night, of which a drill has taken five minutes.
 *
 * @param hours since the newest
 * @param captured hours since the last capture, and since the last transaction in it; undefined: none are made
 */
export function makeOwnLayer(
  hours = 9.7,
  captured?: { readonly capture: number; readonly commit: number },
): OwnLayer {
  const backups = Array.from({ length: 14 }, (_, index) => shelve(hours + 24 * index));
  const passed = { outcome: 'passed', why: null, recovery: 251_000 } as const;
  const content = { backup: backups[3]?.id ?? '', phases: {}, parity: true, ...passed };
  const drills = [
    { at: ago(80), storedAt: ago(80), content: { ...content, checks: { asked: 0, failed: [] } } },
  ];
  const freshness = measureFreshness({ backups, damaged: [] }, [], drills, { now, warn: () => undefined });
  const windows =
    captured === undefined
      ? findWindows(freshness.usable, [])
      : [{ from: ago(9 * 24).toISOString(), to: ago(captured.capture).toISOString(), gap: null }];
  return toOwnLayer({
    ...{ location: 's3://bucket/production', freshness, restores: [] },
    recoverable: { windows, damaged: [], captured: captured !== undefined },
    newestCommit: captured && ago(captured.commit),
  });
}
