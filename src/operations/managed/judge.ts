import {
  type Finding,
  findingKinds,
  type Severity,
  type UnreadPart,
} from '../../interface/findings/finding.ts';
import { factNames, isPassing, type ManagedFacts, readValue } from '../../management/facts.ts';
import type { ManagementFailure } from '../../management/failure.ts';
import type { BackupListing } from '../../management/project.ts';
import { hour } from '../../values/duration.ts';
import { type Choice, endsOf, type Managed, type OwnLayer, type PlatformLayer } from './result.ts';

/** What the layers are judged by. */
export interface ManagedLimits {
  /** How old the newest backup may be, and how far the layers may be apart; milliseconds */
  readonly maxAge: number;
}

/** How far the end of a window may be behind a transaction that is known; milliseconds. It lags by minutes. */
const windowLag = hour;

/** What a finding without a limit or measure has in common with others */
const bare = { limit: undefined, measured: undefined, since: undefined } as const;

/**
 * Judges what the platform says of its backups, beside the layer of the repository. Reads nothing itself; the
 * only place that judges.
 */
export function judgeManaged(facts: ManagedFacts, own: OwnLayer | undefined, limits: ManagedLimits): Managed {
  const platform = findLayer(facts);
  const order = Object.keys(findingKinds);
  const found: readonly (Finding | undefined)[] = [
    findOff(facts, platform),
    findLate(facts, platform, own, limits),
    ...findFailed(facts, platform),
    ...findEnding(facts),
    findOutOfStep(facts, platform, own, limits),
    findUnread(facts),
  ];
  const findings = found
    .filter((finding) => finding !== undefined)
    .sort((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind));
  return { facts, platform, own, choices: own && choose(platform, own), findings };
}

/**
 * Finds what the platform can restore. A list that is empty means physical backups, of which only a window is
 * told; without point-in-time recovery just its end can be restored.
 */
function findLayer(facts: ManagedFacts): PlatformLayer {
  const listing = readValue(facts.backups);
  if (listing === undefined) return { kind: 'unread' };
  if (hasNone(facts)) return { kind: 'none' };
  const { isPitr, earliest, latest } = listing;
  if (isPitr === true)
    return earliest === undefined || latest === undefined
      ? { kind: 'none' }
      : { kind: 'pitr', from: earliest, to: latest };
  return findDaily(listing);
}

function findDaily({ backups, earliest, latest }: BackupListing): PlatformLayer {
  const completed = backups.filter(({ status }) => status === 'COMPLETED');
  const [newest] = completed;
  const oldest = completed.at(-1);
  if (newest !== undefined && oldest !== undefined) {
    const later = backups.filter(({ at }) => at > newest.at).map(({ status, at }) => ({ status, at }));
    return { kind: 'daily', oldest: oldest.at, newest: newest.at, count: completed.length, later };
  }
  if (backups.length > 0 || latest === undefined) return { kind: 'none' };
  return { kind: 'daily', oldest: earliest ?? latest, newest: latest, count: 1, later: [] };
}

/** Whether the plan has no backups that its owner could restore, whatever is listed. */
function hasNone(facts: ManagedFacts): boolean {
  const days = readValue(facts.entitlements)?.retentionDays;
  return days === undefined ? readValue(facts.plan) === 'free' : days === 0;
}

function findOff(facts: ManagedFacts, platform: PlatformLayer): Finding | undefined {
  if (platform.kind !== 'none') return undefined;
  const why = hasNone(facts) ? 'plan' : 'none';
  return { kind: 'managed-off', severity: 'broken', ...bare, measured: 0, why, plan: readValue(facts.plan) };
}

function findLate(
  facts: ManagedFacts,
  platform: PlatformLayer,
  own: OwnLayer | undefined,
  { maxAge }: ManagedLimits,
): Finding | undefined {
  if (isPaused(facts)) return undefined;
  const late = { kind: 'managed-late', severity: 'broken' } as const;
  if (platform.kind === 'daily') {
    const { newest } = platform;
    const measured = facts.at.getTime() - newest.getTime();
    const since = new Date(newest.getTime() + maxAge);
    return measured <= maxAge
      ? undefined
      : { ...late, limit: maxAge, measured, since, newest, what: 'backup' };
  }
  if (platform.kind !== 'pitr' || own?.newestCommit === undefined) return undefined;
  // Of an idle database the window ends at its last transaction, however old that is.
  const { to: newest } = platform;
  const measured = own.newestCommit.getTime() - newest.getTime();
  const since = new Date(newest.getTime() + windowLag);
  return measured <= windowLag
    ? undefined
    : { ...late, limit: windowLag, measured, since, newest, what: 'window' };
}

function findFailed(facts: ManagedFacts, platform: PlatformLayer): Finding[] {
  const failed = { kind: 'managed-failed', severity: 'broken', limit: undefined } as const;
  const found: Finding[] = [];
  if (readValue(facts.project)?.status === 'RESTORE_FAILED')
    found.push({ ...failed, measured: undefined, since: undefined, what: 'restore', completed: undefined });
  const ended = (readValue(facts.backups)?.backups ?? []).filter(({ status }) => status !== 'PENDING');
  const first = ended.findIndex(({ status }) => status !== 'FAILED');
  const run = first === -1 ? ended : ended.slice(0, first);
  if (run.length > 0 && !hasNone(facts)) {
    const completed = platform.kind === 'daily' ? platform.newest : undefined;
    found.push({ ...failed, measured: run.length, since: run.at(-1)?.at, what: 'backup', completed });
  }
  return found;
}

