import { setTimeout as delay } from 'node:timers/promises';

/** How long open sockets may take to close by themselves. */
const graceMs = 500;

let isEnding = false;

/**
 * Ends the process with this code as soon as nothing is under way. A kept-alive connection to a storage or a database cannot hold it
 * up, since a timer that is itself no reason to stay ends it then.
 */
export function endProcess(exitCode = process.exitCode): void {
  isEnding = true;
  process.exitCode = exitCode;
  setTimeout(() => process.exit(), graceMs).unref();
}

/**
 * What is thrown where nobody waits for it ends the process. Node prints it as it is then; this has it told as everything else is, at most
 * for so many milliseconds.
 */
export function endOnDefect(tell: (error: unknown) => Promise<void>, milliseconds = 30_000): void {
  process.once('uncaughtException', async (error) => {
    // Of what comes after it nothing more is to be learned.
    process.on('uncaughtException', () => undefined);
    isEnding = true;
    await Promise.race([tell(error).catch(noteUntold), delay(milliseconds)]);
    process.exit(1);
  });
}

/** Of an error that could not even be told nothing but its kind is sure to hold no secret. */
function noteUntold(error: unknown): void {
  const kind = error instanceof Error ? error.name : typeof error;
  process.stderr.write(
    `error: unexpected, and it could not be told (${kind}). This is a defect of supabase-backup. Report it.\n`,
  );
}

export interface Deadline {
  /** Until which `endProcess` may be called */
  readonly orderlyMs: number;
  /** Until the end, whatever is under way */
  readonly latestMs: number;
}

/**
 * Ends the process with this code in spite of what is under way, unless `endProcess` is called in time.
 *
 * @param lastWords what is left to do where it is not; the process ends once that is done, or at the latest time
 */
export function forceEnd(
  exitCode: number,
  { orderlyMs, latestMs }: Deadline,
  lastWords: () => Promise<void> | undefined,
): void {
  const end = async () => {
    if (isEnding) return;
    try {
      await Promise.race([lastWords(), delay(latestMs - orderlyMs)]);
    } finally {
      // What was under way may have come back meanwhile, and knows better how it ended.
      if (!isEnding) process.exit(exitCode);
    }
  };
  setTimeout(end, orderlyMs).unref();
}
