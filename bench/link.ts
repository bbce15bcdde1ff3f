import {
  Agent,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Transform } from 'node:stream';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** What went over a link. */
export interface Traffic {
  readonly requests: number;
  /** Of bodies, in both directions */
  readonly bytes: number;
  /** The most requests that were under way at once */
  readonly atOnce: number;
}

const nothing: Traffic = { requests: 0, bytes: 0, atOnce: 0 };

/** A way to a server near by that takes as long as one to a server far away, and counts what goes over it. */
export class Link {
  readonly #server: Server;
  readonly #target: URL;
  readonly #milliseconds: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  #traffic = nothing;
  #underWay = 0;

  private constructor(target: URL, milliseconds: number) {
    this.#target = target;
    this.#milliseconds = milliseconds;
    this.#server = createServer((incoming, answer) => {
      this.#serve(incoming, answer).catch(() => answer.destroy());
    });
    this.#server.keepAliveTimeout = 600_000;
  }

  /** @param milliseconds from the beginning of a request to that of its answer, above what the server takes */
  static async open(target: URL, milliseconds: number): Promise<Link> {
    const link = new Link(target, milliseconds);
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve));
    // It is there as long as somebody runs who uses it.
    link.#server.unref();
    return link;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What went over it since it was asked last. */
  takeTraffic(): Traffic {
    const traffic = this.#traffic;
    this.#traffic = nothing;
    return traffic;
  }

  async #serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    this.#underWay += 1;
    const { requests, bytes, atOnce } = this.#traffic;
    this.#traffic = { requests: requests + 1, bytes, atOnce: Math.max(atOnce, this.#underWay) };
    try {
      await new Promise((resolve) => setTimeout(resolve, this.#milliseconds));
      const { method, url, headers } = incoming;
      const outgoing = request({
        ...{ agent: this.#agent, host: this.#target.hostname, port: this.#target.port },
        ...{ method, path: url, headers, setHost: false },
      });
      const answered = new Promise<IncomingMessage>((resolve, reject) => {
        outgoing.on('response', resolve).on('error', reject);
      });
      const sent = pipeline(incoming, this.#count(), outgoing);
      const response = await answered;
      // A server may close its connection after each answer, as those for tests do. A distant one keeps it.
      const { connection: _own, 'keep-alive': _too, ...passed } = response.headers;
      answer.writeHead(response.statusCode ?? 502, passed);
      await Promise.all([sent, pipeline(response, this.#count(), answer)]);
    } finally {
      this.#underWay -= 1;
    }
  }

  #count(): Transform {
    const counter = new PassThrough();
    counter.on('data', (chunk: Buffer) => {
      this.#traffic = { ...this.#traffic, bytes: this.#traffic.bytes + chunk.length };
    });
    return counter;
  }
}
