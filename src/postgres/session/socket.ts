import net from 'node:net';

/** bytes; one read of a full loopback or network buffer */
const readSize = 256 * 1024;

/**
 * A socket that reads into one reused buffer. An ordinary socket allocates 64 kB for every read, and the
 * garbage collector then runs a hundred times for a gigabyte. Used without TLS only, which decrypts its
 * records elsewhere.
 */
export class ReusingSocket extends net.Socket {
  /**
   * Receives each chunk. The chunk is valid until the function returns or, if it called `pause`, until
   * `resume`.
   */
  direct: ((chunk: Buffer) => void) | undefined;

  constructor() {
    super({
      onread: {
        buffer: Buffer.allocUnsafeSlow(readSize),
        callback: (size, buffer) => {
          const chunk = (buffer as Buffer).subarray(0, size);
          if (this.direct) this.direct(chunk);
          // The protocol parser keeps incomplete messages, so it gets a copy.
          else this.emit('data', Buffer.from(chunk));
          return true;
        },
      },
    } as net.SocketConstructorOpts);
  }
}

/**
 * Diverts what the server sends from `pg`'s protocol parser to `receive`, until the returned function is
 * called.
 *
 * @param receive gets each chunk, valid as long as `ReusingSocket.direct` says
 */
export function divert(stream: net.Socket, receive: (chunk: Buffer) => void): () => void {
  if (stream instanceof ReusingSocket) {
    stream.direct = receive;
    return () => {
      stream.direct = undefined;
    };
  }
  const parsers = stream.listeners('data') as ((chunk: Buffer) => void)[];
  for (const parser of parsers) stream.off('data', parser);
  stream.on('data', receive);
  return () => {
    stream.off('data', receive);
    for (const parser of parsers) stream.on('data', parser);
  };
}
