import type { Operation } from '../../src/interface/inputs/operations.ts';
import type { Outcome } from '../../src/interface/outcome.ts';
import { describeHeard } from '../../src/operations/alarm/report.ts';
import { describeBackup } from '../../src/operations/backup/report.ts';
import type { BackupResult } from '../../src/operations/backup/result.ts';
import { describeCapture } from '../../src/operations/capture/report.ts';
import type { CaptureResult } from '../../src/operations/capture/result.ts';
import { describeList } from '../../src/operations/catalog/list-report.ts';
import { describePinning } from '../../src/operations/catalog/pin-report.ts';
import { describeShown } from '../../src/operations/catalog/show-report.ts';
import { describeCleanup } from '../../src/operations/cleanup/report.ts';
import type { Cleanup } from '../../src/operations/cleanup/result.ts';
import { describeDiagnosis } from '../../src/operations/doctor/report.ts';
import { describeDrill } from '../../src/operations/drill/report.ts';
import { judgeDrill } from '../../src/operations/drill/result.ts';
import { reportEstimate } from '../../src/operations/estimate/report.ts';
import { describeGate } from '../../src/operations/gate/report.ts';
import { describeSetUp } from '../../src/operations/init/report.ts';
import { describeMadeKey } from '../../src/operations/keygen/report.ts';
import { judgeManaged } from '../../src/operations/managed/judge.ts';
import { describeManaged } from '../../src/operations/managed/report.ts';
import { describeManagedRestore } from '../../src/operations/managed-restore/report.ts';
import type { EndedRestore } from '../../src/operations/managed-restore/result.ts';
import { describeMirror } from '../../src/operations/mirror/report.ts';
import { describeRecords } from '../../src/operations/records/report.ts';
import { describeRepair } from '../../src/operations/repair/report.ts';
import { describeWritten } from '../../src/operations/report/file-report.ts';
import { describeRestore } from '../../src/operations/restore/report.ts';
import type { Restored } from '../../src/operations/restore/result.ts';
import { previewSchedule } from '../../src/operations/schedule/outlook.ts';
import { describeSchedule } from '../../src/operations/schedule/report.ts';
import { describeAside } from '../../src/operations/side-restore/report.ts';
import { describeStatus } from '../../src/operations/status/report.ts';
import { describeValidation } from '../../src/operations/validate/report.ts';
import type { Validation } from '../../src/operations/validate/result.ts';
import { noValues } from '../../src/repository/copies/outcome.ts';
import type { Attempt } from '../../src/restorer/trial/attempt.ts';
import { StorageError } from '../../src/runtime/errors.ts';
import { makeLine, makeParity, makeScope, makeSupplement } from '../parity/example.ts';
import { ago, now, shelve } from '../repository/backups/freshness-example.ts';
import { makeSegment } from '../repository/changes-example.ts';
import { makeManifest } from '../repository/example.ts';
import { planOf } from '../schedule/setting.ts';
import { exampleEstimate } from './doctor/example.ts';
import { makeGateResult } from './gate/example.ts';
import { makeFacts, makeOwnLayer } from './managed/layers-example.ts';
import { makeState } from './restore/example.ts';
import { weigh } from './status/example.ts';

/** A report, and the words that its verdict has to have */
export interface ToldReport {
  readonly verdict: RegExp;
  readonly outcome: Outcome;
}

