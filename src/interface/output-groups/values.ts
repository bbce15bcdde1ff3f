import * as v from 'valibot';
import { count, time } from '../fields.ts';
import { type FindingKind, findingKinds } from '../findings/finding.ts';

/* What the values of outputs look like in `--json`; null, which any of them may be, is not told here. */

/** A number that is not negative: of seconds, days, dollars and the like */
export const amount = v.pipe(v.number(), v.minValue(0));

/** A part of a whole, from 0 to 1 */
export const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

export const text = v.string();
export const yesOrNo = v.boolean();

export const backupId = v.pipe(v.string(), v.regex(/^\d{8}T\d{6}Z-[0-9a-f]{4}$/));

/** What `status` and `managed` find, each kind with its unit and the severities that it may have */
export const findings = v.array(
  v.variant('kind', (Object.keys(findingKinds) as FindingKind[]).map(describeKind)),
);

function describeKind(kind: FindingKind) {
  const { severities, unit } = findingKinds[kind];
  return v.strictObject({
    kind: v.literal(kind),
    severity: v.picklist(severities),
    limit: v.nullable(v.number()),
    measured: v.pipe(v.nullable(v.number()), v.description('null: it could not be measured, which is not 0')),
    unit: v.literal(unit),
    since: v.nullable(time),
    sentence: text,
    remedy: text,
  });
}

/** Which of the two layers is better to bring something back */
export const layer = v.picklist(['platform', 'repository', 'both', 'neither', 'not measured']);

/** A backup in a list, and what a cleanup with the same retention would do with it */
export const listedBackup = v.strictObject({
  id: backupId,
  kind: v.picklist(['full', 'incremental', 'schema']),
  purpose: v.pipe(text, v.description('`safety`: taken of a database that a restore was about to empty')),
  label: v.nullable(text),
  snapshotAt: v.pipe(time, v.description('The backup has the database as of then')),
  startedAt: time,
  finishedAt: time,
  base: v.pipe(v.nullable(backupId), v.description('What an incremental backup was built upon')),
  fullBecause: v.pipe(v.nullable(text), v.description('Why an incremental backup read everything')),
  serverVersion: v.pipe(count, v.description('As `server_version_num`, such as 170006')),
  encrypted: v.boolean(),
  rows: count,
  bytes: v.pipe(count, v.description('Before compression')),
  storedBytes: count,
  newBytes: v.pipe(count, v.description('Of the stored bytes, those that this backup stored first')),
  pinned: v.boolean(),
  verifiedAt: v.nullable(time),
  damagedAt: v.nullable(time),
  drilled: v.nullable(
    v.strictObject({
      at: time,
      passed: v.boolean(),
      recovery: v.pipe(v.nullable(amount), v.description('milliseconds')),
    }),
  ),
  keep: v.boolean(),
  reasons: v.array(text),
});

const valueCounts = v.strictObject({
  objects: count,
  backups: count,
  changes: count,
  signatures: count,
  records: count,
});

/** Files of a repository that could not be copied or healed */
export const refusals = v.array(v.strictObject({ key: text, why: text }));

/**
 * What became of a copy of a repository, or how it stands. `failed`: it could not be read or written at all.
 * What is optional is of a run that wrote.
 */
export const copyOutcomes = v.array(
  v.variant('state', [
    v.strictObject({ name: text, location: text, state: v.literal('failed'), why: text }),
    v.strictObject({
      name: text,
      location: text,
      state: v.picklist(['complete', 'incomplete']),
      isNew: v.optional(v.pipe(v.boolean(), v.description('Whether the repository was made there now'))),
      copied: v.optional(valueCounts),
      bytes: v.optional(count),
      checked: v.optional(v.strictObject({ byStore: count, byReading: count })),
      refused: v.optional(refusals),
      lag: v.strictObject({
        newest: v.pipe(v.nullable(backupId), v.description('The newest backup that the copy has')),
        missingBackups: count,
        missingChanges: count,
        missingBytes: v.nullable(count),
        oldestMissing: v.nullable(backupId),
      }),
    }),
  ]),
);

/** What `doctor` examined */
export const checks = v.array(
  v.strictObject({
    area: v.picklist(['platform', 'database', 'storage', 'keys', 'workflows', 'channels']),
    name: text,
    subject: v.nullable(text),
    state: v.picklist(['ok', 'warning', 'failed', 'unchecked']),
    reason: text,
    remedy: v.nullable(text),
  }),
);

/** Rows of the records in a database that are not as the repository has them */
export const recordDifferences = v.array(
  v.strictObject({
    kind: v.picklist(['missing', 'different', 'surplus']),
    table: text,
    id: text,
    part: v.pipe(text, v.description('The measure, where a record has several rows; otherwise empty')),
  }),
);
