import type { Omission } from '../../parity/scope.ts';
import { letRead, openSession, type Session } from '../../postgres/session/connection.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { beginStep } from '../../restorer/begun-step.ts';
import { emptyDatabase } from '../../restorer/clean/clean.ts';
import { giveBackHeld, removePart } from '../../restorer/clean/part.ts';
import type { PreparedRestore } from '../../restorer/execute.ts';
import type { Held } from '../../restorer/part/replacement.ts';
import { askServer } from '../../restorer/step.ts';
import { hasPassed } from '../../restorer/trial/attempt.ts';
import type { Context } from '../../runtime/context.ts';
import { needsSafetyBackup } from './guard.ts';
import type { Done, RestoreJob } from './job.ts';
import { prepare } from './preparation.ts';
import { takeSafetyBackup } from './safety-backup.ts';
import { refuseAnother } from './target-look.ts';
import { type MarkedTarget, toMark } from './unfinished-target.ts';

/**
 * Backs up the target where that is needed, removes what the restore replaces, and plans the restore again.
 */
export async function emptyTarget(
  job: RestoreJob,
  done: Done,
  target: MarkedTarget,
  context: Context,
): Promise<PreparedRestore> {
  const { inputs, manifest, state, clock } = job;
  if (needsSafetyBackup(inputs, state)) {
    const doubtful = job.attempts?.some((attempt) => !hasPassed(attempt)) ?? false;
    const taken = await takeSafetyBackup(inputs, manifest, doubtful, context);
    done.safetyBackup = taken.id;
    done.safety = taken.size;
    done.lacksRootKey = taken.lacksRootKey;
    clock.end('safety backup');
    context.log.info(`The target is backed up as ${done.safetyBackup}`);
  }
  await clear(job, done, target, context);
  clock.end('clean');
  // Objects of a Supabase target that could not be removed are reported, and the restore works around them.
  const occupied = state.kind === 'plain' && state.part === undefined ? 'refuse' : 'accept';
  return prepare(job, occupied, context);
}

/** Removes what the restore replaces, if the target is still the one that was looked at. */
async function clear(job: RestoreJob, done: Done, target: MarkedTarget, context: Context): Promise<void> {
  const { settings, state } = job;
  await using session = await openSession(settings, context.signal);
  await refuseAnother(session, state);
  // Rules and triggers of the removed objects may read any relation.
  await letRead(session);
  if (state.part === undefined) await empty(session, job, done, context);
  else await replace(session, job, done, target);
}

async function empty(session: Session, { state }: RestoreJob, done: Done, context: Context): Promise<void> {
  const { transactions, left, kept } = await context.log.group('Emptying the target', () =>
    emptyDatabase(session, state.kind),
  );
  done.left = left;
  done.incomplete = true;
  for (const schema of kept) {
    context.log.info(
      `The schema ${schema} stays as it is: it has the records of supabase-backup, which no backup carries.`,
    );
  }
  if (transactions > 1) {
    context.log.info(`It took ${transactions} transactions: the server has too few locks for one.`);
  }
}

/** Removes only the chosen objects. The same transaction writes the mark, with what has to be given back. */
async function replace(session: Session, job: RestoreJob, done: Done, target: MarkedTarget): Promise<void> {
  const { part } = job.state;
  if (part === undefined) return;
  const before = done.held;
  await removePart(session, part.chosen, (within, held) => {
    const known = new Set(held.map(({ add }) => add));
    done.held = [...before.filter(({ add }) => !known.has(add)), ...held];
    return target.leaveWithin(within, toMark(job, done));
  });
  done.incomplete = true;
}

/**
 * Gives back what was dropped together with replaced objects.
 *
 * @returns what could not be given back unchanged
 */
export async function giveBack(
  held: readonly Held[],
  settings: ConnectionSettings,
  target: MarkedTarget,
  context: Context,
): Promise<Omission[]> {
  if (held.length === 0) return [];
  return await beginStep({ name: 'giving back', objects: held.length }, target.note, context, () =>
    askServer({ settings }, context, 'foreign keys', (session) => giveBackHeld(session, held)),
  );
}
