import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface ProxiedRequest {
  /** CONNECT for a tunnel */
  readonly method: string;
  /** Host and port */
  readonly target: string;
  /** What the client has shown to the proxy itself */
  readonly credentials: string | undefined;
}

export interface ForwardProxy {
  /** Host and port */
  readonly host: string;
  readonly requests: ProxiedRequest[];
  /** Connections that it passed on */
  tunnels: number;
  /** Asked before anything is passed on; a status refuses, `hang` never answers. */
  refuse: (request: ProxiedRequest) => number | 'hang' | undefined;
  close(): Promise<void>;
}

/**
 * A forward proxy as companies have them, for tunnels and for plain requests. It alone knows the hosts of `.test`: all are this machine, so
 * that whoever does not go through it gets nowhere.
 */
export async function startForwardProxy(): Promise<ForwardProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((message, response) => pass(message, response));
  server.on('connect', (message: IncomingMessage, client: Socket, head: Buffer) => {
    sockets.add(client);
    const { url: target = '' } = message;
    const refused = note('CONNECT', target, message);
    if (refused === 'hang') return;
    if (refused !== undefined) return void client.end(`HTTP/1.1 ${refused} Refused\r\n\r\n`);
    proxy.tunnels += 1;
    const upstream = connect(Number(target.replace(/^.*:/, '')), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => [client, upstream].map((end) => end.destroy()));
    }
  });

  function note(method: string, target: string, { headers }: IncomingMessage) {
    const [, encoded] = /^Basic (.*)$/.exec(headers['proxy-authorization'] ?? '') ?? [];
    const credentials = encoded && Buffer.from(encoded, 'base64').toString();
    const asked = { method, target, credentials };
    proxy.requests.push(asked);
    return proxy.refuse(asked);
  }

  function pass(message: IncomingMessage, response: ServerResponse): void {
    const url = new URL(message.url ?? '');
    const { method = '', headers } = message;
    const refused = note(method, url.host, message);
    if (refused === 'hang') return;
    if (refused !== undefined)
      return void response.writeHead(refused).end('<html>refused by the proxy</html>');
    const { 'proxy-authorization': _, 'proxy-connection': __, ...passed } = headers;
    const { port, pathname, search } = url;
    const options = { host: '127.0.0.1', port, method, path: pathname + search, headers: passed };
    const upstream = request(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    upstream.on('error', () => response.writeHead(502).end());
    message.pipe(upstream);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: ForwardProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    tunnels: 0,
    refuse: () => undefined,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
