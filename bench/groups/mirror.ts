import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender, Group } from '../contender.ts';
import { type Command, pipeline, start } from '../measure.ts';
import { countObjects, writeMirrored } from '../mirrored.ts';
import { arrange, ours, remove, type Workshop } from '../workshop.ts';

/** At scale 10, a million */
const fullSize = 100_000;

/** As many as a backup of 64 GB has */
const objectsOfBackup = 2000;

/** Between two looks at how far a mirror is that is to be killed */
const lookEveryMs = 500;

/** A repository of many small objects, copied from folder to folder. */
export function createMirrorGroup({ scratch, versions }: Workshop, scale: number): Group {
  const backups = Math.max(1, Math.round((fullSize * scale) / objectsOfBackup));
  const size = { backups, objects: objectsOfBackup };
  const source = join(scratch, 'mirror-source');
  const copyAt = (name: string) => join(scratch, `mirror-${name}`);
  const make = async () => {
    if (!existsSync(source)) await writeMirrored(source, size);
  };
  const anew = (name: string) => ({
    setUp: make,
    prepare: async () => remove(copyAt(name)),
    clean: async () => remove(copyAt(name)),
  });
  const all = backups * objectsOfBackup;
  const mirror = (name: string) => ({ setUp: make, command: mirrorCommand(source, copyAt(name)) });
  const isWhole = (copied: number) => copied === all;
  const contenders: Contender[] = [
    {
      ...anew('cp'),
      id: 'cp',
      name: 'cp -r, sync',
      command: flushed('cp -r "$1" "$2"', source, copyAt('cp')),
    },
    {
      ...anew('rclone'),
      id: 'rclone',
      name: 'rclone sync, sync',
      missing: versions.rclone === undefined ? 'not installed' : undefined,
      command: flushed(
        'rclone sync --config "" --transfers 32 --checkers 32 "$1" "$2"',
        source,
        copyAt('rclone'),
      ),
    },
    {
      ...mirror('ours'),
      id: 'mirror',
      name: 'ours',
      prepare: async () => remove(copyAt('ours')),
      inspect: (stdout) => inspect(stdout, source, copyAt('ours'), isWhole),
    },
    {
      ...mirror('ours'),
      id: 'idle',
      name: 'ours (nothing to do)',
      // What the row above has left, where it ran before
      prepare: async () => {
        if (countObjects(copyAt('ours')) < all) await arrange(mirrorCommand(source, copyAt('ours')));
      },
      inspect: (stdout) => inspect(stdout, source, copyAt('ours'), (copied) => copied === 0),
    },
    {
      ...mirror('resumed'),
      id: 'resumed',
      name: 'ours (the rest, after a kill half-way)',
      prepare: async () => {
        remove(copyAt('resumed'));
        await killHalfWay(mirrorCommand(source, copyAt('resumed')), copyAt('resumed'), all);
      },
      inspect: (stdout) =>
        inspect(stdout, source, copyAt('resumed'), (copied) => copied > 0 && copied < 0.6 * all),
      clean: async () => remove(copyAt('resumed')),
    },
  ];
  return {
    id: 'mirror',
    title: `Mirror of ${format(backups)} backups and ${format(all)} objects from folder to folder`,
    note:
      `Each object is a file of some 500 bytes and named by one backup, with a manifest for ${format(objectsOfBackup)} of them. cp and rclone are told ` +
      'to flush once, at the end; ours flushes each file and its name before the next step, hashes what it copies, reads a tenth of it back ' +
      'and locks the copy. After each run of ours the files of both places are compared by diff. The last row begins with a copy whose ' +
      'mirror was ended by SIGKILL when half of the objects were there; the lock that it left, which ends by itself, was removed.',
    contenders,
    baselines: ['cp', 'rclone'],
    targets: ['mirror', 'idle', 'resumed'].map((contender) => ({
      ...{ kind: 'memory' as const, contender, mostBytes: 512e6 },
    })),
  };
}

function format(count: number): string {
  return count.toLocaleString('en-US');
}

function mirrorCommand(source: string, copy: string): Command {
  return ours('mirror', ['--storage', source, '--json'], { SUPABASE_BACKUP_COPIES: copy });
}

/** Copies and waits until all of it is on the disk. */
function flushed(script: string, source: string, copy: string): Command {
  return pipeline(`${script} && sync -f "$2"`, [source, copy], {});
}

/** Throws unless a mirror has copied what it should, and both folders hold the same files. */
async function inspect(
  stdout: string,
  source: string,
  copy: string,
  isRight: (copied: number) => boolean,
): Promise<{ phases: Record<string, string> }> {
  const [told] = JSON.parse(stdout).copies;
  const { objects } = told.copied;
  if (told.state !== 'complete' || !isRight(objects) || told.lag.missingBackups !== 0)
    throw new Error(`the mirror did not copy what it should: ${stdout}`);
  // Both have locks and temporary files of their own, and the source has a record of the mirror itself.
  const apart = ['locks', 'tmp', 'records', 'probe'].map((name) => `--exclude=${name}`);
  await arrange({ file: 'diff', args: ['-rq', ...apart, source, copy], env: {} });
  const { byReading } = told.checked;
  return { phases: { copied: `${format(objects)} objects,`, 'read back': format(byReading) } };
}

/** Starts a mirror into an empty folder, and kills it when half of the objects are there. */
async function killHalfWay(command: Command, copy: string, all: number): Promise<void> {
  const child = start(command);
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => said.push(bytes));
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  while (countObjects(copy) < all / 2 && child.exitCode === null) await sleep(lookEveryMs);
  child.kill('SIGKILL');
  await ended;
  if (child.signalCode !== 'SIGKILL')
    throw new Error(`the mirror ended before it was half-way: ${Buffer.concat(said)}`);
  remove(join(copy, 'locks'));
}
