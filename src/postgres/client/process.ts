import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ToolEnvironment } from './environment.ts';

/** A running client tool. Both promises settle; read `stdout` to its end before trusting `done`. */
export interface ToolRun {
  readonly stdout: Readable;
  /** Resolves with stderr when the tool exits with 0, rejects with `ToolError` otherwise. */
  readonly done: Promise<string>;
  kill(): void;
}

export class ToolError extends Error {
  readonly stderr: string;

  constructor(tool: string, how: string, stderr: string) {
    super(`${tool} ${how}${stderr === '' ? '' : `: ${stderr}`}`);
    this.name = 'ToolError';
    this.stderr = stderr;
  }
}

/** The beginning of a program's own message, which may pass on the server's message. */
const ownLine = /^(?:pg_dump|pg_restore|psql): /;
const ownQuote = /^\w+: (?:error|detail): (?:The )?(?:command|query) was:/i;
/**
 * What libpq appends to the server's message, in this order (fe-protocol3.c, pqBuildErrorMessage3), and what
 * pg_restore appends to that.
 */
const quotes =
  /^(?:LINE \d+|DETAIL|QUERY|CONTEXT|STATEMENT|SCHEMA NAME|TABLE NAME|COLUMN NAME|DATATYPE NAME|CONSTRAINT NAME|LOCATION|Command was):/;

/**
 * Creates a filter for the stderr of a client program, to be called with each line in order. It passes the
 * words of the program and of the server, and drops quoted statements and rows: they may hold passwords, keys
 * and anything else in the database, and an error goes into logs, issues and records. A quote may have lines
 * that look like other output, so it ends only at the program's next own line. A hint passes only directly
 * behind its message.
 */
export function createQuoteFilter(): (line: string) => boolean {
  let isQuote = false;
  return (line) => {
    if (ownLine.test(line)) isQuote = ownQuote.test(line);
    else if (quotes.test(line)) isQuote = true;
    return !isQuote;
  };
}

/** Programs that quote statements. */
const quoting: ReadonlySet<string> = new Set(['pg_dump', 'pg_restore', 'psql']);

/**
 * UTF-16 units of stderr to keep from its end: the cause is there, and a tool may complain about each of
 * 10,000 tables.
 */
const stderrLimit = 16_384;
/** UTF-16 units; a longer line is split. */
const lineLimit = 1_000_000;

export interface ToolOptions {
  readonly env: ToolEnvironment;
  readonly signal: AbortSignal;
  readonly input?: string;
  /** Called with every line of stderr, also those that are not kept. */
  readonly onErrorLine?: (line: string) => void;
  /**
   * How long its output is read after its exit; undefined: until every process that inherited the streams has
   * ended
   */
  readonly lingerMs?: number;
}

/** The pause between asking a tool to end and killing it */
const graceMs = 2000;

/**
 * Ends the tool when this process dies, even by SIGKILL. A watcher reads from a pipe that only this process
 * writes to. End of file without a line means that this process is gone: the watcher ends the tool with all
 * that it started, by SIGTERM, then by SIGKILL. A line means that the tool has ended by itself. The shell
 * becomes the tool (`exec`), so process id, exit code, signals and streams are the tool's own. The watcher is
 * not the tool's child, because pg_restore waits for all of its children.
 */
const withLifeLine = `( (
    trap '' HUP INT TERM
    # Not all shells take both.
    end() { kill -s "$1" -- "-$$" || kill "-$1" "-$$"; }
    read -r line || { end TERM; sleep ${graceMs / 1000}; end KILL; }
  ) <&3 >/dev/null 2>&1 3<&- & ); unset OLDPWD; exec "$@" 3<&-`;

/**
 * Starts a program without a shell reading its arguments. The program ends when this process does, however
 * that happens, with all that it has started. Secrets belong in `env`, never in `args`.
 *
 * @throws nothing; a tool that cannot be started rejects `done`
 */
