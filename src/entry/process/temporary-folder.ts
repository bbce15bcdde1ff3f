import { createHash } from 'node:crypto';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir, uptime } from 'node:os';
import { join } from 'node:path';

/** Of this machine, because containers share folders and count their processes each from 1. */
const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
const startedAt = Math.round(performance.timeOrigin);
const ofRuns = /^supabase-backup-([0-9a-f]{8})-(\d+)-(\d+)-\w{6}$/;

/**
 * A folder, mode 0700, that goes when the process goes: at its end, on `process.exit` from a signal, and after an error that nobody
 * caught. Only a SIGKILL leaves it behind, and the next run removes it.
 */
export function createTemporaryFolder(parent = tmpdir()): string {
  removeLeftovers(parent);
  const folder = mkdtempSync(join(parent, `supabase-backup-${machine}-${process.pid}-${startedAt}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What runs left that were killed: decrypted archives, for example. A run must not fail because of another one's. */
function removeLeftovers(parent: string): void {
  for (const name of listNames(parent)) {
    const [, where, pid, since] = ofRuns.exec(name) ?? [];
    if (where !== machine || isRunning(Number(pid), Number(since))) continue;
    try {
      const folder = join(parent, name);
      const found = lstatSync(folder);
      if (found.isDirectory() && found.uid === process.getuid?.()) rmSync(folder, { recursive: true });
    } catch {
      // Another run has removed it at the same time.
    }
  }
}

function listNames(parent: string): string[] {
  try {
    return readdirSync(parent);
  } catch {
    return [];
  }
}

/** @param since milliseconds since 1970, when the process of this number started that made the folder */
function isRunning(pid: number, since: number): boolean {
  if (pid === process.pid) return since === startedAt;
  // Numbers are given again after a start of the machine. A clock that was set meanwhile is to leave a folder rather than take it.
  if (since < Date.now() - uptime() * 1000 - 60_000) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const began = readStart(pid);
  return began === undefined || began < since + 10_000;
}

/** What Linux counts them in for others, whatever it counts in itself (USER_HZ) */
const ticksPerSecond = 100;

/** milliseconds since 1970, when a process began; undefined where that is not told. In a container, numbers are given again soon. */
function readStart(pid: number): number | undefined {
  try {
    // Behind the name, which may hold anything, the 22nd field is the 20th (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const ticks = Number(fields[19]);
    return Date.now() - uptime() * 1000 + (ticks / ticksPerSecond) * 1000;
  } catch {
    return undefined;
  }
}
