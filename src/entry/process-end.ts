/** How long open sockets may take to close by themselves. */
const graceMilliseconds = 500;

/**
 * Ends the process with this code as soon as nothing is under way. A kept-alive connection to a storage or a database cannot hold it
 * up, since a timer that is itself no reason to stay ends it then.
 */
export function endProcess(exitCode = process.exitCode): void {
  process.exitCode = exitCode;
  setTimeout(() => process.exit(), graceMilliseconds).unref();
}
