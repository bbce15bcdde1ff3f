import { nameActor } from '../../github/run.ts';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import type { OnStep } from '../../restorer/begun-step.ts';
import { leaveMark, type NewMark, noteStep, removeMark } from '../../restorer/unfinished.ts';
import type { Context } from '../../runtime/context.ts';
import { messageOf, TargetError } from '../../runtime/errors.ts';
import type { Done, RestoreJob } from './job.ts';
import { isWorthKeeping } from './target-state.ts';

/** A mark before `leaveWithin` adds who began the restore, and when. */
export type UnsignedMark = Omit<NewMark, 'startedAt' | 'startedBy'>;

export function toMark(
  { inputs, manifest, state }: RestoreJob,
  { safetyBackup, held }: Pick<Done, 'safetyBackup' | 'held'>,
): UnsignedMark {
  const { include, exclude } = inputs;
  const part = state.part === undefined ? {} : { part: { include, exclude, held } };
  return { backup: manifest.id, wasEmpty: !isWorthKeeping(state), safetyBackup, ...part };
}

/** Keeps the mark of an unfinished restore in its target. */
export class MarkedTarget {
  readonly #context: Context;
  readonly #settings: ConnectionSettings;
  #isMarked = false;
  #isOfPart = false;

  constructor(settings: ConnectionSettings, context: Context) {
    this.#settings = settings;
    this.#context = context;
  }

  /** Writes a step into the mark before the step begins. Does nothing while there is no mark. */
  readonly note: OnStep = (step) => this.#write((session) => noteStep(session, step));

  /**
   * Leaves the mark in a transaction of its own.
   *
   * @throws TargetError when the mark cannot be written
   */
  async leave(mark: UnsignedMark): Promise<void> {
    this.#isMarked = true;
    this.#isOfPart = mark.part !== undefined;
    await this.#write(async (session) => {
      await session.query('BEGIN');
      await this.leaveWithin(session, mark);
      await session.query('COMMIT');
    });
  }

  /** Leaves the mark in the transaction that removes objects; a call of `leave` follows. */
  leaveWithin(session: Session, mark: UnsignedMark): Promise<void> {
    const startedAt = this.#context.now().toISOString();
    return leaveMark(session, { ...mark, startedAt, startedBy: nameActor(this.#context) });
  }

  /** Removes the mark, at the very end: a target without a mark is complete. */
  async remove(): Promise<void> {
    await this.#write((session) => removeMark(session, this.#isOfPart));
    this.#isMarked = false;
  }

  async #write(change: (session: Session) => Promise<void>): Promise<void> {
    if (!this.#isMarked) return;
    await using session = await openSession(this.#settings, this.#context.signal);
    try {
      await change(session);
    } catch (cause) {
      this.#context.signal.throwIfAborted();
      throw new TargetError(
        `the mark of an unfinished restore cannot be written: ${messageOf(cause)}`,
        'Restore as a role that can create schemas in the target.',
        cause,
      );
    }
  }
}
