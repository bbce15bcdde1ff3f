import { createHash } from 'node:crypto';
import { tellFinding } from '../../../interface/findings/telling.ts';
import { readValue } from '../../../management/facts.ts';
import { manifestKey } from '../../../repository/backups/manifests.ts';
import { type NamedRecord, recordKey } from '../../../repository/records.ts';
import { toolName, toolVersion } from '../../../runtime/version.ts';
import { timeOf } from '../../../values/timed-id.ts';
import { findEnds } from '../../managed/result.ts';
import { gatherBackups } from './backups.ts';
import { controls } from './controls.ts';
import { gatherDisposal } from './disposal.ts';
import type { EvidenceFacts } from './facts.ts';
import { listGaps } from './gaps.ts';
import { gatherAlarms, gatherEncryption, gatherIntegrity, gatherPins } from './proofs.ts';
import { gatherDrills, gatherRestores } from './recoveries.ts';
import type { Evidence } from './result.ts';
import { gatherRuns, toTime } from './runs.ts';
import { judgeSchedule } from './schedule.ts';

/** Puts together the evidence of a period. Reads nothing: the same facts give the same evidence. */
export function assembleEvidence(facts: EvidenceFacts): Evidence {
  const header = describeHeader(facts);
  const { runsRecordedSince } = header;
  const backups = gatherBackups(facts);
  const gathered = {
    format: 1 as const,
    header,
    controls,
    scope: describeScope(facts),
    runs: gatherRuns(facts),
    schedule: judgeSchedule(facts, runsRecordedSince === null ? undefined : new Date(runsRecordedSince)),
    backups,
    platform: describePlatform(facts),
    drills: gatherDrills(facts),
    restores: gatherRestores(facts),
    disposal: gatherDisposal(facts),
    encryption: gatherEncryption(backups, facts),
    integrity: gatherIntegrity(facts),
    pins: gatherPins(facts),
    alarms: gatherAlarms(facts),
    unreadable: facts.unreadable.map(({ key, message }) => ({ key, message })),
  };
  return { ...gathered, gaps: listGaps(gathered) };
}

function describeHeader({ period, now, by, repository, policy, records }: EvidenceFacts): Evidence['header'] {
  const since = findFirstRun(repository.keys, records.runs);
  return {
    period: { from: toTime(period.from), to: toTime(period.to), isOver: period.to <= now },
    timeZone: 'UTC',
    generatedAt: toTime(now),
    generatedBy: {
      actor: by.actor,
      run: by.run === undefined ? null : { url: by.run.url, attempt: by.run.attempt },
    },
    tool: { name: toolName, version: toolVersion },
    repository: {
      ...{ id: repository.id, location: repository.location, createdAt: toTime(repository.createdAt) },
      digest: { sha256: digestKeys(repository.keys), files: repository.keys.length, of: digestOf },
    },
    policy: policy === undefined ? null : { file: policy.file, sha256: policy.sha256 },
    runsRecordedSince: since && toTime(since),
  };
}

/** Finds when the oldest recorded run began, or ended where its record is older than the period, and was not read. */
function findFirstRun(keys: readonly string[], read: readonly NamedRecord<'runs'>[]): Date | null {
  const oldest = keys.find((key) => key.startsWith('records/runs/'));
  if (oldest === undefined) return null;
  const record = read.find(({ id }) => recordKey('runs', id) === oldest);
  return record === undefined
    ? timeOf(oldest.slice('records/runs/'.length))
    : new Date(record.content.startedAt);
}

/** What the digest of a repository is of, for whoever makes it again. */
const digestOf =
  'SHA-256 over the keys below backups/ and records/ that end in .json, sorted by bytes, each with a line feed behind it';

export function digestKeys(keys: readonly string[]): string {
  return createHash('sha256')
    .update(keys.map((key) => `${key}\n`).join(''))
    .digest('hex');
}

/** What the platform says of its own backups, and what is wrong with them; what was not read is null. */
function describePlatform({ managed }: EvidenceFacts): Evidence['platform'] {
  if (managed === undefined) return null;
  const { facts, platform, findings } = managed;
  const ends = findEnds(platform);
  return {
    at: toTime(facts.at),
    projectRef: facts.ref,
    projectStatus: readValue(facts.project)?.status ?? null,
    plan: readValue(facts.plan) ?? null,
    layer: platform.kind === 'unread' ? null : platform.kind,
    from: ends === undefined ? null : toTime(ends.oldest),
    to: ends === undefined ? null : toTime(ends.newest),
    backups: platform.kind === 'daily' ? platform.count : null,
    retentionDays: readValue(facts.entitlements)?.retentionDays ?? null,
    findings: findings.map((finding) => {
      const { kind, severity } = finding;
      return { kind, severity, sentence: tellFinding(finding).sentence };
    }),
  };
}

/** What no backup of this tool has in it, whatever its settings. */
const neverCarried = [
  'Files of Supabase Storage: the rows about them are carried, the files are not.',
  'What the platform keeps outside of the database: settings and secrets of the project, and edge functions. Of it all a backup may carry the root key of Vault, encrypted, and says where it does not.',
  'Passwords of roles, which only a superuser may read.',
  'Access to the storage and to the database by other means than this tool: see the logs of their providers.',
];

function describeScope({
  database,
  repository,
  policy,
  catalog,
  manifests,
  newest,
  managed,
}: EvidenceFacts): Evidence['scope'] {
  const backup = catalog.backups.find(({ id }) => id === newest?.id);
  return {
    database,
    source: { ...repository.source },
    storages: [repository.location],
    newest:
      backup === undefined
        ? null
        : {
            evidence: manifestKey(backup.id),
            sha256: manifests.get(backup.id)?.sha256 ?? null,
            takenAt: toTime(backup.snapshotAt),
            tables: newest?.tables ?? null,
            rows: backup.totals.rows,
          },
    notCarried: (newest?.notCarried ?? []).map(({ what, why, remedy }) => ({ what, why, remedy })),
    notInScope: [
      ...(policy?.others ?? []).map(
        (name) => `Database ${name} of the same policy: it has evidence of its own.`,
      ),
      ...neverCarried,
      ...(managed === undefined ? ['Backups that Supabase makes by itself: it was not asked.'] : []),
    ],
  };
}
