import { join } from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import type { Contender, Group } from '../contender.ts';
import { databases } from '../data.ts';
import { pipeline } from '../measure.ts';
import {
  arrange,
  backupCommand,
  backupContender,
  describePhases,
  dumpContender,
  listManifests,
  readAdded,
  remove,
  resticCommands,
  sizeOf,
  type Workshop,
} from '../workshop.ts';

/** Two large tables, to a local folder. */
export async function createBackupGroup(workshop: Workshop): Promise<Group> {
  const recipient = await identityToRecipient(await generateIdentity());
  return {
    id: 'backup',
    title: 'Full backup of two large tables',
    note:
      'Ours runs with its default settings (4 connections, zstd level 2) where the name says nothing else. It flushes what it stores to ' +
      'the disk, as pg_dump -Fd and restic do and the pipe into zstd does not. restic compresses and encrypts, too.',
    contenders: [
      folderDump(workshop),
      zstdFolderDump(workshop),
      pipedDump(workshop),
      resticDump(workshop),
      backupContender(workshop, databases.rows, { id: 'ours', name: 'ours' }),
      backupContender(workshop, databases.rows, {
        id: 'ours-encrypted',
        name: 'ours (encrypted)',
        args: ['--encryption-recipients', recipient],
      }),
      backupContender(workshop, databases.rows, {
        id: 'ours-level-1',
        name: 'ours (zstd level 1)',
        args: ['--compression-level', '1'],
      }),
      backupContender(workshop, databases.rows, {
        id: 'ours-level-3',
        name: 'ours (zstd level 3)',
        args: ['--compression-level', '3'],
      }),
      unchangedBackup(workshop),
    ],
    baselines: ['pg_dump-zstd', 'pg_dump-Fd'],
    targets: [
      { kind: 'time', contender: 'ours', against: 'pg_dump-zstd', most: 1 },
      { kind: 'time', contender: 'ours', against: 'pg_dump-Fd', most: 0.65 },
      { kind: 'time', contender: 'ours-encrypted', against: 'pg_dump-zstd', most: 1.15 },
      { kind: 'time', contender: 'ours-encrypted', against: 'pg_dump-Fd', most: 0.75 },
      { kind: 'memory', contender: 'ours', mostBytes: 512e6 },
      { kind: 'memory', contender: 'ours-encrypted', mostBytes: 512e6 },
    ],
  };
}

function folderDump({ server, scratch }: Workshop): Contender {
  const path = join(scratch, 'pg_dump-Fd');
  return dumpContender(path, {
    id: 'pg_dump-Fd',
    name: 'pg_dump -Fd -j2',
    command: {
      file: join(server.binFolder, 'pg_dump'),
      args: ['-Fd', '-j2', '-f', path],
      env: server.env(databases.rows),
    },
  });
}

/** The strongest that pg_dump has of its own, where it has it. */
function zstdFolderDump({ server, scratch }: Workshop): Contender {
  const path = join(scratch, 'pg_dump-Fd-zstd');
  return dumpContender(path, {
    id: 'pg_dump-Fd-zstd',
    name: 'pg_dump -Fd -j2 -Z zstd:3',
    missing: server.major < 16 ? 'needs pg_dump 16' : undefined,
    command: {
      file: join(server.binFolder, 'pg_dump'),
      args: ['-Fd', '-j2', '-Z', 'zstd:3', '-f', path],
      env: server.env(databases.rows),
    },
  });
}

function pipedDump({ server, scratch, versions }: Workshop): Contender {
  const path = join(scratch, 'dump.sql.zst');
  return dumpContender(path, {
    id: 'pg_dump-zstd',
    name: 'pg_dump | zstd -3 -T2',
    missing: versions.zstd ? undefined : 'zstd is not installed',
    command: pipeline(
      '"$1" | zstd -q -3 -T2 -o "$2"',
      [join(server.binFolder, 'pg_dump'), path],
      server.env(databases.rows),
    ),
  });
}

function resticDump(workshop: Workshop): Contender {
  const path = join(workshop.scratch, 'restic');
  const { init, backup } = resticCommands(workshop, databases.rows, path);
  return {
    ...dumpContender(path, {
      id: 'restic',
      name: 'pg_dump | restic backup --stdin',
      missing: workshop.versions.restic ? undefined : 'restic is not installed',
      command: backup,
    }),
    prepare: () => arrange(init),
  };
}

/** Everything is stored already. It is read and hashed all the same, and only the manifest is new. */
function unchangedBackup(workshop: Workshop): Contender {
  const repository = join(workshop.scratch, 'ours-unchanged');
  const command = backupCommand(workshop, databases.rows, repository);
  let bytes = 0;
  let manifests: string[] = [];
  return {
    id: 'ours-unchanged',
    name: 'ours (again, unchanged)',
    command,
    setUp: async () => {
      remove(repository);
      await arrange(command);
    },
    prepare: async () => {
      bytes = sizeOf(repository);
      manifests = listManifests(repository);
    },
    inspect: async () => ({
      storedBytes: sizeOf(repository) - bytes,
      phases: describePhases(readAdded(repository, manifests)),
    }),
  };
}
