import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { serve } from '../../../src/entry/mcp/serve.ts';
import { createContext } from '../../support/context.ts';

/** Starts a server and says hello to it. */
async function connect() {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const context = createContext();
  const serving = serve({
    context,
    read: () => undefined,
    process: { stdin, stdout, stderr } as unknown as NodeJS.Process,
  });
  const send = (message: object) => stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const clientInfo = { name: 'test', version: '1' };
  send({
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo },
  });
  await once(stdout, 'data');
  return { stdin, stdout, serving, warnings: context.log.warnings, send };
}

it('a client has left when it hangs up', async () => {
  const { stdin, serving, warnings } = await connect();
  stdin.end();
  await serving.ended;
  expect(warnings).toEqual([]);
});

it('a client has left when it takes no answers, although it says nothing', async () => {
  const { stdout, serving, warnings, send } = await connect();
  stdout.destroy(new Error('write EPIPE'));
  send({ id: 2, method: 'tools/list' });
  await serving.ended;
  expect(warnings).toEqual(['the connection to the client has ended: write EPIPE']);
});

it('a client has left when it sends a line that is too long to be read', async () => {
  const { stdin, serving, warnings } = await connect();
  // The protocol's library holds 10 MiB of a line.
  for (let sent = 0; sent < 11 * 1024 ** 2; sent += 1024 ** 2) stdin.write('x'.repeat(1024 ** 2));
  await serving.ended;
  expect(warnings).toEqual([expect.stringContaining('exceeded maximum size')]);
});
