import * as v from 'valibot';
import { gapKinds } from './gap-kinds.ts';

/*
 * The evidence of a period, as its JSON has it: schema/compliance.schema.json is made from this schema. Every
 * other form of the report renders this value. `null` is what is not known, or does not apply.
 */

const text = v.string();
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const time = v.pipe(
  text,
  v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  v.description('ISO 8601, UTC'),
);
const sha256 = v.pipe(text, v.regex(/^[0-9a-f]{64}$/));
const backup = v.pipe(text, v.regex(/^\d{8}T\d{6}Z-[0-9a-f]{4}$/), v.description('id of a backup'));
const milliseconds = v.pipe(v.number(), v.integer(), v.minValue(0), v.description('milliseconds'));
const evidence = v.pipe(
  text,
  v.regex(/^(records|backups)\/[\w/.-]+\.json$/),
  v.description('key of a file in the storage'),
);
const nullable = <Schema extends v.GenericSchema>(schema: Schema) => v.nullable(schema);

const run = v.strictObject({ url: text, attempt: v.nullable(count) });

/** A recovery objective and what was measured */
const objective = v.strictObject({
  target: nullable(milliseconds),
  measured: nullable(milliseconds),
  verdict: v.picklist(['met', 'not met', 'no target', 'not measured']),
});

/** Whether a failure was made good */
const followUp = v.pipe(
  v.strictObject({ evidence, at: time }),
  v.description('the next run of the same operation that succeeded'),
);

const issueNumber = v.pipe(count, v.description('of the failure issue that names this run'));

const gap = v.strictObject({
  kind: v.picklist(gapKinds),
  from: nullable(time),
  to: nullable(time),
  text,
  evidence: v.array(evidence),
});

const header = v.strictObject({
  period: v.strictObject({ from: time, to: time, isOver: v.boolean() }),
  timeZone: v.literal('UTC'),
  generatedAt: time,
  generatedBy: v.strictObject({ actor: text, run: nullable(run) }),
  tool: v.strictObject({ name: text, version: text }),
  repository: v.strictObject({
    id: text,
    location: text,
    createdAt: time,
    digest: v.strictObject({ sha256, files: count, of: text }),
  }),
  policy: nullable(v.strictObject({ file: text, sha256 })),
  /** When the oldest run began of which there is a record; where it is older than the period, when it ended */
  runsRecordedSince: nullable(time),
});

const control = v.strictObject({
  section: text,
  soc2: v.array(text),
  iso27001: v.array(text),
  nist: v.array(text),
  gdpr: v.array(text),
});

const scope = v.strictObject({
  database: text,
  source: v.strictObject({ database: text, systemIdentifier: text }),
  storages: v.array(text),
  newest: nullable(
    v.strictObject({
      evidence,
      sha256: nullable(sha256),
      takenAt: time,
      tables: nullable(count),
      rows: count,
    }),
  ),
  notCarried: v.array(v.strictObject({ what: text, why: text, remedy: text })),
  notInScope: v.array(text),
});

const tally = { total: count, done: count, no: count, failed: count };

const runs = v.strictObject({
  ...tally,
  byOperation: v.array(v.strictObject({ operation: text, ...tally })),
  byActor: v.array(v.strictObject({ actor: text, total: count })),
  list: v.array(
    v.strictObject({
      evidence,
      operation: text,
      startedAt: time,
      endedAt: time,
      outcome: v.picklist(['done', 'no', 'failed']),
      exitCode: count,
      failure: nullable(v.strictObject({ class: text, message: text, next: nullable(text) })),
      followUp: nullable(followUp),
      issue: nullable(issueNumber),
      backup: nullable(backup),
      backupType: nullable(text),
      actor: text,
      run: nullable(run),
      host: text,
      version: text,
    }),
  ),
});

const job = v.strictObject({
  job: text,
  crons: v.array(text),
  /** Due times of the period that are over */
  due: count,
  ran: count,
  missed: count,
  /** Due before runs were recorded, and of which nothing else tells */
  unjudged: count,
  gaps: v.array(v.strictObject({ from: time, to: time, due: count })),
});

const schedule = v.strictObject({ timeZone: text, jobs: v.array(job), notJudged: v.array(text) });

const storedBackup = v.strictObject({
  id: backup,
  evidence,
  sha256: nullable(sha256),
  kind: text,
  purpose: text,
  takenAt: time,
  rows: count,
  bytes: count,
  encryption: text,
  recipients: v.array(text),
  verifiedAt: nullable(time),
  damagedAt: nullable(time),
  pinned: v.boolean(),
  madeBy: nullable(evidence),
});

const removedBackup = v.strictObject({ id: backup, at: time, why: text, evidence });
const goneBackup = v.strictObject({ id: backup, evidence: v.array(evidence) });

/** Every backup of the period: what is stored, removed and gone adds up to the total. */
const backups = v.strictObject({
  total: count,
  stored: v.array(storedBackup),
  removed: v.array(removedBackup),
  gone: v.array(goneBackup),
});

