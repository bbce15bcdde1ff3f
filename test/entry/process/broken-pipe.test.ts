import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { readPrinted } from '../../support/printed-json.ts';

const cli = new URL('../../../src/entry/cli.ts', import.meta.url).pathname;

it('a run goes on when nobody reads stderr any more', async () => {
  const child = spawn(process.execPath, [cli, 'list', '--storage', './no/such/folder', '--json'], {
    env: {},
  });
  // What it says on stderr goes into a pipe without a reader.
  child.stderr.destroy();
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  const [code] = await once(child, 'close');
  expect({ code, error: readPrinted(stdout).error }).toMatchObject({
    error: { kind: expect.not.stringMatching('Defect') },
    code: 2,
  });
});
