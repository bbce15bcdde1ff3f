import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { exec, getExecOutput } from '@actions/exec';
import { messageOf } from '../errors.ts';
import type { World } from '../world.ts';

export const aptSources = '/etc/apt/sources.list.d';

/** seconds: a fresh machine upgrades itself, and holds the locks for minutes */
const patience = 300;
/** milliseconds between two tries */
const pause = 3000;
const apt = ['apt-get', '-o', `DPkg::Lock::Timeout=${patience}`];

/**
 * @param words packages, and options of this one run
 * @throws Error with what apt complained about
 */
export async function aptInstall(words: readonly string[], world: World): Promise<void> {
  await asRoot([...apt, 'install', '-y', '-qq', '--no-install-recommends', ...words], world);
}

/**
 * Has apt look for what there is. It waits for the lock of the packages and for none of those of the lists, so that the waiting is ours.
 *
 * @throws Error with what apt complained about
 */
export async function updateLists(options: readonly string[], world: World): Promise<void> {
  const until = performance.now() + patience * 1000;
  for (;;) {
    try {
      return await asRoot([...apt, 'update', '-qq', ...options], world);
    } catch (error) {
      if (!/Could not get lock/.test(messageOf(error)) || performance.now() > until) throw error;
      await delay(pause, undefined, { signal: world.signal });
    }
  }
}

/** What apt-cache answers; nothing where it knows nothing. */
export async function askApt(words: readonly string[], world: World): Promise<string> {
  const look = { ignoreReturnCode: true, silent: true, env: environmentOfApt(world) };
  const known = await getExecOutput('apt-cache', [...words], look);
  return known.exitCode === 0 ? known.stdout : '';
}

/** What fails here may not be needed. Where it was, what comes next fails. */
export async function tolerate(body: () => Promise<void>, world: World): Promise<void> {
  try {
    await body();
  } catch (error) {
    world.signal.throwIfAborted();
    world.log.info(`It goes on in spite of this: ${messageOf(error)}`);
  }
}

const isOfProject = (name: string): boolean => /^pgdg\.(list|sources)$/.test(name);

/** With the PostgreSQL project's repository among the sources. Where it was not before, it is not after, however this ends. */
export async function withProjectSource(
  sources: string,
  body: () => Promise<void>,
  world: World,
): Promise<void> {
  const list = () => (existsSync(sources) ? readdirSync(sources).filter(isOfProject) : []);
  const isNew = list().length === 0;
  await using guard = isNew ? guardSources(sources, world) : undefined;
  if (guard !== undefined) {
    await aptInstall(['postgresql-common', 'ca-certificates'], world);
    // It looks at all sources once more; what matters of that comes next.
    await tolerate(
      () => asRoot(['/usr/share/postgresql-common/pgdg/apt.postgresql.org.sh', '-y'], world),
      world,
    );
  }
  for (const name of list()) {
    const only = ['-o', `Dir::Etc::sourcelist=${path.join(sources, name)}`, '-o', 'Dir::Etc::sourceparts=-'];
    await updateLists([...only, '-o', 'APT::Get::List-Cleanup=0'], world);
  }
  await body();
}

/**
 * A process that takes the project's sources away again when it is told to, or when we are gone: it reads from a pipe that only we write
 * into. In the second case the script that adds them may still be at it.
 */
function guardSources(sources: string, world: World): AsyncDisposable {
  const files = ['pgdg.list', 'pgdg.sources'].map((name) => path.join(sources, name));
  const remove = 'rm -f -- "$@"';
  const script = `trap '' HUP INT TERM; read -r line || { ${remove}; sleep 30; }; ${remove}`;
  const [file = '', ...args] = withRights(['sh', '-c', script, 'guard', ...files]);
  const child = spawn(file, args, {
    env: environmentOfApt(world),
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const ended = once(child, 'exit');
  ended.catch((error: unknown) => world.log.debug(`no source will be removed: ${messageOf(error)}`));
  child.stdin.on('error', () => undefined);
  return {
    async [Symbol.asyncDispose]() {
      child.stdin.end('\n');
      await ended;
    },
  };
}

const withRights = (command: readonly string[]): readonly string[] =>
  process.getuid?.() === 0 ? command : ['sudo', '-n', ...command];

/** What apt prints is told as ours, line by line: servers of package lists write into it, too. */
async function asRoot(command: readonly string[], world: World): Promise<void> {
  world.signal.throwIfAborted();
  const [file = '', ...args] = withRights(command);
  const complaints: string[] = [];
  const tell = (line: string) => {
    if (line.trim() !== '') world.log.info(line);
  };
  world.log.info(`$ ${[file, ...args].join(' ')}`);
  const exitCode = await exec(file, args, {
    env: environmentOfApt(world),
    silent: true,
    ignoreReturnCode: true,
    listeners: {
      stdline: tell,
      errline: (line) => {
        tell(line);
        if (/^E: /.test(line)) complaints.push(line);
      },
    },
  });
  if (exitCode === 0) return;
  throw new Error(`${command.slice(0, 1).join()} ended with ${exitCode}: ${complaints.slice(-3).join(' ')}`);
}

/** The scripts of packages run as root, and none of them needs what this process knows of databases and storages. */
function environmentOfApt({ env }: World): Record<string, string> {
  const kept = Object.entries(env).filter(([name]) => /^(PATH|HOME|https?_proxy|no_proxy)$/i.test(name));
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    // Its complaints are read.
    LC_ALL: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
  };
}
