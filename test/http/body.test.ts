import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BodyTooLong, readBeginning, readBody } from '../../src/http/body.ts';
import { request } from '../../src/http/request.ts';

/** Answers with as many bytes as the path says, or without an end. */
const server = createServer(({ url = '' }, response) => {
  if (url !== '/endless') return void response.end('é'.repeat(Number(url.slice(1)) / 2));
  response.on('close', () => {
    isClosed = true;
  });
  const more = () => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
    response.once('drain', more);
  };
  more();
});
let isClosed = false;
let root: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const ask = (path: string) =>
  request(new URL(root + path), { env: {}, signal: new AbortController().signal });

it('reads a body up to its limit, and an empty one', async () => {
  expect(await readBody(await ask('/1000'), 1000)).toBe('é'.repeat(500));
  expect(await readBody(await ask('/0'), 10)).toBe('');
  await expect(readBody(await ask('/1000'), 999)).rejects.toThrow(BodyTooLong);
  expect(await readBeginning(await ask('/1000'), 10)).toBe('ééééé');
});

it('hangs up on an answer without an end', async () => {
  await expect(readBody(await ask('/endless'), 1_000_000)).rejects.toThrow('has more than 1000000 bytes');
  await expect.poll(() => isClosed).toBe(true);
});
