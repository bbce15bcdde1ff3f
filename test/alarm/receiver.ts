import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly requests: Received[];
  /** `hang` never answers, `reset` ends the connection. */
  answer: (
    request: Received,
  ) => { status: number; headers?: Record<string, string>; body?: string } | 'hang' | 'reset';
  close(): Promise<void>;
}

/** Whatever listens to a webhook. */
export async function startReceiver(): Promise<Receiver> {
  const server = createServer(async (message, response) => {
    const { method = '', url: path = '', headers } = message;
    const request = { method, path, headers, body: await text(message) };
    receiver.requests.push(request);
    const answer = receiver.answer(request);
    if (answer === 'hang') return;
    if (answer === 'reset') return void message.socket.destroy();
    response.writeHead(answer.status, answer.headers);
    response.end(answer.body ?? 'ok');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    answer: () => ({ status: 200 }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}
