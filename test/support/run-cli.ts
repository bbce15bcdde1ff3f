import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Printed, readPrinted } from './printed-json.ts';

const dist = new URL('../../dist/', import.meta.url).pathname;

export interface CliOptions {
  /** Added to an environment that holds nothing but PATH, HOME, TMPDIR and credentials of no store. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** The child's TMPDIR; without it a new folder. */
  temporaryFolder?: string;
}

export interface Finished {
  /** Null when a signal ended the process. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly temporaryFolder: string;
  /** Resolves when the process has ended and its pipes are closed, whatever its exit code. */
  readonly finished: Promise<Finished>;
  /** What stderr holds so far. */
  stderr(): string;
}

/** What Node has compiled of the bundles, for all runs: thousands of them start, and compiling is half of it. */
const compileCache = join(tmpdir(), 'supabase-backup-compile-cache');

/** The AWS secret of every run that brings none of its own. No output may hold it. */
export const awsSecret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYscenarios';

/** Starts a bundle of dist/ in a process of its own, and returns at once. */
export function startBundle(file: string, words: readonly string[], options: CliOptions = {}): Running {
  const temporaryFolder = options.temporaryFolder ?? mkdtempSync(join(tmpdir(), 'scenario-tmp-'));
  mkdirSync(temporaryFolder, { recursive: true });
  const child = spawn(process.execPath, [join(dist, file), ...words], {
    cwd: options.cwd ?? temporaryFolder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TMPDIR: temporaryFolder,
      NODE_COMPILE_CACHE: compileCache,
      AWS_ACCESS_KEY_ID: 'AKIASCENARIOS',
      AWS_SECRET_ACCESS_KEY: awsSecret,
      AWS_EC2_METADATA_DISABLED: 'true',
      ...options.env,
    },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, signal) => {
      // Whatever a killed run has left there; a caller who wants to look names a folder.
      if (options.temporaryFolder === undefined) rmSync(temporaryFolder, { recursive: true, force: true });
      resolve({ exitCode, signal, stdout, stderr });
    });
  });
  finished.catch(() => undefined);
  return { child, temporaryFolder, finished, stderr: () => stderr };
}

export function startCli(words: readonly string[], options: CliOptions = {}): Running {
  return startBundle('cli.cjs', words, options);
}

export async function runCli(words: readonly string[], options: CliOptions = {}): Promise<Finished> {
  const run = await startCli(words, options).finished;
  // A run that was stopped may have printed nothing; whatever is printed keeps what the schema promises.
  if (words.includes('--json') && run.stdout !== '') readPrinted(run.stdout);
  return run;
}

/** Runs the command line with `--json`, expects it to succeed, and returns its outputs. */
export async function succeed(
  words: readonly string[],
  options: CliOptions = {},
): Promise<Printed['outputs']> {
  const run = await runCli([...words, '--json'], options);
  if (run.exitCode !== 0) {
    throw new Error(
      `${words.join(' ')} ended with ${run.exitCode ?? run.signal}:\n${run.stdout}${run.stderr}`,
    );
  }
  return readPrinted(run.stdout).outputs;
}
