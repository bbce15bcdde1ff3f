/*
 * What is found about the backups of a database, in one list: a report, an exit code, a metric and an alarm
 * that render the same list cannot disagree.
 */

/**
 * `broken`: a limit that was asked for is not met, or captures have ended, which is exit code 3. `warning`: something should be
 * looked at. `note`: nothing is wrong, and it is worth knowing, as a limit that is met.
 */
export type Severity = 'broken' | 'warning' | 'note';

/** What `limit` and `measured` count */
export const units = ['milliseconds', 'bytes', 'rows', 'backups', 'segments', 'runs', 'parts'] as const;
export type Unit = (typeof units)[number];

/** Every kind of finding, with the severities that it can have. The order is that of the list. */
export const findingKinds = {
  'max-age': { severities: ['broken', 'note'], unit: 'milliseconds' },
  'verified-within': { severities: ['broken', 'note'], unit: 'milliseconds' },
  'drilled-within': { severities: ['broken', 'note'], unit: 'milliseconds' },
  'slot-lost': { severities: ['broken'], unit: 'bytes' },
  'slot-lag': { severities: ['warning'], unit: 'bytes' },
  'managed-off': { severities: ['broken'], unit: 'backups' },
  'managed-late': { severities: ['broken'], unit: 'milliseconds' },
  'managed-failed': { severities: ['broken'], unit: 'backups' },
  'managed-ending': { severities: ['warning', 'note'], unit: 'backups' },
  'managed-out-of-step': { severities: ['warning'], unit: 'milliseconds' },
  'managed-unreadable': { severities: ['broken', 'warning', 'note'], unit: 'parts' },
  'late-schedule': { severities: ['warning'], unit: 'milliseconds' },
  'disabled-schedule': { severities: ['warning'], unit: 'milliseconds' },
  'failed-runs': { severities: ['warning'], unit: 'runs' },
  'late-copy': { severities: ['warning'], unit: 'milliseconds' },
  'old-backup': { severities: ['warning'], unit: 'milliseconds' },
  'damaged-changes': { severities: ['warning'], unit: 'segments' },
  shrinkage: { severities: ['warning'], unit: 'rows' },
  'unusual-duration': { severities: ['warning'], unit: 'milliseconds' },
  'unusual-size': { severities: ['warning'], unit: 'bytes' },
  'unusual-rows': { severities: ['warning'], unit: 'rows' },
  'unreadable-manifests': { severities: ['warning'], unit: 'backups' },
  'damaged-backups': { severities: ['warning'], unit: 'backups' },
  'vanished-backups': { severities: ['warning'], unit: 'backups' },
  'hidden-versions': { severities: ['warning'], unit: 'bytes' },
  'mixed-encryption': { severities: ['warning'], unit: 'backups' },
  'failed-drill': { severities: ['warning'], unit: 'milliseconds' },
  'slow-recovery': { severities: ['warning'], unit: 'milliseconds' },
  'unmeasured-recovery': { severities: ['note'], unit: 'milliseconds' },
} as const satisfies Record<string, { readonly severities: readonly Severity[]; readonly unit: Unit }>;

export type FindingKind = keyof typeof findingKinds;

