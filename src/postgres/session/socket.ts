import net from 'node:net';

/** bytes; one read of a full loopback or network buffer */
const readSize = 256 * 1024;

/**
 * A socket that reads into one buffer of its own again and again. An ordinary one allocates 64 kB for every read, and for a
 * database of a gigabyte the collector then runs a hundred times. Used without TLS, whose records are decrypted elsewhere.
 */
export class ReusingSocket extends net.Socket {
  /** Gets what arrives, valid until it returns, or until `resume` when it has called `pause`. */
  direct: ((chunk: Buffer) => void) | undefined;

  constructor() {
    super({
      onread: {
        buffer: Buffer.allocUnsafeSlow(readSize),
        callback: (size, buffer) => {
          const chunk = (buffer as Buffer).subarray(0, size);
          if (this.direct) this.direct(chunk);
          // The protocol parser keeps what it has not understood yet.
          else this.emit('data', Buffer.from(chunk));
          return true;
        },
      },
    } as net.SocketConstructorOpts);
  }
}

/**
 * Takes what the server sends away from the protocol parser of `pg`, until the returned function is called.
 *
 * @param receive gets each chunk, which is valid as `ReusingSocket.direct` says
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
