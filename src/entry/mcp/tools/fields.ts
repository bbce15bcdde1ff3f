import * as v from 'valibot';
import type { Manifest } from '../../../format/manifest.ts';
import { tellPredictedTime } from '../../../interface/findings/telling.ts';
import { formatDuration } from '../../../report/quantity.ts';
import type { BackupSummary } from '../../../repository/backups/catalog.ts';
import type { RecoveryTime } from '../../../repository/backups/recovery-time.ts';

/* Fields that several tools answer with. Times are ISO 8601, null is what is not known or is not there. */

export const time = v.pipe(v.string(), v.description('ISO 8601'));
export const maybeTime = v.nullable(time);
/** A whole number, of rows, bytes, milliseconds and the like */
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
export const maybeCount = v.nullable(count);

export function iso(time: Date): string {
  return time.toISOString();
}

export function maybeIso(time: Date | null | undefined): string | null {
  return time?.toISOString() ?? null;
}

/** A backup in a list */
export const outline = {
  id: v.string(),
  kind: v.picklist(['full', 'incremental', 'schema']),
  purpose: v.pipe(
    v.string(),
    v.description('`safety`: taken of a database that a restore was about to empty; only its id means it.'),
  ),
  label: v.pipe(v.nullable(v.string()), v.description('Written by whoever took it.')),
  snapshotAt: v.pipe(v.string(), v.description('The backup has the database as of then; ISO 8601')),
  rows: count,
  bytes: v.pipe(count, v.description('Before compression')),
  storedBytes: count,
  encrypted: v.boolean(),
  pinned: v.boolean(),
  verifiedAt: v.pipe(maybeTime, v.description('When all of it was last read back and found whole')),
  damagedAt: v.pipe(
    maybeTime,
    v.description('When it was found damaged; such a backup is not to be counted on'),
  ),
  drill: v.nullable(v.strictObject({ at: time, passed: v.boolean(), recoveryMilliseconds: maybeCount })),
} satisfies v.ObjectEntries;

export function toOutline(backup: BackupSummary) {
  const { id, kind, purpose, label, snapshotAt, totals, encrypted, pinned, drilled } = backup;
  return {
    ...{ id, kind, purpose, label, snapshotAt: iso(snapshotAt) },
    ...{ rows: totals.rows, bytes: totals.bytes, storedBytes: totals.stored, encrypted, pinned },
    ...{ verifiedAt: maybeIso(backup.verifiedAt), damagedAt: maybeIso(backup.damagedAt) },
    drill: drilled && {
      at: iso(drilled.at),
      passed: drilled.passed,
      recoveryMilliseconds: drilled.recovery === null ? null : Math.round(drilled.recovery),
    },
  };
}

/** How long a recovery takes */
export const recoverySchema = v.strictObject({
  basis: v.pipe(
    v.picklist(['measured', 'predicted', 'unmeasured']),
    v.description(
      '`measured`: by the newest drill that passed. `predicted`: by the speed of restores or backups.',
    ),
  ),
  milliseconds: maybeCount,
  sentence: v.string(),
});

export function toRecovery(recovery: RecoveryTime): v.InferOutput<typeof recoverySchema> {
  switch (recovery.kind) {
    case 'measured': {
      const sentence = `${formatDuration(recovery.milliseconds)}, as the last drill that passed measured with ${recovery.backup}`;
      return { basis: 'measured', milliseconds: Math.round(recovery.milliseconds), sentence };
    }
    case 'predicted': {
      const { prediction } = recovery;
      const sentence = `not measured; ${tellPredictedTime(prediction)} for all of the newest backup`;
      return { basis: 'predicted', milliseconds: Math.round(prediction.milliseconds), sentence };
    }
    case 'unmeasured':
      return { basis: 'unmeasured', milliseconds: null, sentence: 'not measured: run a drill' };
  }
}

/** A table of a backup. The name is as `include` takes it. */
export const tableSchema = v.strictObject({ name: v.string(), rows: count, bytes: count });

/** What a backup or a restore does not carry */
export const omissionSchema = v.strictObject({ what: v.string(), why: v.string(), remedy: v.string() });

export function toOmissions(omissions: Manifest['notCarried'], most: number) {
  return omissions.slice(0, most).map(({ what, why, remedy }) => ({ what, why, remedy }));
}

/** The first of a list, and how many more there are */
export function take<T>(items: readonly T[], most: number): { readonly shown: T[]; readonly more: number } {
  return { shown: items.slice(0, most), more: Math.max(0, items.length - most) };
}
