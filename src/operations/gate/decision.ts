import type { GateInputs } from '../../interface/inputs/types.ts';
import type { JudgedLimit } from '../../repository/backups/freshness.ts';
import { minute } from '../../values/duration.ts';

/** What lets a release pass, or what stands in its way. */
export type Decision =
  | { readonly kind: 'pass' }
  /** A backup mends all that is wrong. */
  | { readonly kind: 'back-up'; readonly why: readonly string[]; readonly pin: boolean }
  | { readonly kind: 'stop'; readonly missing: readonly Missing[] };

export interface Missing {
  readonly what: string;
  readonly remedy: string;
}

/** milliseconds: how old the backup may be that one goes back to after a migration that destroys data */
export const ownBackupWithin = 15 * minute;

/**
 * A backup that is taken now mends an age, and nothing else: what was never read back, or restored, is not proven by another one. So nothing
 * is taken for a release that could not pass all the same.
 */
export function decide({
  judged,
  age,
  isDestructive,
  unseen = [],
  onStale,
}: {
  readonly judged: readonly JudgedLimit[];
  /** milliseconds since the newest usable backup; undefined when there is none */
  readonly age: number | undefined;
  readonly isDestructive: boolean;
  /** What of the migrations could not be looked at: it may destroy anything, and no backup makes it known. */
  readonly unseen?: readonly Missing[];
  readonly onStale: GateInputs['onStale'];
}): Decision {
  const broken = judged.filter(({ met }) => !met).map(({ input }) => input);
  const why = [
    ...(broken.includes('max-age')
      ? [age === undefined ? 'there is no backup to go back to' : 'the newest backup is older than max-age']
      : []),
    ...(isDestructive && !(age !== undefined && age <= ownBackupWithin)
      ? ['a migration destroys data, and there is no backup of the last 15 minutes to go back to']
      : []),
  ];
  const unproven = [...unseen, ...broken.flatMap((input) => (input === 'max-age' ? [] : [proofs[input]]))];
  if (why.length === 0 && unproven.length === 0) return { kind: 'pass' };
  if (onStale === 'backup' && unproven.length === 0) return { kind: 'back-up', why, pin: isDestructive };
  const stale = why.map((what) => ({
    what,
    remedy:
      onStale === 'backup'
        ? 'The gate takes one once nothing else is missing.'
        : 'Run `backup`, or set on-stale to backup.',
  }));
  return { kind: 'stop', missing: [...unproven, ...stale] };
}

const proofs: Readonly<Record<'verified-within' | 'drilled-within', Missing>> = {
  'verified-within': {
    what: 'no backup was verified within verified-within',
    remedy: 'Run `validate` with the default share, which reads all of it, or `drill`.',
  },
  'drilled-within': {
    what: 'no drill has passed within drilled-within',
    remedy: 'Run `drill`, and see why the last one failed if it did.',
  },
};
