import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';

/**
 * A way for TCP connections to a server near by that takes as long as one to a server far away: what is sent arrives half a round trip later,
 * in order, however much it is.
 */
export class Line {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param milliseconds of a round trip */
  static async open(target: URL, milliseconds: number): Promise<Line> {
    const half = milliseconds / 2;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      // To connect takes a round trip, too.
      setTimeout(() => {
        const far = createConnection({
          ...{ host: target.hostname, port: Number(target.port || '5432') },
          ...{ allowHalfOpen: true, noDelay: true },
        });
        delay(near, far, half);
        delay(far, near, half);
      }, half);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // It is there as long as somebody runs who uses it.
    server.unref();
    return new Line(server);
  }

  /** The same database, user and password, by way of the line */
  through(url: string): string {
    const changed = new URL(url);
    changed.hostname = '127.0.0.1';
    changed.port = String((this.#server.address() as AddressInfo).port);
    return changed.href;
  }
}

/** bytes on the way; who sends more waits, as he would for a window of TCP */
const window = 8 * 1024 * 1024;

function delay(from: Socket, to: Socket, milliseconds: number): void {
  let underWay = 0;
  const later = (deed: () => void) => setTimeout(deed, milliseconds);
  from.on('data', (chunk) => {
    underWay += chunk.length;
    if (underWay > window) from.pause();
    later(() => {
      underWay -= chunk.length;
      if (underWay <= window) from.resume();
      to.write(chunk);
    });
  });
  from.on('end', () => later(() => to.end()));
  from.on('error', () => to.destroy());
}
