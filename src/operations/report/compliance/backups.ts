import type { AllRecords } from '../../../repository/all-records.ts';
import type { BackupSummary, Catalog } from '../../../repository/backups/catalog.ts';
import { manifestKey } from '../../../repository/backups/manifests.ts';
import { recordKey } from '../../../repository/records.ts';
import { isWithin } from '../../../values/period.ts';
import { timeOf } from '../../../values/timed-id.ts';
import type { EvidenceFacts } from './facts.ts';
import type { Evidence } from './result.ts';
import { toTime } from './runs.ts';

/**
 * All backups of the period, by the time in their id: those that are stored, those that a cleanup has removed,
 * and those that records name and that are gone without a record of it.
 */
export function gatherBackups(facts: EvidenceFacts): Evidence['backups'] {
  const isOfPeriod = (id: string) => isWithin(timeOf(id), facts.period);
  const stored = facts.catalog.backups
    .filter(({ id }) => isOfPeriod(id))
    .toSorted((one, other) => one.snapshotAt.getTime() - other.snapshotAt.getTime())
    .map((backup) => describeStored(backup, facts));
  const removed = listRemoved(facts.records).filter(({ id }) => isOfPeriod(id));
  const gone = findGone(facts).filter(({ id }) => isOfPeriod(id));
  return { total: stored.length + removed.length + gone.length, stored, removed, gone };
}

/** Operations that take backups; the first run to name one has made it. */
const makers: ReadonlySet<string> = new Set(['backup', 'capture', 'gate']);

function describeStored(
  backup: BackupSummary,
  { manifests, records }: EvidenceFacts,
): Evidence['backups']['stored'][number] {
  const { id, kind, purpose, snapshotAt, totals, verifiedAt, damagedAt, pinned } = backup;
  const facts = manifests.get(id);
  const maker = records.runs.find(({ content }) => content.backup === id && makers.has(content.operation));
  return {
    ...{ id, evidence: manifestKey(id), sha256: facts?.sha256 ?? null, kind, purpose },
    ...{ takenAt: toTime(snapshotAt), rows: totals.rows, bytes: totals.bytes },
    encryption: facts?.encryption.scheme ?? (backup.encrypted ? 'age' : 'none'),
    recipients: facts?.encryption.scheme === 'age' ? [...facts.encryption.recipients] : [],
    verifiedAt: verifiedAt && toTime(verifiedAt),
    damagedAt: damagedAt && toTime(damagedAt),
    pinned,
    madeBy: maker === undefined ? null : recordKey('runs', maker.id),
  };
}

function listRemoved({ prunes }: AllRecords): Evidence['backups']['removed'] {
  return prunes.flatMap(({ id: record, at, content }) =>
    content.removed.map(({ id, why }) => {
      return { id, at: toTime(at), why, evidence: recordKey('prunes', record) };
    }),
  );
}

/**
 * Finds backups that records name, that are not stored, and that no cleanup of which there is a record has
 * removed. Each has the records that name it.
 */
export function findGone({ catalog, records, vanished }: EvidenceFacts): Evidence['backups']['gone'] {
  const known = new Set([
    ...catalog.backups.map(({ id }) => id),
    ...catalog.damaged.map(({ id }) => id),
    ...listRemoved(records).map(({ id }) => id),
  ]);
  const named = new Map<string, Set<string>>(vanished.map((id) => [id, new Set()]));
  const note = (id: string, key: string) => named.set(id, (named.get(id) ?? new Set()).add(key));
  for (const { id, content } of records.runs)
    if (content.backup !== null && content.outcome !== 'failed') note(content.backup, recordKey('runs', id));
  for (const { id, content } of records.drills) note(content.backup, recordKey('drills', id));
  for (const { id, content } of records.restores) note(content.backup, recordKey('restores', id));
  for (const { id, content } of records.validations)
    for (const backup of content.backups) note(backup.id, recordKey('validations', id));
  for (const { id, content } of records.prunes)
    for (const backup of content.kept ?? []) note(backup, recordKey('prunes', id));
  return [...named]
    .filter(([id]) => !known.has(id))
    .map(([id, evidence]) => ({ id, evidence: [...evidence].sort() }))
    .sort((one, other) => (one.id < other.id ? -1 : 1));
}

/** When a backup was taken: by its manifest, or where that is gone by its id, to the second. */
export function takenAt(id: string, { backups }: Catalog): Date {
  return backups.find((backup) => backup.id === id)?.snapshotAt ?? timeOf(id);
}
