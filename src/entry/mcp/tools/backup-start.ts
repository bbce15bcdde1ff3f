import { toOmissions } from '../../../interface/fields.ts';
import { tellBackup } from '../../../operations/backup/backup.ts';
import { type ForeseenBackup, foreseeBackup } from '../../../operations/backup/foresee.ts';
import type { BackupResult } from '../../../operations/backup/result.ts';
import { fileCertificates } from '../../../postgres/session/root-certificates.ts';
import { formatAge, formatBytes, formatCounted, formatDuration } from '../../../report/quantity.ts';
import { defineTool } from '../tool.ts';
import { parseFor } from './parsed-inputs.ts';
import { describeRun, type RunResult, startRun, wait } from './run-fields.ts';

const mostOmissions = 20;

export const backupStart = defineTool({
  name: 'backup_start',
  title: 'Take a backup',
  description:
    'Takes a backup of the database that this server is set up for, after a person has confirmed it at the client. Call it before a migration. Waits a while for its end; ' +
    'where it still runs, ask with backup_run_show. It ends with the connection of the client.',
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  inputs: ['backup-type', 'label', 'pin'],
  own: wait,
  output: describeRun('backup'),
  async answer(call) {
    call.server.runs.refuseSecond();
    const inputs = parseFor('backup', call);
    const plan = await foreseeBackup(fileCertificates(inputs, call.context), call.context);
    const question = await call.server.confirmations.ask(call, {
      message: describePlan(plan, call.context.now()),
      plan: { ...plan, newest: plan.newest?.id ?? null, alike: plan.alike?.id ?? null },
      otherwise: 'A person takes the backup in a terminal: supabase-backup backup --storage …',
    });
    if (question !== undefined) return question;
    return startRun<'backup'>(call, inputs, call.own['wait-seconds'], async (context) => {
      const { result, outcome } = await tellBackup(fileCertificates(inputs, context), context);
      return { result: toFields(result), outcome };
    });
  },
});

/** What a person reads before it starts */
function describePlan(plan: ForeseenBackup, now: Date): string {
  const { type, database, location, label, pin, recipients, copies, newest, alike } = plan;
  const took = alike && alike.finishedAt.getTime() - alike.startedAt.getTime();
  return [
    `Take a backup (${type}) of ${database}?`,
    `It is stored in ${location}, ${recipients === 0 ? 'NOT ENCRYPTED' : `encrypted for ${formatCounted(recipients, 'recipient')}`}${label === null ? '' : `, with the label ${JSON.stringify(label)}`}${pin ? ', and pinned, so that no cleanup removes it' : ''}.`,
    ...(copies.length === 0 ? [] : [`Then it is copied to ${copies.join(', ')}.`]),
    newest === undefined
      ? 'It is the first one there.'
      : `The newest one there is ${newest.id}, ${formatAge(Math.max(0, now.getTime() - newest.snapshotAt.getTime()))} old.`,
    alike === undefined || took === undefined
      ? 'How long it takes is not known.'
      : `The last one of this kind took ${formatDuration(Math.max(0, took))} and has ${formatBytes(alike.totals.bytes)}.`,
  ].join('\n');
}

function toFields({ manifest, addedBytes, mismatches, elapsed }: BackupResult): RunResult<'backup'> {
  const { id, kind, base, source, totals, encryption, tables } = manifest;
  return {
    ...{ operation: 'backup', backup: id, kind, base, snapshotAt: source.snapshotAt },
    ...{ tables: tables.length, rows: totals.rows, bytes: totals.bytes, storedBytes: totals.stored },
    ...{ newBytes: addedBytes, encrypted: encryption.scheme !== 'none', doubts: [...mismatches] },
    ...{
      notCarried: toOmissions(manifest.notCarried.slice(0, mostOmissions)),
      milliseconds: Math.round(elapsed),
    },
  };
}
