import { join } from 'node:path';
import type { Group } from '../contender.ts';
import { databases } from '../data.ts';
import { Line } from '../line.ts';
import { arrange, backupCommand, dumpContender, remove, type Workshop } from '../workshop.ts';

/** milliseconds: Europe to the east of North America takes twice as long, two zones of one region a fortieth */
const roundTrip = 40;

/** A database that takes 40 ms to answer: how often one waits for it. */
export async function createDistantGroup(workshop: Workshop): Promise<Group> {
  const { scratch } = workshop;
  const near = workshop.server;
  const line = await Line.open(new URL(near.url(databases.single)), roundTrip);
  const url = (database: string) => line.through(near.url(database));
  const distant = { server: { url } };
  const [whole, again, dump] = ['distant-full', 'distant-idle', 'distant.dump'].map((name) =>
    join(scratch, name),
  ) as [string, string, string];
  return {
    id: 'distant',
    title: `Database ${roundTrip} ms away: one tiny table`,
    note: 'A relay of the benchmark delays what is sent by half a round trip, in either direction. There is next to nothing to read: what is measured is how often a program waits for an answer.',
    contenders: [
      dumpContender(dump, {
        id: 'pg_dump-Fc',
        name: 'pg_dump -Fc',
        command: {
          file: join(near.binFolder, 'pg_dump'),
          args: ['-Fc', '-f', dump],
          env: {
            ...near.env(databases.single),
            PGHOST: '127.0.0.1',
            PGPORT: new URL(url(databases.single)).port,
          },
        },
      }),
      {
        ...{ id: 'full', name: 'ours (full)' },
        command: backupCommand(distant, databases.single, whole, []),
        clean: async () => remove(whole),
      },
      {
        ...{ id: 'idle', name: 'ours (incremental, nothing changed)' },
        setUp: () => arrange(backupCommand(workshop, databases.single, again, [])),
        command: backupCommand(distant, databases.single, again, ['--backup-type', 'incremental']),
      },
    ],
    baselines: ['pg_dump-Fc'],
    targets: [
      { kind: 'seconds', contender: 'idle', mostSeconds: 3 },
      { kind: 'memory', contender: 'idle', mostBytes: 512e6 },
    ],
  };
}