const durations = { preflight: 100, rows: 0, indexes: 900, total: 1000 };
const manifest = makeManifest({ label: 'before the move', pin: true, durations });
const target = 'postgres@db.example.com:5432/shop';
const state = makeState({ target });
const taken: BackupResult = {
  ...{ manifest, reuse: undefined, mismatches: [], rootKey: 'none', addedBytes: 77, elapsed: 1234 },
};
const attempt: Attempt = {
  ...{ manifest, backup: manifest.id, until: undefined, recovery: 4000, parity: makeParity() },
  phases: { database: 100, checks: 0, command: 0, total: 5000 },
  ...{ notCarried: [], notes: [], checks: [], command: undefined, failure: undefined },
};
const no = { checks: [{ sql: 'SELECT 1 > 2', passed: false, answer: 'false' }] };
const different = makeParity({ tables: [makeLine({ status: 'different' })] });
const scope = {
  ...makeScope({ tables: manifest.tables }),
  ...{ manifest, target, supplement: makeSupplement(), notes: [] },
};
const restored: Restored = {
  ...{ kind: 'restored', manifest, state, scope, elapsed: 1234, parity: makeParity(), checks: [] },
  ...{ attempts: [attempt], safetyBackup: { id: '20261120T021600Z-0001', storage: 's3://safety/shop' } },
  ...{ left: [], ungiven: [], usableAfter: 17_500, rootKey: { kind: 'unneeded' } },
  phases: { preflight: 100, 'large objects': 0, total: 1234 },
};
const segment = makeSegment({ transactions: 3, changes: 5, barrier: null });
const captured: CaptureResult = {
  ...{ segments: [segment], keyless: [], from: segment.from, throughBefore: undefined, lost: undefined },
  slot: {
    ...{ name: 'supabase_backup_0123', confirmed: segment.from, retainedBytes: 2000, safeBytes: null },
    ...{ walStatus: 'reserved', isActive: false, unusable: false },
  },
  ...{ isEncrypted: true, addedBytes: 10, elapsed: 1234 },
  ending: { kind: 'reached', base: manifest.id },
};
const cleanup: Cleanup = {
  ...{ kind: 'done', ending: { kind: 'complete' }, storage: 's3://bucket/shop', gracePeriod: 86_400_000 },
  decisions: [{ backup: shelve(900), keep: false, reasons: ['older than every rule'] }],
  ...{ backups: 3, vanished: [], cleared: [], removed: [shelve(900).id], hiddenFiles: 0, versions: 0 },
  ...{ changes: { segments: 0, removed: 0, window: undefined }, waiting: [], retained: [] },
  ...{ swept: { objects: 2, bytes: 2048 }, hidden: { objects: 0, bytes: 0 } },
};
const validation: Validation = {
  ...{ backups: 12, broken: new Set(), segments: 0, objects: 40, objectsChecked: 40, read: 4000 },
  ...{ archives: 1, encryption: 'opened', damages: [], unread: [], instead: undefined, curable: undefined },
  elapsed: 1234,
};
const damage = {
  ...{ backup: manifest.id, segment: null, where: 'objects' as const },
  ...{
    part: 'table public.orders, pages 1 to 20,000',
    how: 'object objects/aa/aabb: its SHA-256 is another',
  },
};
const ended: EndedRestore = {
  ...{ kind: 'ended', ref: 'abcdefghijklmnopqrst', target: ago(9), window: undefined, database: undefined },
  ...{ at: now, elapsed: 1234, request: 'asked', safetyBackup: manifest.id, isSlotDropped: false },
  ...{ ending: { kind: 'back', leftAt: ago(2), backAt: ago(1) }, base: { kind: 'taken', id: manifest.id } },
};
const copied = {
  ...{
    kind: 'mirrored' as const,
    name: 'Frankfurt',
    location: 's3://other/shop',
    isNew: true,
    bytes: 1_230_000,
  },
  ...{ copied: { ...noValues, backups: 1 }, refused: [], checked: { byStore: 1, byReading: 0 } },
  lag: {
    newest: manifest.id,
    oldestMissing: undefined,
    missingBackups: 0,
    missingChanges: 0,
    missingBytes: 0,
  },
};
const lost = { key: 'objects/aa/aabb', why: 'it is missing' };
const side = {
  ...{ manifest, target, schema: 'rescue', circular: [], followers: [], parents: [] },
  tables: [],
};
const drill = (...attempts: Attempt[]) => describeDrill(judgeDrill(attempts, undefined));
const managed = (hoursOld: number) =>
  describeManaged(judgeManaged(makeFacts(), makeOwnLayer(), { maxAge: hoursOld * 3_600_000 }));
