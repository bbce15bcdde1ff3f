import { userInfo } from 'node:os';
import { openSession, type Session } from '../../postgres/session/connection.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { leaveMark, noteStep, type RestoreMark, removeMark } from '../../restorer/unfinished.ts';
import type { World } from '../../runtime/context.ts';
import { messageOf, TargetError } from '../../runtime/errors.ts';

/** The workflow's actor, or the user of the machine. */
export function nameActor(world: World): string {
  return world.env.GITHUB_ACTOR ?? userInfo().username;
}

/** What a mark says of its restore from the beginning. */
export type NewMark = Pick<RestoreMark, 'backup' | 'wasEmpty' | 'safetyBackup' | 'part'>;

/**
 * Keeps the mark of a restore in its target. What is done in `world` tells its steps by the headings of its log, and each stands in the
 * mark before it begins.
 */
export class MarkedTarget {
  readonly world: World;
  readonly #settings: ConnectionSettings;
  #isMarked = false;
  #isOfPart = false;

  constructor(settings: ConnectionSettings, world: World) {
    this.#settings = settings;
    const { log } = world;
    this.world = {
      ...world,
      log: {
        debug: (message) => log.debug(message),
        info: (message) => log.info(message),
        warn: (message) => log.warn(message),
        error: (message) => log.error(message),
        progress: (line) => log.progress(line),
        group: async (title, body) => {
          await this.#write((session) => noteStep(session, title));
          return log.group(title, body);
        },
      },
    };
  }

  async leave(mark: NewMark): Promise<void> {
    this.#isMarked = true;
    this.#isOfPart = mark.part !== undefined;
    await this.#write(async (session) => {
      await session.query('BEGIN');
      await this.leaveWithin(session, mark);
      await session.query('COMMIT');
    });
  }

  /** Leaves the mark in a transaction that takes something away; `leave` comes after it. */
  leaveWithin(session: Session, mark: NewMark): Promise<void> {
    const { world } = this;
    const begun = { startedAt: world.now().toISOString(), startedBy: nameActor(world), step: 'beginning' };
    return leaveMark(session, { ...mark, ...begun });
  }

  /** At the very end: what has no mark is whole. */
  async remove(): Promise<void> {
    await this.#write((session) => removeMark(session, this.#isOfPart));
    this.#isMarked = false;
  }

  async #write(change: (session: Session) => Promise<void>): Promise<void> {
    if (!this.#isMarked) return;
    const session = await openSession(this.#settings, this.world.signal);
    try {
      await change(session);
    } catch (cause) {
      this.world.signal.throwIfAborted();
      throw new TargetError(
        `the mark that tells an unfinished restore cannot be written: ${messageOf(cause)}`,
        'Restore as a role that may create schemas in the target.',
        cause,
      );
    } finally {
      await session.close();
    }
  }
}
