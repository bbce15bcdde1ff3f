import type { NamedRecord, RecordContent } from '../repository/records.ts';

/*
 * What a record of the repository is as rows: a function of the record alone, so that rows can be compared
 * with the repository at any time. The fields are the columns of the tables.
 */

/** The kinds of records that have rows */
export const recordedKinds = ['runs', 'restores', 'drills'] as const;
export type RecordedKind = (typeof recordedKinds)[number];

export interface JobRow {
  readonly id: string;
  readonly repository: string;
  readonly operation: string;
  readonly backup_type: string | null;
  readonly backup_id: string | null;
  readonly status: 'done' | 'no' | 'failed';
  readonly exit_code: number;
  readonly started_at: string;
  readonly completed_at: string;
  readonly rows: number | null;
  readonly bytes: number | null;
  readonly stored_bytes: number | null;
  readonly new_bytes: number | null;
  readonly objects: number | null;
  readonly failure_class: string | null;
  readonly message: string | null;
  readonly remedy: string | null;
  readonly actor: string;
  readonly run_url: string | null;
  readonly run_attempt: number | null;
  readonly host: string;
  readonly tool_version: string;
  readonly record: object;
}

export interface MetricRow {
  readonly job_id: string;
  readonly name: string;
  readonly value: number;
  readonly measured_at: string;
}

export interface RestoreRow {
  readonly id: string;
  readonly repository: string;
  readonly kind: 'restore' | 'drill';
  readonly backup_id: string;
  readonly status: 'passed' | 'different' | 'failed';
  /** Null when it was not compared */
  readonly parity: boolean | null;
  readonly message: string | null;
  readonly target: string | null;
  readonly environment: string | null;
  readonly whole: boolean;
  readonly recovered_to: string | null;
  readonly safety_backup_id: string | null;
  readonly recovery_seconds: number | null;
  readonly duration_seconds: number | null;
  readonly completed_at: string;
  readonly actor: string | null;
  readonly run: string | null;
  readonly confirmed: boolean | null;
  readonly record: object;
}

/** Rows by their tables, in the order in which they can be inserted */
export interface RecordRows {
  readonly backup_jobs: readonly JobRow[];
  readonly backup_metrics: readonly MetricRow[];
  readonly restore_operations: readonly RestoreRow[];
}

/** A record of one of the kinds that have rows */
export type RecordWithRows = {
  [Kind in RecordedKind]: NamedRecord<Kind> & { readonly kind: Kind };
}[RecordedKind];

/** @param repository id of the repository of the records */
export function toRows(repository: string, records: readonly RecordWithRows[]): RecordRows {
  return {
    backup_jobs: records.flatMap((record) => (record.kind === 'runs' ? [toJob(repository, record)] : [])),
    backup_metrics: records.flatMap((record) => (record.kind === 'runs' ? toMetrics(record) : [])),
    restore_operations: records.flatMap((record) => {
      if (record.kind === 'restores') return [toRestore(repository, record)];
      return record.kind === 'drills' ? [toDrill(repository, record)] : [];
    }),
  };
}

function toJob(repository: string, { id, content }: NamedRecord<'runs'>): JobRow {
  return {
    ...{ id, repository, operation: content.operation },
    ...{ backup_type: content.backupType, backup_id: content.backup },
    status: content.outcome,
    exit_code: Math.min(content.exitCode, largestInteger),
    started_at: toTime(content.startedAt),
    completed_at: toTime(content.endedAt),
    rows: content.rows ?? null,
    bytes: content.bytes ?? null,
    stored_bytes: content.storedBytes ?? null,
    new_bytes: content.newBytes ?? null,
    objects: content.objects ?? null,
    failure_class: content.failure?.class ?? null,
    message: content.failure?.message ?? null,
    remedy: content.failure?.next ?? null,
    actor: content.actor,
    run_url: content.run?.url ?? null,
    run_attempt: content.run === null ? null : Math.min(content.run.attempt, largestInteger),
    host: content.host,
    tool_version: content.version,
    record: content,
  };
}

/** Of PostgreSQL's `int`. A record could say more, and one that cannot be stored would hold up those after it. */
const largestInteger = 2_147_483_647;

/** Names that a phase may have; others can come from no version of this tool. */
const phaseName = /^[\w .-]{1,60}$/;

function toMetrics({ id, content }: NamedRecord<'runs'>): MetricRow[] {
  const phases = Object.entries(content.phases ?? {}).filter(
    ([phase]) => phase !== 'total' && phaseName.test(phase),
  );
  const measures: Readonly<Record<string, number | undefined>> = {
    duration_seconds: (Date.parse(content.endedAt) - Date.parse(content.startedAt)) / 1000,
    rows: content.rows,
    bytes: content.bytes,
    stored_bytes: content.storedBytes,
    new_bytes: content.newBytes,
    objects: content.objects,
    ...Object.fromEntries(phases.map(([phase, ms]) => [`phase_${phase}_seconds`, ms / 1000])),
  };
  const measured_at = toTime(content.endedAt);
  return Object.entries(measures).flatMap(([name, value]) =>
    value === undefined ? [] : [{ job_id: id, name, value, measured_at }],
  );
}

function toRestore(repository: string, { id, at, content }: NamedRecord<'restores'>): RestoreRow {
  const { outcome } = content;
  return {
    ...{ id, repository, kind: 'restore', backup_id: content.backup },
    status: outcome === 'failed' || outcome === 'different' ? outcome : 'passed',
    parity: outcome === 'equal' || outcome === 'different' ? outcome === 'equal' : null,
    message: content.why,
    target: content.target,
    environment: content.environment ?? null,
    whole: content.whole,
    recovered_to: toPointInTime(content.recoveredTo),
    safety_backup_id: content.safetyBackup ?? null,
    recovery_seconds: null,
    duration_seconds: toSeconds(content.phases.total),
    completed_at: at.toISOString(),
    actor: content.actor,
    run: content.run,
    confirmed: content.confirmed ?? null,
    record: content,
  };
}

/** Who started a drill, and where, is in the row of its run. */
function toDrill(repository: string, { id, at, content }: NamedRecord<'drills'>): RestoreRow {
  return {
    ...{ id, repository, kind: 'drill', backup_id: content.backup },
    status: judgeDrill(content),
    parity: content.parity,
    message: content.why,
    ...{ target: null, environment: null, whole: true },
    recovered_to: toPointInTime(content.recoveredTo),
    safety_backup_id: null,
    recovery_seconds: toSeconds(content.recovery ?? undefined),
    duration_seconds: toSeconds(content.phases.total),
    completed_at: at.toISOString(),
    ...{ actor: null, run: null, confirmed: null },
    record: content,
  };
}

function judgeDrill({ outcome, parity }: RecordContent<'drills'>): RestoreRow['status'] {
  if (outcome === 'passed') return 'passed';
  return parity === false ? 'different' : 'failed';
}

function toSeconds(milliseconds: number | undefined): number | null {
  return milliseconds === undefined ? null : milliseconds / 1000;
}

/** JavaScript takes the 30th of February for a day in March, and PostgreSQL refuses it. */
function toTime(written: string): string {
  return new Date(written).toISOString();
}

/** Keeps all six digits of a point in time; what is none, which no version of this tool writes, is left out. */
function toPointInTime(written: string | null | undefined): string | null {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/.test(written ?? '') ? (written as string) : '';
  const read = new Date(time);
  return !Number.isNaN(read.getTime()) && read.toISOString().startsWith(time.slice(0, 19)) ? time : null;
}