export function startTool(file: string, args: readonly string[], options: ToolOptions): ToolRun {
  const { env, signal, input = '', onErrorLine, lingerMs } = options;
  const tool = path.basename(file);
  if (signal.aborted) return neverStarted(tool, 'it was stopped before');
  if (!isProgram(file, env.PATH)) return neverStarted(tool, 'it is not there');
  const child = spawn('/bin/sh', ['-c', withLifeLine, tool, file, ...args], {
    env,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    // A process group of its own can be ended as a whole.
    detached: true,
  });
  const group = new ProcessGroup(child.pid);
  const stop = () => group.end();
  signal.addEventListener('abort', stop, { once: true });
  const lifeLine = child.stdio[3] as Writable;
  lifeLine.on('error', () => undefined);
  child.once('exit', () => {
    lifeLine.end('\n');
    group.endRest();
    if (lingerMs === undefined) return;
    setTimeout(() => {
      child.stdout.destroy();
      child.stderr.destroy();
    }, lingerMs).unref();
  });
  let stderr = '';
  const isShown = quoting.has(tool) ? createQuoteFilter() : () => true;
  passLines(child.stderr, (line) => {
    if (isShown(line)) stderr = `${stderr}${line}\n`.slice(-stderrLimit);
    onErrorLine?.(line);
  });
  // The tool may end before it has read its input; its exit code tells.
  child.stdin.on('error', () => undefined).end(input);
  const done = new Promise<string>((resolve, reject) => {
    const fail = (how: string) => reject(new ToolError(tool, how, stderr.trim()));
    child.once('error', (error) => fail(`could not run (${error.message})`));
    child.once('close', (code, ending) => {
      signal.removeEventListener('abort', stop);
      if (ending !== null) fail(`was ended by ${ending}`);
      else if (code !== 0) fail(`exited with ${code}`);
      else if (signal.aborted) fail('was stopped');
      else resolve(stderr);
    });
  });
  done.catch(() => undefined);
  return { stdout: child.stdout, done, kill: stop };
}

/** Process groups that were asked to end and may still run; they are killed when this process exits. */
const ending = new Set<number>();
process.on('exit', () => {
  for (const id of ending) signalGroup(id, 'SIGKILL');
});

/** A tool and all processes that it has started, except those that left for a group of their own. */
class ProcessGroup {
  readonly #id: number | undefined;
  #endsAt = Number.POSITIVE_INFINITY;

  /** @param id process id of the tool; undefined when it did not start */
  constructor(id: number | undefined) {
    this.#id = id;
  }

  /** Asks all processes of the group to end, and kills them after the grace period. */
  end(): void {
    const id = this.#id;
    if (id === undefined || Number.isFinite(this.#endsAt) || !signalGroup(id, 'SIGTERM')) return;
    ending.add(id);
    this.#endsAt = performance.now() + graceMs;
    const timer = setInterval(() => {
      if (signalGroup(id, performance.now() < this.#endsAt ? 0 : 'SIGKILL')) return;
      // The system may reuse the id from now on.
      ending.delete(id);
      clearInterval(timer);
    }, 50).unref();
  }

  /** Ends what the tool left running when it exited. The watcher ends by itself. */
  endRest(): void {
    const id = this.#id;
    if (id === undefined) return;
    ending.add(id);
    setTimeout(() => {
      if (!Number.isFinite(this.#endsAt)) ending.delete(id);
      this.end();
    }, 100).unref();
  }
}

/** Returns whether any process received the signal. */
function signalGroup(id: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-id, signal);
  } catch {
    return false;
  }
}

/**
 * Looks for the program before the shell does: the shell reports a missing program only by an exit code that
 * a program may return as well.
 */
function isProgram(file: string, searched = ''): boolean {
  const places = file.includes('/')
    ? [file]
    : searched.split(path.delimiter).map((folder) => path.join(folder, file));
  return places.some((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function neverStarted(tool: string, why: string): ToolRun {
  const done = Promise.reject(new ToolError(tool, `could not run (${why})`, ''));
  done.catch(() => undefined);
  return { stdout: Readable.from([]), done, kill: () => undefined };
}

/**
 * Splits at newlines only: names in a database may hold other line separators. A line longer than the limit
 * is split.
 */
export function passLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream
    .setEncoding('utf8')
    .on('data', (part: string) => {
      const lines = (rest + part).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
      if (rest.length < lineLimit) return;
      onLine(rest);
      rest = '';
    })
    .on('end', () => {
      if (rest !== '') onLine(rest);
    });
}

/**
 * Runs a tool to its end and returns its output. For short outputs only.
 *
 * @throws ToolError when the tool does not exit with 0
 */
export async function runTool(
  file: string,
  args: readonly string[],
  options: ToolOptions,
): Promise<{ stdout: string; stderr: string }> {
  const run = startTool(file, args, options);
  const [stdout, stderr] = await Promise.all([text(run.stdout), run.done]);
  return { stdout, stderr };
}
