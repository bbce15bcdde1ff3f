import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ToolEnvironment } from './environment.ts';

/** A client tool under way. Both promises settle; read `stdout` to its end before trusting `done`. */
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

/** A program's own line, which may pass on what the server said. */
const ownLine = /^(?:pg_dump|pg_restore|psql): /;
const ownQuote = /^\w+: (?:error|detail): (?:The )?(?:command|query) was:/i;
/** What libpq puts behind the server's message, in this order (fe-protocol3.c, pqBuildErrorMessage3), and pg_restore behind that */
const quotes =
  /^(?:LINE \d+|DETAIL|QUERY|CONTEXT|STATEMENT|SCHEMA NAME|TABLE NAME|COLUMN NAME|DATATYPE NAME|CONSTRAINT NAME|LOCATION|Command was):/;

/**
 * Tells which lines of a client program's complaints are its own words and the server's, and none of the statements and the rows that it
 * quotes: these may hold passwords, keys and what else is in a database, and an error goes into logs, issues and records. To be asked line by
 * line. What is quoted may have lines that look like others, so that it ends with the program's next word only, and a hint counts where it
 * follows the message.
 */
export function createQuoteFilter(): (line: string) => boolean {
  let isQuote = false;
  return (line) => {
    if (ownLine.test(line)) isQuote = ownQuote.test(line);
    else if (quotes.test(line)) isQuote = true;
    return !isQuote;
  };
}

/** Programs that quote statements */
const quoting: ReadonlySet<string> = new Set(['pg_dump', 'pg_restore', 'psql']);

/** Only the end of stderr is kept: the cause stands there, and a tool may complain about each of 10,000 tables. */
const stderrLimit = 16_384;
/** UTF-16 units: what goes on for longer without the end of a line is taken for several. */
const lineLimit = 1_000_000;

export interface ToolOptions {
  readonly env: ToolEnvironment;
  readonly signal: AbortSignal;
  readonly input?: string;
  /** Called with each line of stderr, however many there are */
  readonly onErrorLine?: (line: string) => void;
  /** From its end until nobody listens any more; without it until all are done who have inherited its streams */
  readonly lingerMs?: number;
}

/** Between asking a tool to end and ending it */
const graceMs = 2000;

/**
 * A life line: a process that is killed can end nobody, so a watcher reads from a pipe that only we write into. It comes to its end without a
 * line when we are gone, and the watcher ends the tool with all that it has started, whether these want to or not; with a line, the tool has
 * ended by itself. The shell becomes the tool, which keeps its process id, its exit code, its signals and its streams. The watcher is nobody's
 * child, as pg_restore waits for all of its own.
 */
const withLifeLine = `( (
    trap '' HUP INT TERM
    # Not all shells take both.
    end() { kill -s "$1" -- "-$$" || kill "-$1" "-$$"; }
    read -r line || { end TERM; sleep ${graceMs / 1000}; end KILL; }
  ) <&3 >/dev/null 2>&1 3<&- & ); unset OLDPWD; exec "$@" 3<&-`;

/**
 * Starts a program, which ends when we do, however that is, with all that it has started. No shell reads its arguments. Secrets belong in
 * `env`, never in `args`.
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
    // In a group of its own, which can be ended as a whole
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
  // The tool may end before it has read its input; its exit code says so.
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

/** Groups that are to end, and may not have come to it */
const ending = new Set<number>();
process.on('exit', () => {
  for (const id of ending) signalGroup(id, 'SIGKILL');
});

/** A tool and all that it has started, as far as that did not leave for a group of its own. */
class ProcessGroup {
  readonly #id: number | undefined;
  #endsAt = Number.POSITIVE_INFINITY;

  /** @param id process id of the first; undefined where it did not start */
  constructor(id: number | undefined) {
    this.#id = id;
  }

  /** Asks all to end, and ends them after a while. */
  end(): void {
    const id = this.#id;
    if (id === undefined || Number.isFinite(this.#endsAt) || !signalGroup(id, 'SIGTERM')) return;
    ending.add(id);
    this.#endsAt = performance.now() + graceMs;
    const timer = setInterval(() => {
      if (signalGroup(id, performance.now() < this.#endsAt ? 0 : 'SIGKILL')) return;
      // Its number may be another's from now on.
      ending.delete(id);
      clearInterval(timer);
    }, 50).unref();
  }

  /** Ends what the tool has left running when it ended itself; the watcher goes of its own accord. */
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

/** Whether there was anybody to get it */
function signalGroup(id: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-id, signal);
  } catch {
    return false;
  }
}

/** The shell that would look for it has no way to say that it found nothing which a program has not, too. */
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

/** By line ends alone: what a database holds may have other separators in its names. */
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

/** Runs a tool to its end and returns what it printed. For short outputs only. */
export async function runTool(
  file: string,
  args: readonly string[],
  options: ToolOptions,
): Promise<{ stdout: string; stderr: string }> {
  const run = startTool(file, args, options);
  const [stdout, stderr] = await Promise.all([text(run.stdout), run.done]);
  return { stdout, stderr };
}