/** What a finding says besides its measure. Ids are newest first, those of vanished backups oldest first. */
interface Facts {
  'max-age': {
    /** What is the newest point to go back to, whose age is limited */
    readonly newestPoint: 'backup' | 'changes';
  };
  'verified-within': object;
  'drilled-within': object;
  /** The server has given the slot of captures up. */
  'slot-lost': { readonly slot: string; readonly seenAt: Date };
  /** The slot of captures uses half of what the server keeps for it, which is the limit. */
  'slot-lag': {
    readonly slot: string;
    /** bytes that could still be written when it was seen; below 0 when it was to be lost any moment */
    readonly safeBytes: number;
    readonly seenAt: Date;
  };
  /** The platform keeps no backup that could be restored: the plan has none, or there is none. */
  'managed-off': { readonly why: 'plan' | 'none'; readonly plan: string | undefined };
  /** The platform's newest backup, or the end of its window, is too old. */
  'managed-late': {
    readonly newest: Date;
    /** What is late; for a window, after the newest transaction that is known */
    readonly what: 'backup' | 'window';
  };
  /** The platform's newest backups have failed, or the last restore of the project has. */
  'managed-failed': { readonly what: 'backup' | 'restore'; readonly completed: Date | undefined };
  /** The platform takes no further backups of the kind, or its backups go. */
  'managed-ending': { readonly why: 'paused' | 'going' | 'pitr-replaces-daily' };
  /** The newest points of the two layers are too far apart. Undefined: there is none */
  'managed-out-of-step': {
    readonly behind: 'repository' | 'platform';
    readonly ofRepository: Date | undefined;
    readonly ofPlatform: Date;
  };
  /** What the platform could not be asked about its backups */
  'managed-unreadable': { readonly unread: readonly UnreadPart[] };
  /** No run of the kind has succeeded for longer than from one due time to the next. One finding for each kind. */
  'late-schedule': { readonly job: string; readonly crons: readonly string[]; readonly timeZone: string };
  /** GitHub does not start the workflow. One finding for each workflow. */
  'disabled-schedule': {
    readonly workflow: string;
    readonly jobs: readonly string[];
    readonly state: 'disabled' | 'not on GitHub';
  };
  /**
   * Several runs in a row ended in an error, and none has come to its end since. One finding for each kind:
   * types of backups, captures and drills.
   */
  'failed-runs': { readonly job: string /** The failure class of the newest */; readonly lastClass: string };
  /** A copy lacks a backup for longer than `max-age`, or cannot be read. One finding for each copy. */
  'late-copy': {
    readonly copy: string;
    readonly missingBackups: number;
    /** Id of the oldest one; undefined where the copy could not be read */
    readonly oldestMissing: string | undefined;
    /** Why it could not be read; undefined where it was */
    readonly why: string | undefined;
  };
  /** Everything after the newest backup is in captured changes alone. */
  'old-backup': object;
  'damaged-changes': { readonly keys: readonly string[] };
  shrinkage: RowLoss;
  'unusual-duration': Comparison;
  /** Of what is stored, after compression */
  'unusual-size': Comparison;
  'unusual-rows': Comparison;
  'unreadable-manifests': { readonly ids: readonly string[] };
  'damaged-backups': { readonly ids: readonly string[] };
  /** These backups are gone although no cleanup removed them. */
  'vanished-backups': { readonly ids: readonly string[] };
  /** The bucket keeps versions of what the last cleanup removed. */
  'hidden-versions': { readonly objects: number };
  /** Some backups are encrypted and some are not. */
  'mixed-encryption': { readonly all: number; readonly newestPlain: string };
  'failed-drill': { readonly backup: string; readonly why: string | null };
  /** The newest drill that passed took longer than it was allowed to; since when all that passed did */
  'slow-recovery': { readonly backup: string };
  /** No drill has measured how long a recovery takes. */
  'unmeasured-recovery': { readonly prediction: RecoveryPrediction | undefined };
}

/** A part of what the platform says of its backups that could not be read. */
export interface UnreadPart {
  readonly part: 'project' | 'backups' | 'schedule' | 'pitrDays' | 'plan' | 'entitlements';
  /**
   * `permission`: the token may not, or is not known; `absent`: there is no such project for it; `passing`: no
   * answer now; `foreign`: an answer about another project; `future`: one with a time that has not come; `unclear`:
   * another answer than expected, or a refusal
   */
  readonly cause: 'permission' | 'absent' | 'passing' | 'foreign' | 'future' | 'unclear';
  /** Permissions that a token with scopes lacks, as far as the platform names them */
  readonly missing: readonly string[];
}

/** How long a recovery may take, from the size of the newest backup and a speed that was measured. */
export interface RecoveryPrediction {
  readonly milliseconds: number;
  /** What the speed is of: whole restores; or full backups, which is a lower bound */
  readonly basis: 'restores' | 'full-backups';
  /** bytes of the newest backup, before compression */
  readonly bytes: number;
  readonly bytesPerSecond: number;
  /** Of how many runs the speed is the median */
  readonly runs: number;
}

/** The newest backup has far fewer rows than the one before. */
export interface RowLoss {
  /** Id of the backup before */
  readonly before: string;
  readonly rowsBefore: number;
  readonly rowsAfter: number;
}

/** What a backup is compared by with earlier ones */
export type TrendMeasure = 'duration' | 'size' | 'rows';

/** The newest backup is unlike earlier ones of its kind; the limit is what is still usual. */
export interface Comparison {
  readonly backup: string;
  readonly backupKind: 'full' | 'incremental' | 'schema';
  readonly direction: 'jump' | 'drop';
  /** Of the earlier backups */
  readonly median: number;
  /** How many earlier backups were compared */
  readonly points: number;
}

/** A finding of the kind. Numbers are in the unit of the kind. */
export type FindingOf<Kind extends FindingKind> = {
  [K in Kind]: Facts[K] & {
    readonly kind: K;
    readonly severity: (typeof findingKinds)[K]['severities'][number];
    /** Undefined where there is none */
    readonly limit: number | undefined;
    /** Undefined where nothing could be measured, which is never 0 */
    readonly measured: number | undefined;
    /** Since when it is so; undefined when that is not known, and for a limit that is met */
    readonly since: Date | undefined;
  };
}[Kind];

export type Finding = FindingOf<FindingKind>;

/** The findings that are limits which a user asks for; each kind is the name of its input. */
export const limitKinds = ['max-age', 'verified-within', 'drilled-within'] as const;
export type LimitKind = (typeof limitKinds)[number];

export function isLimit(finding: Finding): finding is FindingOf<LimitKind> {
  return limitKinds.some((kind) => kind === finding.kind);
}