const recovery = {
  evidence,
  backup,
  backupTakenAt: time,
  startedAt: nullable(time),
  endedAt: time,
  recoveredTo: nullable(text),
  actor: nullable(text),
  run: nullable(run),
  /** The record of the run in which it happened */
  recordedRun: nullable(evidence),
  target: nullable(text),
  rto: objective,
  rpo: objective,
  why: nullable(text),
  phases: v.record(text, count),
};

const drill = v.strictObject({
  ...recovery,
  scope: v.literal('whole backup'),
  outcome: v.picklist(['passed', 'failed']),
  fault: nullable(text),
  parity: v.picklist(['equal', 'different', 'not compared']),
  checks: v.strictObject({ asked: count, failed: v.array(text) }),
  nextPassed: nullable(v.strictObject({ evidence, at: time })),
});

const approval = v.strictObject({ by: text, state: text, environments: v.array(text) });

const restore = v.strictObject({
  ...recovery,
  scope: v.picklist(['whole backup', 'a part']),
  targetKind: nullable(text),
  environment: nullable(text),
  wordsTyped: nullable(v.boolean()),
  safetyBackup: nullable(backup),
  triedBefore: v.array(v.strictObject({ backup, why: nullable(text) })),
  outcome: v.picklist(['equal', 'different', 'unverified', 'failed']),
  approvals: v.pipe(nullable(v.array(approval)), v.description('null: nobody asked, or nobody knows')),
});

const disposal = v.strictObject({
  /** What the rules are, and who says so */
  rules: nullable(v.strictObject({ text, timeZone: text, source: v.picklist(['policy', 'last cleanup']) })),
  cleanups: v.array(
    v.strictObject({
      evidence,
      at: time,
      rules: text,
      removed: v.array(v.strictObject({ id: backup, why: text })),
      objects: count,
      bytes: count,
      segments: nullable(count),
      marked: count,
      retained: count,
      hiddenBytes: nullable(count),
      actor: nullable(text),
      run: nullable(run),
    }),
  ),
  totals: v.strictObject({ cleanups: count, backups: count, objects: count, bytes: count }),
  overdue: v.array(v.strictObject({ id: backup, evidence, takenAt: time, why: text })),
  gone: v.array(goneBackup),
});

const encryption = v.strictObject({
  encrypted: count,
  unencrypted: count,
  /** Backups of the period that are not stored any more */
  unknown: count,
  recipients: v.array(v.strictObject({ recipient: text, backups: count })),
  keyHeld: v.picklist(['repository', 'outside']),
});

const integrity = v.array(
  v.strictObject({
    evidence,
    at: time,
    share: v.number(),
    passed: v.array(backup),
    damaged: v.array(backup),
    opened: count,
    damagedObjects: count,
    /** Keys of segments of captured changes */
    damagedChanges: v.array(text),
    retracted: v.array(backup),
    actor: nullable(text),
    run: nullable(run),
  }),
);

const pins = v.array(
  v.strictObject({
    evidence,
    at: time,
    backup,
    pinned: v.boolean(),
    actor: nullable(text),
    run: nullable(run),
  }),
);

const alarms = v.strictObject({
  configured: nullable(v.array(text)),
  raised: v.array(
    v.strictObject({
      evidence,
      at: time,
      operation: text,
      class: text,
      endedBy: nullable(followUp),
      issue: nullable(issueNumber),
    }),
  ),
  /** Failure issues that were open in the period; null: nobody asked, or nobody knows */
  issues: nullable(
    v.array(
      v.strictObject({ number: count, url: text, title: text, openedAt: time, closedAt: nullable(time) }),
    ),
  ),
});

const unreadable = v.array(v.strictObject({ key: text, message: text }));

/** Backups that the platform takes by itself, as it tells them; null: it was not asked */
const platform = v.nullable(
  v.strictObject({
    at: time,
    projectRef: text,
    projectStatus: nullable(text),
    plan: nullable(text),
    layer: v.nullable(v.picklist(['daily', 'pitr', 'none'])),
    from: nullable(time),
    to: nullable(time),
    backups: nullable(count),
    retentionDays: nullable(v.number()),
    findings: v.array(
      v.strictObject({
        kind: text,
        severity: v.picklist(['broken', 'warning', 'note']),
        sentence: text,
      }),
    ),
  }),
);

export const evidenceSchema = v.strictObject({
  format: v.literal(1),
  header,
  gaps: v.array(gap),
  controls: v.array(control),
  ...{ scope, runs, schedule: nullable(schedule), backups, platform },
  drills: v.array(drill),
  restores: v.array(restore),
  ...{ disposal, encryption, integrity, pins, alarms, unreadable },
});

export type Evidence = v.InferOutput<typeof evidenceSchema>;
export type Gap = Evidence['gaps'][number];
export type RunEvidence = Evidence['runs']['list'][number];
export type DrillEvidence = Evidence['drills'][number];
export type RestoreEvidence = Evidence['restores'][number];
export type Objective = DrillEvidence['rto'];
export type RunLink = v.InferOutput<typeof run>;
