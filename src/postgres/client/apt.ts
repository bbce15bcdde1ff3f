import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { getExecOutput } from '@actions/exec';
import type { Context } from '../../runtime/context.ts';
import { messageOf } from '../../runtime/errors.ts';
import { environmentOfSystem, runAsRoot, withRights } from './root-command.ts';

export const aptSources = '/etc/apt/sources.list.d';

/** How long to wait for a lock: a fresh machine upgrades itself, and holds the locks for minutes */
const lockTimeoutSeconds = 300;
/** Between two tries */
const retryDelayMs = 3000;
const apt = ['apt-get', '-o', `DPkg::Lock::Timeout=${lockTimeoutSeconds}`];
const asRoot = (command: readonly string[], context: Context) => runAsRoot(command, /^E: /, context);

/**
 * Installs packages.
 *
 * @param words package names, and options for this run
 * @throws Error with apt's complaints
 */
export async function aptInstall(words: readonly string[], context: Context): Promise<void> {
  // At a lower log level apt would not name the program that it waits for.
  await asRoot([...apt, 'install', '-y', '-q', '--no-install-recommends', ...words], context);
}

/**
 * Updates the package lists. apt waits for the lock of the packages, but not for that of the lists, so this
 * function does.
 *
 * @throws Error with apt's complaints
 */
export async function updateLists(options: readonly string[], context: Context): Promise<void> {
  const until = performance.now() + lockTimeoutSeconds * 1000;
  for (let isWaiting = false; ; isWaiting = true) {
    try {
      return await asRoot([...apt, 'update', '-qq', ...options], context);
    } catch (error) {
      if (!/Could not get lock/.test(messageOf(error)) || performance.now() > until) throw error;
      if (!isWaiting)
        context.log.info(
          `Another program works with the packages: waiting for up to ${lockTimeoutSeconds / 60} minutes`,
        );
      await delay(retryDelayMs, undefined, { signal: context.signal });
    }
  }
}

/** The output of apt-cache; empty when it fails. */
export async function askApt(words: readonly string[], context: Context): Promise<string> {
  const look = { ignoreReturnCode: true, silent: true, env: environmentOfSystem(context) };
  const known = await getExecOutput('apt-cache', [...words], look);
  return known.exitCode === 0 ? known.stdout : '';
}

/**
 * Runs a step whose failure is only logged: the step may not be needed, and if it was, the next one fails.
 */
export async function tolerate(body: () => Promise<void>, context: Context): Promise<void> {
  try {
    await body();
  } catch (error) {
    context.signal.throwIfAborted();
    context.log.info(`It goes on in spite of this: ${messageOf(error)}`);
  }
}

const isOfProject = (name: string): boolean => /^pgdg\.(list|sources)$/.test(name);

/**
 * Runs `body` with the PostgreSQL project's repository among the sources. A repository added here is removed
 * again, however `body` ends.
 */
export async function withProjectSource(
  sources: string,
  body: () => Promise<void>,
  context: Context,
): Promise<void> {
  const list = () => (existsSync(sources) ? readdirSync(sources).filter(isOfProject) : []);
  const isNew = list().length === 0;
  await using guard = isNew ? guardSources(sources, context) : undefined;
  if (guard !== undefined) {
    await aptInstall(['postgresql-common', 'ca-certificates'], context);
    // The script also updates the lists of all sources, which may fail; the list that matters is updated
    // below.
    await tolerate(
      () => asRoot(['/usr/share/postgresql-common/pgdg/apt.postgresql.org.sh', '-y'], context),
      context,
    );
  }
  for (const name of list()) {
    const only = ['-o', `Dir::Etc::sourcelist=${path.join(sources, name)}`, '-o', 'Dir::Etc::sourceparts=-'];
    await updateLists([...only, '-o', 'APT::Get::List-Cleanup=0'], context);
  }
  await body();
}

/**
 * Starts a process that removes the project's sources on request, or when this process is gone: it reads from
 * a pipe that only this process writes to. In the second case it removes them twice, because the script that
 * adds them may still be running.
 */
function guardSources(sources: string, context: Context): AsyncDisposable {
  const files = ['pgdg.list', 'pgdg.sources'].map((name) => path.join(sources, name));
  const remove = 'rm -f -- "$@"';
  const script = `trap '' HUP INT TERM; read -r line || { ${remove}; sleep 30; }; ${remove}`;
  const [file = '', ...args] = withRights(['sh', '-c', script, 'guard', ...files], context);
  const child = spawn(file, args, {
    env: environmentOfSystem(context),
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const ended = once(child, 'exit');
  ended.catch((error: unknown) => context.log.debug(`no source will be removed: ${messageOf(error)}`));
  child.stdin.on('error', () => undefined);
  return {
    async [Symbol.asyncDispose]() {
      child.stdin.end('\n');
      await ended;
    },
  };
}
