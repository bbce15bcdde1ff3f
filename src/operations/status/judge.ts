import { gapWindow, listFailures, measureGap, measureLoss } from '../../repository/backups/findings.ts';
import { measureAges } from '../../repository/backups/freshness.ts';
import { measureGrowth } from '../../repository/backups/growth.ts';
import { measureRecovery } from '../../repository/backups/recovery-time.ts';
import { measureSuccessRate } from '../../repository/backups/success-rate.ts';
import { measureTrends } from '../../repository/backups/trends.ts';
import { sumStored } from '../../repository/stored-bytes.ts';
import { judgeManaged } from '../managed/judge.ts';
import { toOwnLayer } from '../managed/own-layer.ts';
import { findAttempts } from './attempts.ts';
import { estimateEgress, estimateStorageCost } from './costs.ts';
import type { StatusFacts } from './facts.ts';
import { listFindings } from './findings.ts';
import { judgeSchedules } from './kept-schedules.ts';
import type { Status } from './result.ts';
import { findSlot } from './slot.ts';

/** Measures and judges what was read. Reads nothing itself. */
export function judgeStatus(facts: StatusFacts): Status {
  const { location, freshness, recoverable, stored, prune, restores, runs, now } = facts;
  const { usable, verified, drilled, catalog } = freshness;
  const ages = measureAges(freshness, now, facts.createdAt);
  const recovery = measureRecovery(freshness, restores);
  const trends = measureTrends(usable);
  const growth = measureGrowth(usable, now);
  const schedules = judgeSchedules(facts);
  const slot = findSlot(facts.slotNow, runs);
  const managed = facts.managed && judgeManaged(facts.managed, toOwnLayer(facts), facts.limits);
  return {
    ...{ location, at: now, usable, verified, drilled, ages, recoverable, stored },
    findings: listFindings(facts, { ages, recovery, trends, schedules, slot, managed }),
    ...{ recovery, trends, growth, schedules, slot, managed },
    successRate: measureSuccessRate({ runs, unread: facts.unreadRuns }, now),
    attempts: findAttempts(runs),
    ...(facts.copies === undefined ? {} : { copies: facts.copies }),
    cost: estimateStorageCost(sumStored(stored), growth, facts.price),
    egress: estimateEgress(usable),
    loss: measureLoss(recoverable.windows, now),
    gap: findGap(facts),
    counts: {
      unusable: catalog.backups.length - usable.length,
      damaged: catalog.damaged.length + catalog.backups.filter(({ damagedAt }) => damagedAt !== null).length,
    },
    lastDrill: freshness.drills.at(-1),
    lastCleanup: prune && {
      at: prune.at,
      removed: prune.content.removed.length,
      freed: prune.content.objects.bytes,
    },
    failures: listFailures(freshness, restores, runs),
  };
}

/**
 * Measures the gap, and says whether a cleanup has removed backups since: what retention removed is no gap of
 * the schedule, but it cannot be recovered either.
 */
function findGap({ recoverable, prune, now }: StatusFacts): Status['gap'] {
  const gap = measureGap(recoverable.windows, now);
  const isCleaned =
    prune !== undefined && prune.content.removed.length > 0 && now.getTime() - prune.at.getTime() < gapWindow;
  return gap && { ...gap, isCleaned };
}
