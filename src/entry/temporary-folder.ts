import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A folder, mode 0700, that goes when the process goes: at its end, on `process.exit` from a signal, and after an error that nobody
 * caught. Only a SIGKILL leaves it behind.
 */
export function createTemporaryFolder(parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'supabase-backup-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