const schedule = (problems: Parameters<typeof describeSchedule>[0]['problems']) =>
  describeSchedule({
    ...{ mode: 'write', timeZone: 'Europe/Berlin', changes: [], verification: undefined, remarks: [] },
    ...previewSchedule(planOf(), undefined, now),
    problems,
  });

/** Reports of every operation: what ends well, and what ends with a no where the operation knows one */
export const toldReports: Readonly<Record<Operation, readonly ToldReport[]>> = {
  backup: [
    {
      verdict: /^Backup of postgres: 3 rows, 140 B stored, 77 B of it new, NOT encrypted$/,
      outcome: describeBackup(taken),
    },
    {
      verdict: /; EARLIER BACKUPS ARE IN DOUBT$/,
      outcome: describeBackup({ ...taken, mismatches: ['public.a, pages 1 to 2'] }),
    },
  ],
  capture: [
    {
      verdict: /^Captured through \S+Z: 5 changed rows of 3 transactions$/,
      outcome: describeCapture(captured),
    },
    {
      verdict: /; CHANGES ARE LOST$/,
      outcome: describeCapture({ ...captured, lost: 'a new timeline began' }),
    },
  ],
  validate: [
    {
      verdict: /^Validation: nothing is damaged, all 40 objects of 12 backups checked$/,
      outcome: describeValidation(validation),
    },
    {
      verdict: /^Validation: DAMAGED, 1 of 12 backups$/,
      outcome: describeValidation({ ...validation, broken: new Set([manifest.id]), damages: [damage] }),
    },
  ],
  restore: [
    {
      verdict: /^Restore of backup \S+ into postgres@\S+: identical to the backup, 3 rows$/,
      outcome: describeRestore(restored),
    },
    {
      verdict: /^Restore of .*: DIFFERENT from the backup, a check FAILED$/,
      outcome: describeRestore({ ...restored, ...no, parity: different }),
    },
    {
      verdict: /^Restore of backup \S+ into \S+: NOT RESTORED$/,
      outcome: describeRestore({
        ...{ kind: 'none-passed', manifest, state, elapsed: 1234 },
        attempts: [{ ...attempt, ...no }],
      }),
    },
    {
      verdict: /^Plan: restore backup \S+ into postgres@\S+$/,
      outcome: describeRestore({
        ...{ kind: 'planned', manifest, state, scope, elapsed: 1234, foreseen: [], reasons: [] },
        ...{ isStaged: true, safetyStorage: 's3://safety/shop', rootKey: { kind: 'unneeded' } },
        ...{ refusals: [], recovery: undefined },
      }),
    },
    {
      verdict: /^Backup \S+ beside the live tables of \S+: 0 missing, 0 changed, 0 new$/,
      outcome: describeAside({
        ...{ kind: 'compared', scope: side, file: undefined, phases: { rows: 0, total: 12 }, elapsed: 12 },
        findings: { differences: [], sql: 'SELECT 1;' },
      }),
    },
    { verdict: /^abcdefghijklmnopqrst to .* by Supabase: BACK$/, outcome: describeManagedRestore(ended) },
    {
      verdict: /by Supabase: FAILED$/,
      outcome: describeManagedRestore({ ...ended, ending: { kind: 'failed', status: 'RESTORE_FAILED' } }),
    },
  ],
  drill: [
    {
      verdict: /^Drill of postgres PASSED: restored in 4\.0 s and identical to the source$/,
      outcome: drill(attempt),
    },
    {
      verdict: /^Drill of postgres FAILED: the restored database is not what was backed up$/,
      outcome: drill({ ...attempt, parity: different }),
    },
    {
      verdict: /^Drill of postgres FAILED: the backup is sound, and a check says no$/,
      outcome: drill({ ...attempt, ...no, command: 'sh exited with 1' }),
    },
    {
      verdict: /^Drill of postgres FAILED: .*; an older backup works$/,
      outcome: drill({ ...attempt, parity: different }, { ...attempt, backup: '20261119T021700Z-0000' }),
    },
    {
      verdict: /^Drill of postgres FAILED: restored in 4\.0 s, which is more than its target of 3\.0 s$/,
      outcome: describeDrill(judgeDrill([attempt], 3000)),
    },
  ],
  cleanup: [
    {
      verdict: /^Cleanup of s3:\S+: 1 backup removed, 2 stay, 2\.05 kB freed$/,
      outcome: describeCleanup(cleanup),
    },
    {
      verdict: /^Cleanup of s3:\S+: STOPPED by 1 damaged file$/,
      outcome: describeCleanup({
        ...cleanup,
        ending: {
          kind: 'stopped',
          damaged: [{ id: manifest.id, message: 'its seal is not right' }],
          blind: false,
        },
      }),
    },
  ],
  list: [
    {
      verdict: /^Backups in s3:\S+: 2, the newest of 2026-11-20 11:00 UTC$/,
      outcome: describeList({
        location: 's3://bucket/shop',
        decisions: [1, 25].map((hours) => ({
          backup: shelve(hours, { label: 'x', pinned: true }),
          ...{ keep: true, reasons: ['pinned', 'newest', 'daily 2026-11-20', 'weekly 2026-W47'] },
        })),
        damaged: [],
        recoverable: { windows: [], damaged: [], captured: false },
      }),
    },
    {
      verdict: /^Backups in s3:\S+: none, and 1 DAMAGED manifest$/,
      outcome: describeList({
        ...{ location: 's3://bucket/shop', decisions: [] },
        damaged: [{ id: manifest.id, message: 'its end is missing' }],
        recoverable: { windows: [], damaged: [], captured: false },
      }),
    },
  ],
  show: [
    {
      verdict: /^Backup \S+ of postgres: 3 rows, neither verified nor restored yet$/,
      outcome: describeShown({
        ...{ manifest, pinned: true, verifiedAt: null, damagedAt: null, drilled: null },
        events: [{ kind: 'pin', at: ago(1), pinned: true }],
      }),
    },
  ],
  pin: [
    {
      verdict: /^Backup \S+ is pinned$/,
      outcome: describePinning({ id: manifest.id, pinned: true, isNew: true }),
    },
  ],
  unpin: [
    {
      verdict: /^Backup \S+ is no longer pinned$/,
      outcome: describePinning({ id: manifest.id, pinned: false, isNew: true }),
    },
  ],
  gate: [
    { verdict: /^Gate of postgres: PASSED$/, outcome: describeGate(makeGateResult()) },
    {
      verdict: /^Gate of postgres: STOPPED$/,
      outcome: describeGate(
        makeGateResult({
          verdict: { kind: 'stop', missing: [{ kind: 'unproven', limit: 'drilled-within' }] },
          judged: [{ input: 'drilled-within', limit: 86_400_000, age: 90_000_000, met: false }],
        }),
      ),
    },
  ],
  status: [
    { verdict: /^Backups in \S+: HEALTHY$/, outcome: describeStatus(weigh([shelve(1)])) },
    { verdict: /^Backups in \S+: BROKEN$/, outcome: describeStatus(weigh([shelve(40)])) },
  ],
  report: [
    {
      verdict: /^The dashboard is written: reports\/index\.html$/,
      outcome: describeWritten({
        ...{ kind: 'dashboard', path: 'reports/index.html', files: 1, bytes: 5000 },
        databases: [{ name: 'shop', verdict: 'healthy', broken: [] }],
      }),
    },
  ],
  schedule: [
    { verdict: /^Schedule: 0 workflows, as the policy says$/, outcome: schedule([]) },
    { verdict: /^Schedule: /, outcome: schedule([{ kind: 'drift' }]) },
  ],
  alarm: [
    {
      verdict: /^No alarm of backup$/,
      outcome: describeHeard({ operation: 'backup', jobs: [{ id: 'shop', result: 'success', outputs: {} }] }),
    },
  ],
  records: [
    {
      verdict: /^Records: every row is as the repository has it$/,
      outcome: describeRecords({
        kind: 'verified',
        ...{ records: 3, differences: [], deleted: 0, outlived: 0 },
      }),
    },
    {
      verdict: /^Records: 1 row is not as the repository has it$/,
      outcome: describeRecords({
        ...{ kind: 'verified', records: 3, deleted: 0, outlived: 0 },
        differences: [{ kind: 'missing', table: 'backup_metrics', id: manifest.id, part: 'rows' }],
      }),
    },
  ],
  doctor: [
    {
      verdict: /^Doctor: OK$/,
      outcome: describeDiagnosis({
        checks: [{ name: 'reach', state: 'ok', reason: target }],
        estimate: exampleEstimate,
      }),
    },
    {
      verdict: /^Doctor: 1 FAILED$/,
      outcome: describeDiagnosis({
        checks: [
          { name: 'reach', state: 'failed', reason: `${target}: nothing answers`, remedy: 'Start it.' },
        ],
        estimate: undefined,
      }),
    },
  ],
  estimate: [
    {
      verdict: /^Backups of postgres@\S+: an estimate of 384 MB each, 0\.21 a month for storage$/,
      outcome: reportEstimate(exampleEstimate),
    },
  ],
  managed: [{ verdict: /^Supabase's own backups of abcdefghijklmnopqrst: HEALTHY$/, outcome: managed(30) }],
  mirror: [
    {
      verdict: /^Mirror: 1 copy is up to date$/,
      outcome: describeMirror({
        ...{ isDryRun: false, source: 's3://bucket/shop', copies: [copied], elapsed: 1234 },
      }),
    },
    {
      verdict: /^Mirror: 1 of 1 copy NOT up to date$/,
      outcome: describeMirror({
        ...{ isDryRun: false, source: 's3://bucket/shop', elapsed: 1234 },
        copies: [
          {
            ...{ kind: 'failed', name: 'Drive', location: 's3://drive/copy' },
            error: new StorageError('cannot list s3://drive/copy: nothing answers', 'Start rclone.'),
          },
        ],
      }),
    },
  ],
  repair: [
    {
      verdict: /^Repair of s3:\S+: 1 file healed, 1 NOT$/,
      outcome: describeRepair({
        ...{ isDryRun: false, storage: 's3://bucket/shop', copies: ['/mnt/disk'], elapsed: 2000 },
        ...{ isConfigHealed: false, healed: { ...noValues, objects: 1 }, bytes: 3000, lost: [lost] },
        ...{ checked: { byStore: 5, byReading: 7 }, objects: 14 },
      }),
    },
  ],
  init: [
    {
      verdict: /^Written: the policy and 1 workflow$/,
      outcome: describeSetUp({
        ...{ isDryRun: false, policy: '.github/supabase-backup.yml', policyText: '', key: undefined },
        workflows: [{ file: '.github/workflows/supabase-backup.yml', state: 'create' }],
        secrets: [{ name: 'DATABASE_URL', purpose: { kind: 'storage' } }],
        ...{ minutes: 300, artifacts: undefined },
      }),
    },
  ],
  keygen: [
    {
      verdict: /^A key was made: \/keys\/identity\.txt$/,
      outcome: describeMadeKey({
        ...{ recipient: 'age1qqq', keyFile: '/keys/identity.txt', recoverySheet: '/keys/sheet.html' },
      }),
    },
  ],
};
