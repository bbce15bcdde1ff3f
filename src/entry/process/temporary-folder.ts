import { createHash } from 'node:crypto';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir, uptime } from 'node:os';
import { join } from 'node:path';

/** Identifies this machine: containers share folders, and each numbers its processes from 1. */
const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
const startedAt = Math.round(performance.timeOrigin);
const ofRuns = /^supabase-backup-([0-9a-f]{8})-(\d+)-(\d+)-\w{6}$/;

/**
 * Creates a folder, mode 0700, that is removed when the process ends: at its end, on `process.exit` after a
 * signal, and after an uncaught error. Only a SIGKILL leaves it behind, and the next run removes it.
 */
export function createTemporaryFolder(parent = tmpdir()): string {
  removeLeftovers(parent);
  const folder = mkdtempSync(join(parent, `supabase-backup-${machine}-${process.pid}-${startedAt}-`));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Removes folders that killed runs have left, for example with decrypted archives. What another run left must
 * not make this run fail, so errors are ignored.
 */
function removeLeftovers(parent: string): void {
  for (const name of listNames(parent)) {
    const [, where, pid, since] = ofRuns.exec(name) ?? [];
    if (where !== machine || isRunning(Number(pid), Number(since))) continue;
    try {
      const folder = join(parent, name);
      const found = lstatSync(folder);
      if (found.isDirectory() && found.uid === process.getuid?.()) rmSync(folder, { recursive: true });
    } catch {
      // Another run has removed the folder at the same time.
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

/**
 * Whether the process that created a folder is still running.
 *
 * @param since when that process started, milliseconds since 1970
 */
function isRunning(pid: number, since: number): boolean {
  if (pid === process.pid) return since === startedAt;
  // Process numbers are reused after a restart of the machine. The margin is for a clock that was set
  // meanwhile: it is safer to leave a folder than to remove one in use.
  if (since < Date.now() - uptime() * 1000 - 60_000) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const began = readStart(pid);
  return began === undefined || began < since + 10_000;
}

/** USER_HZ: the unit of times in /proc, whatever the kernel uses internally. */
const ticksPerSecond = 100;

/**
 * Reads when a process started, milliseconds since 1970; undefined where /proc does not tell. A container
 * reuses process numbers soon, so the number alone does not identify a process.
 */
function readStart(pid: number): number | undefined {
  try {
    // The second field, the name, may hold anything; the 22nd field is the 20th after it (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const ticks = Number(fields[19]);
    return Date.now() - uptime() * 1000 + (ticks / ticksPerSecond) * 1000;
  } catch {
    return undefined;
  }
}
