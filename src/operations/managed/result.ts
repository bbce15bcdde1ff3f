import type { Finding } from '../../interface/findings/finding.ts';
import type { ManagedFacts } from '../../management/facts.ts';
import type { RecoveryTime } from '../../repository/backups/recovery-time.ts';

/** Both layers of backups of one project: the platform's, and those of the repository. */
export interface Managed {
  readonly facts: ManagedFacts;
  readonly platform: PlatformLayer;
  /** Undefined: no repository was looked at */
  readonly own: OwnLayer | undefined;
  /** Which layer brings back what; undefined without a second layer to compare with */
  readonly choices: readonly Choice[] | undefined;
  /** About the platform's backups, in the order of `findingKinds` */
  readonly findings: readonly Finding[];
}

/** What the platform can restore. */
export type PlatformLayer =
  /** Not measured: the list of backups could not be read. */
  | { readonly kind: 'unread' }
  /** Nothing that its owner could restore */
  | { readonly kind: 'none' }
  /** Single times: a backup a day */
  | {
      readonly kind: 'daily';
      readonly oldest: Date;
      readonly newest: Date;
      readonly count: number;
      /** Those after it that failed, or are not done yet */
      readonly later: readonly { readonly status: string; readonly at: Date }[];
    }
  /** Any second of a window */
  | { readonly kind: 'pitr'; readonly from: Date; readonly to: Date };

/** What the repository can restore. */
export interface OwnLayer {
  /** Of the storage */
  readonly location: string;
  /** The newest and the oldest point to go back to; undefined without a backup */
  readonly newest: Date | undefined;
  readonly oldest: Date | undefined;
  /** Whether any second of captured changes can be recovered */
  readonly isCaptured: boolean;
  /** How many backups there are to go back to */
  readonly backups: number;
  readonly recovery: RecoveryTime;
  /** The newest transaction that captures have seen; undefined: none is known */
  readonly newestCommit: Date | undefined;
}

/** What may have to be brought back. */
export type Loss = 'newest-point' | 'older-point' | 'whole-project' | 'part' | 'deleted-project';

/**
 * Which layer is better for a loss. `platform`, `repository`: it alone can, or loses less. `both`: neither is
 * better by what is known. `neither`: no layer can.
 */
export interface Choice {
  readonly loss: Loss;
  readonly better: 'platform' | 'repository' | 'both' | 'neither' | 'not measured';
}

/** Whether nothing about the platform's backups is broken. */
export function isSound({ findings }: Pick<Managed, 'findings'>): boolean {
  return findings.every(({ severity }) => severity !== 'broken');
}

/** The oldest and the newest time that a layer can restore */
export function endsOf(layer: Extract<PlatformLayer, { kind: 'daily' | 'pitr' }>): {
  readonly oldest: Date;
  readonly newest: Date;
} {
  return layer.kind === 'daily' ? layer : { oldest: layer.from, newest: layer.to };
}

/** The same of any layer; undefined where it can restore nothing, or that is not known */
export function findEnds(layer: PlatformLayer): ReturnType<typeof endsOf> | undefined {
  return layer.kind === 'daily' || layer.kind === 'pitr' ? endsOf(layer) : undefined;
}
