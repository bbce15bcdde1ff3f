import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { claimStdout } from '../../../src/entry/mcp/wire.ts';

it('stdout has what goes through the wire, and all else goes to stderr', async () => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const wire = claimStdout({ stdout, stderr } as unknown as Pick<NodeJS.Process, 'stdout' | 'stderr'>);
  await new Promise((resolve) => wire.write('{"jsonrpc":"2.0"}\n', resolve));
  stdout.write('chatter\n');
  expect(String(stdout.read())).toBe('{"jsonrpc":"2.0"}\n');
  expect(String(stderr.read())).toBe('chatter\n');
});

it('a wire that breaks tells its writer', async () => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const wire = claimStdout({ stdout, stderr } as unknown as Pick<NodeJS.Process, 'stdout' | 'stderr'>);
  const failed = new Promise((resolve) => wire.once('error', resolve));
  stdout.once('error', () => undefined);
  stdout.destroy(new Error('broken pipe'));
  wire.write('late');
  expect(String(await failed)).toMatch(/destroyed|broken pipe/);
});
