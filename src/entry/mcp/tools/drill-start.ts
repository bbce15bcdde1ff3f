import { tellDrill } from '../../../operations/drill/drill.ts';
import { type ForeseenDrill, foreseeDrill } from '../../../operations/drill/foresee.ts';
import { type AttemptEnd, type Drill, listEnds } from '../../../operations/drill/result.ts';
import { fileCertificates } from '../../../postgres/session/root-certificates.ts';
import { formatCounted } from '../../../report/quantity.ts';
import { formatTimeWithZone } from '../../../report/time.ts';
import { defineTool } from '../tool.ts';
import { toRecovery } from './fields.ts';
import { parseFor } from './parsed-inputs.ts';
import { type RunResult, runSchema, startRun, wait } from './run-fields.ts';

export const drillStart = defineTool({
  name: 'drill_start',
  title: 'Try a backup',
  description:
    'Restores a backup into a scratch database on the server for drills that this server is set up for, compares and checks it there, and drops it, after a person has confirmed it at the client. ' +
    'Proves that the backup works, and measures how long a recovery takes. Waits a while for its end; where it still runs, ask with backup_run_show.',
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  inputs: ['backup-id', 'recovery-target-time', 'fallback', 'rto-target'],
  own: wait,
  output: runSchema.entries,
  async answer(call) {
    call.server.runs.refuseSecond();
    // What the person was asked about is tried, and not what the same words mean by now.
    const bound = call.server.confirmations.readBound(call);
    const inputs = parseFor('drill', call, bound);
    const plan = await foreseeDrill(fileCertificates(inputs, call.context), call.context);
    const question = await call.server.confirmations.ask(call, {
      message: describePlan(plan),
      plan: { ...plan, recovery: null },
      bound: {
        'backup-id': plan.backup,
        ...(plan.until === undefined ? {} : { 'recovery-target-time': plan.until }),
      },
      otherwise: 'A person starts the drill in a terminal: supabase-backup drill --storage …',
    });
    if (question !== undefined) return question;
    return startRun<'drill'>(call, inputs, call.own['wait-seconds'], async (context) => {
      const { result, outcome } = await tellDrill(fileCertificates(inputs, context), context);
      return { result: toFields(result), outcome };
    });
  },
});

function describePlan({
  server,
  location,
  backup,
  snapshotAt,
  until,
  fallback,
  recovery,
}: ForeseenDrill): string {
  return [
    `Try backup ${backup} on ${server}?`,
    `It is of ${formatTimeWithZone(snapshotAt)}, from ${location}${until === undefined ? '' : `, and brought to ${until}`}.`,
    'It is restored into a new scratch database there, which is dropped at the end; nothing else on that server is touched.',
    `Where it fails, ${fallback === 0 ? 'no other one is tried' : `${formatCounted(fallback, 'older one')} at most are tried`}.`,
    `A recovery takes: ${toRecovery(recovery).sentence}; comparing and checking come on top.`,
  ].join('\n');
}

function toFields(drill: Drill): RunResult {
  const { works, overrun } = drill.kind === 'failed' ? { works: undefined, overrun: undefined } : drill;
  return {
    operation: 'drill',
    outcome: drill.kind,
    works: works?.backup ?? null,
    recoveryMilliseconds: rounded(works?.recovery),
    overrunMilliseconds: overrun === undefined ? null : Math.round(overrun.took - overrun.target),
    attempts: listEnds(drill).map(toAttempt),
  };
}

function toAttempt({ backup, why, recovery }: AttemptEnd) {
  return { backup, passed: why === undefined, why: why ?? null, recoveryMilliseconds: rounded(recovery) };
}

function rounded(milliseconds: number | undefined): number | null {
  return milliseconds === undefined ? null : Math.round(milliseconds);
}
