/** What an operation may touch besides its inputs. Passed in, so that a test decides each of them. */
export interface World {
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  /** Takes secrets out of a text that is stored or sent. What goes through the log has passed it. */
  readonly mask: (text: string) => string;
  /** Aborted when the user or the runner asks to stop. */
  readonly signal: AbortSignal;
  /** An existing folder for short-lived files, mode 0700. The entry removes it at the end. */
  readonly temporaryFolder: string;
  now(): Date;
  /** At least 0 and less than 1; for choices of which the next one may be another, never for secrets */
  random(): number;
  /** Runs `body`. A program that a library starts meanwhile inherits only those variables of the environment. */
  limitInherited<T>(isInherited: (name: string) => boolean, body: () => Promise<T>): Promise<T>;
}

/** Words for people; on stderr, or the runner's log. Nothing below an entry point writes to the console. */
export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** Runs `body` under a heading; on a runner the lines inside fold. */
  group<T>(title: string, body: () => Promise<T>): Promise<T>;
  /** A line of progress that replaces the one before it on a terminal, and is printed now and then on a runner. */
  progress(line: string): void;
}
