import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** Over the environment of this process. Secrets go here: every user of the machine can read arguments. */
  readonly env: NodeJS.ProcessEnv;
}

export interface Measured {
  /** From the start of the process until it has ended and closed its output. */
  readonly seconds: number;
  /** Undefined where there is no /proc. */
  readonly peakRssBytes: number | undefined;
  readonly stdout: string;
}

const sampleEveryMs = 25;

/** Process groups, each named by its first process. */
const running = new Set<number>();

/** A pipeline that fails when any part of it does. `args` are its `$1`, `$2`, …: nothing has to be quoted. */
export function pipeline(script: string, args: readonly string[], env: NodeJS.ProcessEnv): Command {
  return { file: 'bash', args: ['-o', 'pipefail', '-c', script, 'pipeline', ...args], env };
}

/** Starts a command in a process group of its own, so that all of a pipeline can be ended. */
export function start(command: Command): ChildProcessByStdio<null, Readable, Readable> {
  const child = spawn(command.file, command.args, {
    env: { ...cleanEnvironment(), ...command.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const { pid } = child;
  if (pid !== undefined) running.add(pid);
  child.on('close', () => pid !== undefined && running.delete(pid));
  return child;
}

/** Runs a command and watches the memory of its process tree. Throws, with the end of what it said, when it fails. */
export function measure(command: Command): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const child = start(command);
    const memory = new TreeMemory(child.pid);
    const sampling = setInterval(() => memory.sample(), sampleEveryMs);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', (error) => {
      clearInterval(sampling);
      reject(error);
    });
    child.on('close', (code, signal) => {
      const seconds = (performance.now() - startedAt) / 1000;
      clearInterval(sampling);
      if (code === 0) {
        resolve({ seconds, peakRssBytes: memory.peakBytes, stdout });
        return;
      }
      const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-20).join('\n');
      const words = [command.file, ...command.args].join(' ');
      reject(new Error(`${words}\nended with ${signal ?? `exit code ${code}`}:\n${said}`));
    });
  });
}

/** Ends at once whatever is being measured, for when this process is asked to end. */
export function endRunning(): void {
  for (const group of running) orElse(false, () => process.kill(-group, 'SIGKILL'));
}

/** No variable of the caller's shell may change what a contender does. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const steering = /^(PG|SUPABASE_BACKUP_|RESTIC_|ZSTD_|NODE_OPTIONS$|BENCH_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !steering.test(name)));
}

/**
 * The peak of a process tree: at each sample, the sum of the high-water marks (VmHWM) of the processes that live then. Marks rather
 * than current sizes, so that nothing between two samples is missed; pages that forked processes share count once for each. Both
 * make it an upper bound.
 */
class TreeMemory {
  readonly #root: number | undefined;
  #known = new Set<number>();
  peakBytes: number | undefined;

  constructor(root: number | undefined) {
    this.#root = existsSync('/proc/self/status') ? root : undefined;
    if (root !== undefined) this.#known.add(root);
  }

  sample(): void {
    if (this.#root === undefined) return;
    const alive = listTree(this.#root);
    // Between fork and exec a child shows its parent's memory, so it counts from the second time it is seen.
    const bytes = alive
      .filter((pid) => this.#known.has(pid))
      .reduce((sum, pid) => sum + readHighWaterMark(pid), 0);
    if (bytes > (this.peakBytes ?? 0)) this.peakBytes = bytes;
    this.#known = new Set(alive);
  }
}

function listTree(root: number): number[] {
  const tree = [root];
  for (const pid of tree) {
    for (const thread of orElse([], () => readdirSync(`/proc/${pid}/task`))) {
      const children = orElse('', () => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
      tree.push(...children.split(' ').filter(Boolean).map(Number));
    }
  }
  return tree;
}

function readHighWaterMark(pid: number): number {
  const status = orElse('', () => readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** A process may end while it is being looked at. */
function orElse<T>(fallback: T, read: () => T): T {
  try {
    return read();
  } catch {
    return fallback;
  }
}
