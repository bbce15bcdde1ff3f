import { manifestKey } from '../../../repository/backups/manifests.ts';
import { type NamedRecord, type RecordContent, recordKey } from '../../../repository/records.ts';
import { planRetention } from '../../../repository/retention/policy.ts';
import { keepBases } from '../../../repository/retention/reachable.ts';
import { day, hour, week } from '../../../values/duration.ts';
import { isWithin } from '../../../values/period.ts';
import { formatInterval, type RetentionPolicy } from '../../../values/retention-policy.ts';
import { findGone } from './backups.ts';
import type { EvidenceFacts } from './facts.ts';
import type { Evidence } from './result.ts';
import { findDoer, toTime } from './runs.ts';

type Disposal = Evidence['disposal'];

/** Retention as it is configured, and the proof of what it has removed, and what it has not. */
export function gatherDisposal(facts: EvidenceFacts): Disposal {
  const cleanups = facts.records.prunes
    .filter(({ at }) => isWithin(at, facts.period))
    .map((prune) => describeCleanup(prune, facts));
  const sum = (measure: (cleanup: Disposal['cleanups'][number]) => number) =>
    cleanups.reduce((total, cleanup) => total + measure(cleanup), 0);
  const rules = findRules(facts);
  return {
    rules: rules && { text: tellRules(rules.retention), timeZone: rules.timeZone, source: rules.source },
    cleanups,
    totals: {
      cleanups: cleanups.length,
      backups: sum(({ removed }) => removed.length),
      objects: sum(({ objects }) => objects),
      bytes: sum(({ bytes }) => bytes),
    },
    overdue: rules === null ? [] : findOverdue(rules, facts),
    gone: findGone(facts),
  };
}

function describeCleanup(
  { id, at, content }: NamedRecord<'prunes'>,
  { records }: EvidenceFacts,
): Disposal['cleanups'][number] {
  const { removed, objects, segments, marked, retained, hidden, retention } = content;
  const { actor, run } = findDoer(['cleanup'], at, records.runs);
  return {
    ...{ evidence: recordKey('prunes', id), at: toTime(at), rules: tellRecorded(retention), removed },
    ...{ objects: objects.removed, bytes: objects.bytes, segments: segments ?? null, marked, retained },
    ...{ hiddenBytes: hidden?.bytes ?? null, actor, run },
  };
}

/** What a cleanup keeps where it is not told otherwise, and which its record does not tell */
const usualKeepChanges = 8 * day;

interface Rules {
  readonly retention: RetentionPolicy;
  readonly timeZone: string;
  /** milliseconds */
  readonly keepChanges: number;
  readonly source: 'policy' | 'last cleanup';
}

/** The policy says what stays; without one, the last cleanup says by what it went. */
function findRules({ policy, lastPrune }: EvidenceFacts): Rules | null {
  if (policy !== undefined) return { ...policy, source: 'policy' };
  if (lastPrune === undefined) return null;
  const { retention, timeZone } = lastPrune.content;
  const countOf = (rule: string) => (typeof retention[rule] === 'number' ? retention[rule] : 0);
  return {
    retention: {
      ...{ last: countOf('last'), hourly: countOf('hourly'), daily: countOf('daily') },
      ...{ weekly: countOf('weekly'), monthly: countOf('monthly'), yearly: countOf('yearly') },
      ...{ verified: Math.max(1, countOf('verified')), within: readWithin(retention.within) },
    },
    ...{ timeZone, keepChanges: usualKeepChanges, source: 'last cleanup' },
  };
}

/** Reads `30d` or `36h`, as the record of a cleanup has it; 0 where the rule was off. */
function readWithin(text: string | number | undefined): number {
  const [, digits, unit] = /^(\d+)([hd])$/.exec(String(text)) ?? [];
  return digits === undefined ? 0 : Number(digits) * (unit === 'h' ? hour : day);
}

/** A cleanup that runs once a week or more often leaves nothing longer than that. */
const longestWaitMs = week;

/**
 * Finds backups that the rules did not keep any more at the last cleanup, or a week ago where the last one is
 * longer ago, and that are stored all the same.
 */
function findOverdue(rules: Rules, { catalog, changes, lastPrune, now }: EvidenceFacts): Disposal['overdue'] {
  const asOf = new Date(Math.max(lastPrune?.at.getTime() ?? 0, now.getTime() - longestWaitMs));
  const existing = catalog.backups.filter(({ finishedAt }) => finishedAt < asOf);
  const { retention, timeZone, keepChanges } = rules;
  const planned = planRetention(existing, retention, { now: asOf, timeZone });
  return keepBases(planned, changes, { now: asOf, keepChanges })
    .filter(({ keep }) => !keep)
    .map(({ backup: { id, snapshotAt }, reasons }) => {
      return { id, evidence: manifestKey(id), takenAt: toTime(snapshotAt), why: reasons.join('; ') };
    });
}

/** Writes the rules as the input has them. */
export function tellRules({ within, ...counts }: RetentionPolicy): string {
  const rules = Object.entries(counts).filter(([, value]) => value > 0);
  return [
    ...rules.map(([rule, value]) => `${rule}=${value}`),
    ...(within > 0 ? [`within=${formatInterval(within)}`] : []),
  ].join(' ');
}

function tellRecorded(retention: RecordContent<'prunes'>['retention']): string {
  return Object.entries(retention)
    .filter(([, value]) => value !== 0 && value !== '0h' && value !== '0d')
    .map(([rule, value]) => `${rule}=${value}`)
    .join(' ');
}
