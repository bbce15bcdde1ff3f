import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { provideServer } from '../test/support/unpacked-server.ts';

/** Builds what the scenarios start, brings a server where there is none, then runs the tests; arguments go to vitest. */

const root = path.join(import.meta.dirname, '..');
run(path.join(import.meta.dirname, 'build.ts'), [], 'ignore');
await provideServer((sentence) => console.error(sentence));
run(path.join(root, 'node_modules', 'vitest', 'vitest.mjs'), ['run', ...process.argv.slice(2)], 'inherit');

function run(script: string, args: readonly string[], stdout: 'ignore' | 'inherit'): void {
  const { status } = spawnSync(process.execPath, [script, ...args], {
    cwd: root,
    stdio: ['inherit', stdout, 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
}
