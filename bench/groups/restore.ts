import { join } from 'node:path';
import type { Contender, Group } from '../contender.ts';
import { databases } from '../data.ts';
import type { Command } from '../measure.ts';
import { arrange, backupCommand, ours, remove, type Workshop } from '../workshop.ts';

/** The same two tables, into an empty database that each run gets anew. */
export function createRestoreGroup(workshop: Workshop): Group {
  const { server, scratch } = workshop;
  const dump = join(scratch, 'restore-pg_dump-Fd');
  const repository = join(scratch, 'restore-ours');

  const restoreContender = (contender: Pick<Contender, 'id' | 'name' | 'setUp' | 'command'>): Contender => ({
    ...contender,
    prepare: () => server.createDatabase(databases.target),
    inspect: async (stdout) => ({ phases: readRestorePhases(stdout) }),
    clean: () => server.dropDatabase(databases.target),
  });
  // As many connections as pg_restore gets.
  const restoreOurs = (verify: 'none' | 'content'): Command =>
    ours('restore', ['--storage', repository, '--verify', verify, '--jobs', '2'], {
      SUPABASE_BACKUP_TARGET_URL: server.url(databases.target),
    });

  return {
    id: 'restore',
    title: 'Restore of two large tables',
    note:
      'pg_restore neither gathers statistics nor compares what it has restored with anything. Ours runs ANALYZE in both rows; the ' +
      'one with content parity reads every row back and compares it with the backup. A drill makes a database for that, and drops it. ' +
      'The target is asked of the row without.',
    contenders: [
      restoreContender({
        id: 'pg_restore',
        name: 'pg_restore -j2',
        setUp: async () => {
          remove(dump);
          await arrange({
            file: join(server.binFolder, 'pg_dump'),
            args: ['-Fd', '-j2', '-f', dump],
            env: server.env(databases.rows),
          });
        },
        command: {
          file: join(server.binFolder, 'pg_restore'),
          args: ['-j2', '--exit-on-error', '-d', databases.target, dump],
          env: server.env(databases.target),
        },
      }),
      restoreContender({
        id: 'ours-unverified',
        name: 'ours (--verify none)',
        // The backup that the row with content parity restores, too.
        setUp: async () => {
          remove(repository);
          await arrange(backupCommand(workshop, databases.rows, repository));
        },
        command: restoreOurs('none'),
      }),
      restoreContender({
        id: 'ours-content',
        name: 'ours (content parity)',
        command: restoreOurs('content'),
      }),
      restoreContender({
        id: 'ours-drill',
        name: 'ours (drill)',
        command: ours('drill', ['--storage', repository, '--jobs', '2'], {
          SUPABASE_BACKUP_TARGET_URL: server.url(databases.target),
        }),
      }),
    ],
    baselines: ['pg_restore'],
    targets: [
      { kind: 'time', contender: 'ours-unverified', against: 'pg_restore', most: 0.95 },
      { kind: 'memory', contender: 'ours-unverified', mostBytes: 512e6 },
      { kind: 'memory', contender: 'ours-content', mostBytes: 512e6 },
      { kind: 'memory', contender: 'ours-drill', mostBytes: 512e6 },
    ],
  };
}

/** From the first table of the report, which `--json` leaves out; empty for programs that print none. */
function readRestorePhases(report: string): Record<string, string> {
  const table = /^phase +time\n-.*\n((?:.+\n)+)/m.exec(report)?.[1] ?? '';
  return Object.fromEntries(
    table
      .trimEnd()
      .split('\n')
      .flatMap((line) => {
        const parts = /^(.*?\S) {2,}(\S.*)$/.exec(line);
        return parts ? [[parts[1], parts[2]]] : [];
      }),
  );
}
