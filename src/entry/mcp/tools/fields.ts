import * as v from 'valibot';
import { count, iso, maybeIso, maybeTime, time } from '../../../interface/fields.ts';
import { type FindingFields, toFindingFields } from '../../../interface/findings/fields.ts';
import {
  type Finding,
  type FindingKind,
  findingKinds,
  type Severity,
  units,
} from '../../../interface/findings/finding.ts';
import { tellPredictedTime } from '../../../interface/findings/telling.ts';
import { formatDuration } from '../../../report/quantity.ts';
import type { BackupSummary } from '../../../repository/backups/catalog.ts';
import type { RecoveryTime } from '../../../repository/backups/recovery-time.ts';

/* Fields that several tools answer with. Null is what is not known or is not there. */

export const maybeCount = v.nullable(count);

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

/** The first of a list, and how many more there are */
export function take<T>(items: readonly T[], most: number): { readonly shown: T[]; readonly more: number } {
  return { shown: items.slice(0, most), more: Math.max(0, items.length - most) };
}

const severities = ['broken', 'warning', 'note'] as const satisfies readonly Severity[];

/** Something that is wrong, or worth knowing */
export const findingSchema = v.strictObject({
  kind: v.picklist(Object.keys(findingKinds) as FindingKind[]),
  severity: v.pipe(
    v.picklist(severities),
    v.description(
      '`broken`: a limit is not met, so the answer is no. `warning`: to be looked at. `note`: good to know.',
    ),
  ),
  limit: v.nullable(v.number()),
  measured: v.pipe(v.nullable(v.number()), v.description('null: it could not be measured, which is not 0')),
  unit: v.picklist(units),
  since: maybeTime,
  sentence: v.string(),
  remedy: v.string(),
});

/** Lists findings, those that are broken first. */
export function listFindings(findings: readonly Finding[]): FindingFields[] {
  const rank = ({ severity }: Finding) => severities.indexOf(severity);
  return findings.toSorted((one, other) => rank(one) - rank(other)).map(toFindingFields);
}
