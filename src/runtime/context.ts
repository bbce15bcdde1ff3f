import type { SlotLook } from '../values/slot-look.ts';
import type { Told } from './errors.ts';
import type { Wording } from './wording.ts';

/** What an operation may touch besides its inputs; passed in, so that a test controls each part. */
export interface Context {
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  /** Replaces secrets in a text that is stored or sent. The log applies it by itself. */
  readonly redact: (text: string) => string;
  /** Makes `redact` and the log replace one more secret from now on: one that was read, and was no input. */
  readonly mask: (secret: string) => void;
  /** Aborts when the user or the runner asks to stop. */
  readonly signal: AbortSignal;
  /** An existing folder for short-lived files, mode 0700. The entry removes it at the end. */
  readonly temporaryFolder: string;
  /**
   * Notes the bytes of `repository.json` where this run has opened a repository, by the location of its
   * storage. Undefined where nobody comes back to it.
   */
  readonly noteRepository?: ((location: string, config: Buffer) => void) | undefined;
  /**
   * Notes a look at the slot of captures, for the record of this run; the last one counts. Undefined where
   * nothing is recorded.
   */
  readonly noteSlot?: ((look: SlotLook) => void) | undefined;
  /**
   * Sends one message, marked as a test, to each channel of alarms that is set, and returns how each answered.
   * Undefined where nobody knows the channels.
   */
  readonly tryChannels?: (() => Promise<readonly ChannelAnswer[]>) | undefined;
  /** Asks the person at the terminal, and returns the answer. Undefined where there is none. */
  readonly ask?: ((question: Question) => Promise<string>) | undefined;
  now(): Date;
  /** At least 0 and less than 1; for choices that may be predictable, never for secrets */
  random(): number;
  /**
   * Runs `body`. Programs that a library starts meanwhile inherit only these variables of the environment.
   */
  limitInherited<T>(isInherited: (name: string) => boolean, body: () => Promise<T>): Promise<T>;
}

export interface Question {
  /** One line */
  readonly text: string;
  /** What an empty answer means; empty where it means nothing */
  readonly fallback: string;
}

/** How a channel of alarms answered a test message. */
export interface ChannelAnswer {
  /** Name of the input that switches it on */
  readonly input: string;
  /** Why it was not accepted, and what to do; undefined when it was */
  readonly failure: Told | undefined;
}

/**
 * Messages for people, on stderr or in the runner's log. Only an entry point writes to the console itself.
 */
export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string | Wording): void;
  error(message: string): void;
  /** Runs `body` under a heading, which folds its lines in a runner's log. */
  group<T>(title: string, body: () => Promise<T>): Promise<T>;
  /** Shows progress: a terminal replaces the line before, a runner prints one now and then. */
  progress(line: string): void;
}
