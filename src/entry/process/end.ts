import { setTimeout as delay } from 'node:timers/promises';

/** How long open sockets may take to close. */
const graceMs = 500;

let isEnding = false;

/**
 * Ends the process with this exit code as soon as nothing is under way. A kept-alive connection to a storage
 * or a database cannot delay it: an unreferenced timer ends the process then.
 */
export function endProcess(exitCode = process.exitCode): void {
  isEnding = true;
  process.exitCode = exitCode;
  setTimeout(() => process.exit(), graceMs).unref();
}

/**
 * Reports an uncaught exception like any other failure before it ends the process. Without this, Node would
 * print it as it is.
 *
 * @param milliseconds how long the report may take
 */
export function endOnDefect(tell: (error: unknown) => Promise<void>, milliseconds = 30_000): void {
  process.once('uncaughtException', async (error) => {
    // Later exceptions tell nothing new.
    process.on('uncaughtException', () => undefined);
    isEnding = true;
    await Promise.race([tell(error).catch(noteUntold), delay(milliseconds)]);
    process.exit(1);
  });
}

/** Reports an error whose own report failed. Only its kind is certain to hold no secret. */
function noteUntold(error: unknown): void {
  const kind = error instanceof Error ? error.name : typeof error;
  process.stderr.write(
    `error: unexpected, and it could not be told (${kind}). This is a bug in supabase-backup. Report it.\n`,
  );
}

export interface Deadline {
  /** How long the process waits for `endProcess` */
  readonly orderlyMs: number;
  /** How long the process lives at most */
  readonly latestMs: number;
}

/**
 * Ends the process with this exit code although work is under way, unless `endProcess` is called in time.
 *
 * @param lastWords the work to do before a forced end; the process ends when it is done, or at the latest
 * time
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
      // The run may have finished meanwhile, and then its own exit code counts.
      if (!isEnding) process.exit(exitCode);
    }
  };
  setTimeout(end, orderlyMs).unref();
}
