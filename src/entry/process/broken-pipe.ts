/** A pipe that nobody reads any more, and a terminal that is closed */
const gone: ReadonlySet<string | undefined> = new Set(['EPIPE', 'EIO']);

/**
 * Lets a process go on when whoever reads what it prints has gone: what is printed later is lost, and a run that
 * is to stop then is stopped by a signal, in order.
 *
 * @param stream of the process, such as stderr
 */
export function surviveBrokenPipe(stream: Pick<NodeJS.WriteStream, 'on'>): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (!gone.has(error.code)) throw error;
  });
}
