import type { ManagedFacts } from '../../../src/management/facts.ts';
import { toOwnLayer } from '../../../src/operations/managed/own-layer.ts';
import type { OwnLayer } from '../../../src/operations/managed/result.ts';
import { measureFreshness } from '../../../src/repository/backups/freshness.ts';
import { findWindows } from '../../../src/repository/changes/recoverable.ts';
import { ago, now, shelve } from '../../repository/backups/freshness-example.ts';

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

const read = <Value>(value: Value) => ({ kind: 'read' as const, value });

/** What the platform says of a project with a backup a day, without asking anybody */
export function makeFacts(overrides: Partial<ManagedFacts> = {}): ManagedFacts {
  return {
    ...{ ref: 'abcdefghijklmnopqrst', at: now },
    project: read({
      ...{ name: 'shop', status: 'ACTIVE_HEALTHY', region: 'eu-central-1', organization: 'acme-inc' },
      createdAt: undefined,
    }),
    backups: read({
      ...{ isPitr: false, earliest: undefined, latest: undefined },
      backups: Array.from({ length: 7 }, (_, index) => {
        return { status: 'COMPLETED', at: ago(9 + 24 * index), isPhysical: true };
      }),
    }),
    ...{ schedule: read('03:00:00'), pitrDays: read(null), plan: read('enterprise') },
    entitlements: read({ retentionDays: 30, isCloneable: true }),
    ...overrides,
  };
}
