import { join } from 'node:path';
import type { Group } from '../contender.ts';
import { databases } from '../data.ts';
import { backupContender, dumpContender, type Workshop } from '../workshop.ts';

/** Many tables with hardly a row: what a table costs, rather than what a byte costs. */
export function createTinyGroup(workshop: Workshop, tables: number): Group {
  const { server, scratch } = workshop;
  const path = join(scratch, 'tiny.dump');
  return {
    id: 'tiny',
    title: `Full backup of ${tables.toLocaleString('en-US')} tiny tables`,
    note: 'Ours runs the same pg_dump for the definitions, and reads the rows itself.',
    contenders: [
      dumpContender(path, {
        id: 'pg_dump-Fc',
        name: 'pg_dump -Fc',
        command: {
          file: join(server.binFolder, 'pg_dump'),
          args: ['-Fc', '-f', path],
          env: server.env(databases.tables),
        },
      }),
      backupContender(workshop, databases.tables, { id: 'ours', name: 'ours' }),
    ],
    baselines: ['pg_dump-Fc'],
    targets: [
      { kind: 'time', contender: 'ours', against: 'pg_dump-Fc', most: 3 },
      { kind: 'memory', contender: 'ours', mostBytes: 512e6 },
    ],
  };
}
