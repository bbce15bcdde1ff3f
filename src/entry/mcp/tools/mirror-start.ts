import { type ForeseenMirror, foreseeMirror } from '../../../operations/mirror/foresee.ts';
import { tellMirror } from '../../../operations/mirror/mirror.ts';
import type { MirrorResult } from '../../../operations/mirror/result.ts';
import type { CopyOutcome } from '../../../repository/copies/outcome.ts';
import { defineTool } from '../tool.ts';
import { take } from './fields.ts';
import { parseFor } from './parsed-inputs.ts';
import { describeRun, type RunResult, startRun, wait } from './run-fields.ts';

const mostRefused = 20;

export const mirrorStart = defineTool({
  name: 'mirror_start',
  title: 'Bring the copies up to date',
  description:
    'Copies what is new in the storage to the other storages that this server is set up for, and checks it there, after a person has confirmed it at the client. Nothing is removed from a copy. ' +
    'Waits a while for its end; where it still runs, ask with backup_run_show.',
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  inputs: ['share'],
  own: wait,
  output: describeRun('mirror'),
  async answer(call) {
    call.server.runs.refuseSecond();
    const inputs = parseFor('mirror', call, { 'dry-run': 'false' });
    const plan = await foreseeMirror(inputs, call.context);
    const question = await call.server.confirmations.ask(call, {
      message: describePlan(plan),
      plan,
      otherwise: 'A person starts it in a terminal: supabase-backup mirror --storage …',
    });
    if (question !== undefined) return question;
    return startRun<'mirror'>(call, inputs, call.own['wait-seconds'], async (context) => {
      const { result, outcome } = await tellMirror(inputs, context);
      return { result: toFields(result), outcome };
    });
  },
});

function describePlan({ location, copies }: ForeseenMirror): string {
  return [
    `Copy what is new in ${location} to these?`,
    ...copies.map(({ name, location: place }) => `- ${name}: ${place}`),
    'Nothing is removed there. What is read and written may be billed.',
  ].join('\n');
}

function toFields({ copies, elapsed }: MirrorResult): RunResult<'mirror'> {
  return { operation: 'mirror', copies: copies.map(toCopy), milliseconds: Math.round(elapsed) };
}

function toCopy(copy: CopyOutcome) {
  const { name, location } = copy;
  if (copy.kind === 'failed') {
    const unknown = { copied: null, bytes: null, refused: [], moreRefused: 0, missingBackups: null };
    return { name, location, why: copy.error.message, ...unknown };
  }
  const { shown, more } = take(copy.refused, mostRefused);
  return {
    ...{ name, location, why: null, copied: { ...copy.copied }, bytes: copy.bytes },
    ...{ refused: shown.map(({ key, why }) => ({ key, why })), moreRefused: more },
    missingBackups: copy.lag.missingBackups,
  };
}