const pausedStates: ReadonlySet<string> = new Set(['INACTIVE', 'PAUSING']);
const goingStates: ReadonlySet<string> = new Set(['REMOVED', 'GOING_DOWN']);

function isPaused(facts: ManagedFacts): boolean {
  return pausedStates.has(readValue(facts.project)?.status ?? '');
}

function findEnding(facts: ManagedFacts): Finding[] {
  const listing = readValue(facts.backups);
  const ending = { kind: 'managed-ending', ...bare } as const;
  const found: Finding[] = [];
  if (isPaused(facts)) found.push({ ...ending, severity: 'warning', why: 'paused' });
  if (goingStates.has(readValue(facts.project)?.status ?? ''))
    found.push({ ...ending, severity: 'warning', why: 'going' });
  const daily = (listing?.backups ?? []).filter(({ status }) => status === 'COMPLETED');
  if (listing?.isPitr === true && daily.length > 0)
    found.push({ ...ending, severity: 'note', measured: daily.length, why: 'pitr-replaces-daily' });
  return found;
}

/** Compares the newest points of both layers. What is late already is not told once more. */
function findOutOfStep(
  facts: ManagedFacts,
  platform: PlatformLayer,
  own: OwnLayer | undefined,
  { maxAge: limit }: ManagedLimits,
): Finding | undefined {
  if (own === undefined || (platform.kind !== 'daily' && platform.kind !== 'pitr')) return undefined;
  const ofPlatform = endsOf(platform).newest;
  const step = { kind: 'managed-out-of-step', severity: 'warning', limit, ofPlatform } as const;
  const ofRepository = own.newest;
  if (ofRepository === undefined)
    return { ...step, measured: undefined, since: undefined, behind: 'repository', ofRepository };
  const ahead = ofPlatform.getTime() - ofRepository.getTime();
  if (ahead > limit)
    return { ...step, measured: ahead, since: undefined, behind: 'repository', ofRepository };
  // The end of a window is told by transactions, and an idle database has none: `managed-late` knows better.
  const isTold = findLate(facts, platform, own, { maxAge: limit }) !== undefined;
  if (platform.kind === 'pitr' || isTold || -ahead <= limit) return undefined;
  return { ...step, measured: -ahead, since: undefined, behind: 'platform', ofRepository };
}

/** Tells what was not read. That a plan does not tell its schedule is no fault of anybody. */
function findUnread(facts: ManagedFacts): Finding | undefined {
  const unread = factNames.flatMap((part): UnreadPart[] => {
    const fact = facts[part];
    if (fact.kind !== 'unread' || fact.failure.reason === 'entitlement') return [];
    const { failure } = fact;
    // A time of the daily backup that is not there was never set.
    if (part === 'schedule' && failure.reason === 'missing') return [];
    return [{ part, cause: toCause(failure), missing: failure.details.missing }];
  });
  if (unread.length === 0) return undefined;
  const severity = unread.some(({ cause }) => cause === 'foreign') ? 'broken' : weighBackups(facts);
  return { kind: 'managed-unreadable', severity, ...bare, measured: unread.length, unread };
}

/** Without the list of backups nothing is known of them, and without the rest enough. */
function weighBackups({ backups }: ManagedFacts): Severity {
  if (backups.kind !== 'unread') return 'note';
  return isPassing(backups.failure) ? 'warning' : 'broken';
}

function toCause(failure: ManagementFailure): UnreadPart['cause'] {
  if (isPassing(failure)) return 'passing';
  switch (failure.reason) {
    case 'unauthorized':
    case 'forbidden':
      return 'permission';
    case 'missing':
      return 'absent';
    case 'foreign':
    case 'future':
      return failure.reason;
    default:
      return 'unclear';
  }
}

/** Says which layer brings back what. How long the platform takes nobody measures. */
function choose(platform: PlatformLayer, own: OwnLayer): Choice[] {
  const alone = own.newest === undefined ? ('neither' as const) : ('repository' as const);
  const ofParts: readonly Choice[] = [
    { loss: 'part', better: alone },
    { loss: 'deleted-project', better: alone },
  ];
  if (platform.kind === 'unread' || platform.kind === 'none') {
    const better: Choice['better'] = platform.kind === 'unread' ? 'not measured' : alone;
    const losses = ['newest-point', 'older-point', 'whole-project'] as const;
    return [...losses.map((loss) => ({ loss, better })), ...ofParts];
  }
  const { newest, oldest } = endsOf(platform);
  const compare = (one: Date, other: Date | undefined, sign: 1 | -1): Choice['better'] => {
    const difference = other === undefined ? 1 : sign * (one.getTime() - other.getTime());
    return difference === 0 ? 'both' : difference > 0 ? 'platform' : 'repository';
  };
  return [
    { loss: 'newest-point', better: compare(newest, own.newest, 1) },
    { loss: 'older-point', better: compare(oldest, own.oldest, -1) },
    { loss: 'whole-project', better: own.newest === undefined ? 'platform' : 'both' },
    ...ofParts,
  ];
}
