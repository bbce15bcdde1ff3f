import { Writable } from 'node:stream';

/**
 * Keeps stdout for the protocol. What else writes there (a library, a program that it starts through this
 * process, a leftover `console.log`) goes to stderr from now on: one byte of it would end the connection.
 *
 * @returns the stream that alone still writes to stdout
 */
export function claimStdout({ stdout, stderr }: Pick<NodeJS.Process, 'stdout' | 'stderr'>): Writable {
  const write = stdout.write.bind(stdout);
  const wire = new Writable({
    decodeStrings: false,
    write: (chunk: string | Buffer, _encoding, done) => void write(chunk, (error) => done(error ?? null)),
  });
  stdout.write = stderr.write.bind(stderr) as typeof stdout.write;
  return wire;
}
