import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseInputs } from '../../src/interface/inputs/parse.ts';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import type { Outcome } from '../../src/interface/outcome.ts';
import { run } from '../../src/operations/run.ts';
import { createContext } from '../support/context.ts';

/**
 * Runs an operation inside this process, so that a test may decide what each single call of the storage does. A file that uses it
 * puts the storage in place of the one that the inputs name:
 *
 *     vi.mock('../../src/storage/open.ts', () => ({ openStorage: async () => stage.storage }));
 */
export async function operate(
  { now: storageNow }: { now: () => Date },
  inputs: Partial<Record<InputName, string>>,
  { messages = [], now = storageNow }: { messages?: string[]; now?: () => Date } = {},
): Promise<Outcome> {
  const note = (message: string) => void messages.push(message);
  const temporaryFolder = mkdtempSync(join(tmpdir(), 'in-process-'));
  const given: Partial<Record<InputName, string>> = { storage: './scripted', ...inputs };
  try {
    return await run(
      parseInputs((name) => given[name], {}),
      {
        ...createContext({ env: { PATH: process.env.PATH, HOME: process.env.HOME }, temporaryFolder, now }),
        log: {
          debug: note,
          info: note,
          warn: note,
          error: note,
          progress: () => {},
          group: (_, body) => body(),
        },
      },
    );
  } finally {
    rmSync(temporaryFolder, { recursive: true, force: true });
  }
}
