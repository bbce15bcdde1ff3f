import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender, Group } from '../contender.ts';
import { changeAccounts, countAccounts, databases, describeAccountChanges } from '../data.ts';
import { pipeline } from '../measure.ts';
import { arrange, ours, remove, sizeOf, type Workshop } from '../workshop.ts';

const database = databases.changes;
const slot = 'supabase_backup_bench';
const decode = `COPY (SELECT lsn, xid, data FROM pg_logical_slot_peek_changes('${slot}', NULL, NULL, 'include-timestamp', 'on')) TO STDOUT`;

/** What it takes to store changes of single rows, and to apply them to a database that was restored. */
export function createChangesGroup(workshop: Workshop, scale: number): Group {
  const { server, scratch } = workshop;
  const changes = countAccounts(scale) * rounds;
  const path = join(scratch, 'changes.zst');
  const script = join(scratch, 'changes.sql');
  const repository = join(scratch, 'changes-ours');
  const psql = join(server.binFolder, 'psql');
  const write = async () => {
    for (let round = 1; round <= rounds; round++) await server.run(database, changeAccounts(scale, round));
  };
  const dropSlots = async () => {
    await server.run(database, [
      'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()',
    ]);
  };
  const capture = ours('capture', ['--storage', repository, '--unlimited-wal'], {
    SUPABASE_BACKUP_DATABASE_URL: server.url(database),
  });
  const begin = async () => {
    remove(repository);
    await arrange(capture);
    await write();
  };
  let before = 0;

  return {
    id: 'changes',
    title: `Capture and replay of ${changes.toLocaleString('en-US')} changed rows`,
    note:
      `Updates of single rows, ${rowsAtOnce} in a transaction. Of the two that store them, psql copies what the server decodes into zstd, and ours ` +
      'stores, seals and counts it, looks at all definitions, and moves the slot. Of the two that apply them, psql runs one UPDATE for each, ' +
      'prepared by nobody, without waiting for the disk; ours restores the rows first and compares them afterwards, all within its time.',
    contenders: [
      {
        id: 'psql-decode',
        name: 'psql: decode | zstd -2',
        prepare: async () => {
          await server.run(database, [
            `SELECT pg_create_logical_replication_slot('${slot}', 'test_decoding')`,
          ]);
          await write();
        },
        command: pipeline('"$1" -XAtc "$2" | zstd -q -2 -o "$3"', [psql, decode, path], server.env(database)),
        inspect: async () => ({ storedBytes: sizeOf(path) }),
        clean: async () => {
          await dropSlots();
          remove(path);
        },
      },
      {
        id: 'ours-capture',
        name: 'ours (capture)',
        prepare: async () => {
          await begin();
          before = sizeOf(repository);
        },
        command: capture,
        inspect: async () => ({ storedBytes: sizeOf(repository) - before }),
        clean: dropSlots,
      },
      applyContender(workshop, {
        id: 'psql-apply',
        name: 'psql -f changes.sql',
        setUp: async () => {
          const statements = await server.run(database, [describeAccountChanges(scale, rounds, rowsAtOnce)]);
          writeFileSync(script, statements.map(({ text }) => text).join('\n'));
        },
        prepare: () => server.copyDatabase(database, databases.target),
        command: {
          file: psql,
          args: ['-Xqb', '-v', 'ON_ERROR_STOP=1', '-f', script],
          // As ours does while it restores
          env: { ...server.env(databases.target), PGOPTIONS: '-c synchronous_commit=off' },
        },
      }),
      applyContender(workshop, {
        id: 'ours-replay',
        name: 'ours (restore, replay, parity)',
        setUp: async () => {
          await begin();
          await arrange(capture);
          await dropSlots();
        },
        prepare: () => server.createDatabase(databases.target),
        command: ours(
          'restore',
          ['--storage', repository, '--recovery-target-time', 'latest', '--jobs', '2'],
          { SUPABASE_BACKUP_TARGET_URL: server.url(databases.target) },
        ),
      }),
    ],
    baselines: ['psql-decode', 'psql-apply'],
    targets: [
      { kind: 'time', contender: 'ours-capture', against: 'psql-decode', most: 3 },
      { kind: 'time', contender: 'ours-replay', against: 'psql-apply', most: 1 },
      { kind: 'memory', contender: 'ours-capture', mostBytes: 512e6 },
      { kind: 'memory', contender: 'ours-replay', mostBytes: 512e6 },
    ],
  };
}

/** Changes of each row */
const rounds = 4;
const rowsAtOnce = 100;

function applyContender({ server }: Workshop, contender: Contender): Contender {
  return { ...contender, clean: () => server.dropDatabase(databases.target) };
}
