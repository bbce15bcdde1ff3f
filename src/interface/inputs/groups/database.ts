import { databaseUrlForm, parseDatabaseUrl, parsePatterns } from '../database-values.ts';
import type { Input } from '../input.ts';
import { parseCertificates, parseRecipients } from '../key-values.ts';
import { recordedOperations } from '../operations.ts';
import { parseBackupId, parseRecoveryTarget } from '../time-values.ts';
import { matching, oneOf, parseBoolean, parseShare, wholeNumber } from '../values.ts';

/** The source and the target, which backup or point in time, and how rows are read and written. */
export const databaseInputs = {
  'database-url': {
    group: 'source',
    operations: ['backup', 'capture', 'gate', 'status', 'doctor', 'estimate', 'managed'],
    secret: true,
    placeholder: 'url',
    example: databaseUrlForm,
    description:
      'The connection string of the database to back up: `postgresql://user:password@host:5432/database`. Use a direct connection or the ' +
      'session pooler (port 5432, not 6543). When empty, the libpq variables (`PGHOST`, `PGUSER`, `PGPASSWORD`, …) are used. `status` does ' +
      'not need it, but uses it to measure the replication slot. `managed` uses it only to find the project.',
    parse: parseDatabaseUrl,
  },
  'backup-type': {
    group: 'source',
    operations: ['backup'],
    default: 'full',
    placeholder: 'type',
    description:
      'What to store. `full` stores the schema and all rows. `incremental` stores the same, but does not read again what provably has not ' +
      'changed since the previous backup. `schema` stores definitions without rows. Each type can be restored on its own.',
    parse: oneOf(['full', 'incremental', 'schema'] as const),
  },
  label: {
    group: 'source',
    operations: ['backup', 'gate'],
    placeholder: 'text',
    description: 'A note to store with the backup, such as `before release 2.4`. At most 200 characters.',
    parse: matching(/^\P{Cc}{1,200}$/u, 'is not one line of at most 200 characters', 'Shorten it.'),
  },
  pin: {
    group: 'source',
    operations: ['backup'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description: 'Whether to keep the backup forever, regardless of the retention rules.',
    parse: parseBoolean,
  },
  recheck: {
    group: 'source',
    operations: ['backup', 'capture', 'gate'],
    default: '1%',
    placeholder: 'percentage',
    description:
      'How much of the unchanged data an incremental backup reads anyway, as a percentage such as `1%`. It reads a different part each ' +
      'hour and compares it with what is stored. If there is a difference, the backup reads all data again and ends with exit code 3.',
    parse: parseShare,
  },
  'rollback-token': {
    group: 'source',
    operations: ['backup', 'capture', 'gate'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether each backup writes a token into the database, in the schema `supabase_backup`. With the token, an incremental backup ' +
      'notices that the database was rolled back to an earlier state. The database user needs the privilege to create that schema.',
    parse: parseBoolean,
  },
  'target-url': {
    group: 'restore',
    operations: ['restore', 'drill'],
    required: true,
    secret: true,
    placeholder: 'url',
    example: databaseUrlForm,
    description:
      'The connection string of the database to restore into: `postgresql://user:password@host:5432/database`. For `drill`, any database ' +
      'on a server for drills: the drill creates a scratch database beside it and drops it afterwards.',
    parse: parseDatabaseUrl,
  },
  'backup-id': {
    group: 'restore',
    operations: ['validate', 'restore', 'drill', 'show', 'pin', 'unpin'],
    default: { validate: 'all', restore: 'latest', drill: 'latest', show: 'latest' },
    placeholder: 'id',
    example: '20261120T021700Z-7f3a',
    positional: /^(\d[\dTZ]*(-[0-9a-f]*)?|latest|latest-verified|all|(before|random):[\w:.+-]*)$/,
    description:
      'The backup to use: an id such as `20261120T021700Z-7f3a`, a unique prefix of an id, or `latest`. `before:<time>`, such as ' +
      '`before:2026-11-20T06:00:00Z`, selects the newest backup before that time (not for `validate`). `all` selects every backup (only ' +
      'for `validate`). `latest-verified` selects the newest backup that was fully read back or drilled, and `random:<interval>`, such as ' +
      '`random:7d`, a random one of the last 7 days (only for `restore` and `drill`). On the command line, the value can follow the ' +
      'operation without the option.',
    parse: parseBackupId,
  },
  'recovery-target-time': {
    group: 'restore',
    operations: ['restore', 'drill'],
    placeholder: 'time',
    example: '2026-11-20T14:30:00Z',
    description:
      'The point in time to restore, such as `2026-11-20T14:30:00Z`, or `latest` for the last captured change. The operation restores the ' +
      'best backup before that time and replays the changes that were committed since. Needs `capture` to have run. See ' +
      'docs/point-in-time.md.',
    parse: parseRecoveryTarget,
  },
  'unlimited-wal': {
    group: 'source',
    operations: ['capture', 'doctor'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `capture` may create its replication slot on a server that does not limit how much write-ahead log a slot keeps ' +
      "(`max_slot_wal_keep_size = -1`). If captures stop there, the log fills the server's disk until you drop the slot.",
    parse: parseBoolean,
  },
  'drop-slot': {
    group: 'source',
    operations: ['capture'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether to capture one last time and then drop the replication slot. Use it to end captures for good, or before Supabase restores ' +
      'the project. Captured changes stay in the storage.',
    parse: parseBoolean,
  },
  include: {
    group: 'source',
    operations: ['backup', 'capture', 'restore', 'gate', 'doctor', 'estimate'],
    placeholder: 'tables',
    description:
      'The tables to include, separated by commas or new lines: `schema.table`, `schema.*` or `*`. Names are case-sensitive. Put a name ' +
      'that contains a dot, comma or star in double quotes. When empty, all tables are included. `backup` stores rows of these tables ' +
      'only, but the definitions of all tables. `restore` restores these tables only.',
    parse: parsePatterns,
  },
  exclude: {
    group: 'source',
    operations: ['backup', 'capture', 'restore', 'gate', 'doctor', 'estimate'],
    placeholder: 'tables',
    description:
      'The tables to leave out of those that `include` selects, in the same form, such as `public.sessions, audit.*`.',
    parse: parsePatterns,
  },
  'encryption-recipients': {
    group: 'encryption',
    operations: ['backup', 'capture', 'gate', 'doctor', 'init'],
    placeholder: 'recipients',
    description:
      'The age recipients (`age1…`) that can decrypt the backup, separated by commas or new lines. When empty, the backup is stored ' +
      'unencrypted; `init` then creates a key.',
    parse: parseRecipients,
  },
  'compression-level': {
    group: 'source',
    operations: ['backup', 'capture', 'gate', 'doctor', 'estimate'],
    // For COPY text, level 2 gives about the size of level 3, zstd's default, in 2/3 of the time;
    // docs/benchmarks.md.
    default: '2',
    placeholder: '1-19',
    description: 'The zstd compression level, from 1 to 19. A higher level makes backups smaller and slower.',
    parse: wholeNumber(1, 19),
  },
  jobs: {
    group: 'general',
    operations: ['backup', 'capture', 'restore', 'drill', 'gate', 'doctor', 'estimate'],
    default: '4',
    placeholder: '1-16',
    description: 'How many connections copy rows in parallel, from 1 to 16.',
    parse: wholeNumber(1, 16),
  },
  'lock-timeout': {
    group: 'source',
    operations: ['backup', 'capture', 'gate'],
    default: '30',
    placeholder: 'seconds',
    description:
      'How many seconds to wait for a table lock, from 1 to 3600, before the operation gives up in favor of the session that holds the ' +
      'lock.',
    parse: wholeNumber(1, 3600),
  },
  sslrootcert: {
    group: 'source',
    operations: [...recordedOperations, 'status', 'schedule', 'records', 'doctor', 'estimate'],
    placeholder: 'file',
    description:
      "The CA certificate to verify the database server's certificate with, in PEM format, or the path of a PEM file. Supabase offers it " +
      'for download in the Database settings of the project. With it, `sslmode` is `verify-full` unless the connection string says ' +
      'otherwise.',
    parse: parseCertificates,
  },
} as const satisfies Record<string, Input>;
