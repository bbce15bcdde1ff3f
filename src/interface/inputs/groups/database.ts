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
      'The database to back up: `postgresql://user:password@host:5432/database`, with a direct connection or the session pooler (port ' +
      '5432, not 6543). When empty, the variables of libpq (`PGHOST`, `PGUSER`, `PGPASSWORD`, …) are used. ' +
      '`status` needs none; with it, it measures the slot of captures now. `managed` only takes the name of the project from it.',
    parse: parseDatabaseUrl,
  },
  'backup-type': {
    group: 'source',
    operations: ['backup'],
    default: 'full',
    placeholder: 'type',
    description:
      'What to store: `full` for schema and rows, `incremental` for the same without reading again what provably did not change since ' +
      'the backup before, `schema` for definitions without rows. Each restores alone.',
    parse: oneOf(['full', 'incremental', 'schema'] as const),
  },
  label: {
    group: 'source',
    operations: ['backup', 'gate'],
    placeholder: 'text',
    description:
      'A note kept with the backup, for example the release that follows it. At most 200 characters.',
    parse: matching(/^\P{Cc}{1,200}$/u, 'is not one line of at most 200 characters', 'Shorten it.'),
  },
  pin: {
    group: 'source',
    operations: ['backup'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description: 'Whether the backup is kept for good, whatever a retention policy says.',
    parse: parseBoolean,
  },
  recheck: {
    group: 'source',
    operations: ['backup', 'capture', 'gate'],
    default: '1%',
    placeholder: 'percentage',
    description:
      'How much of what an incremental backup finds unchanged it reads all the same, another part each hour, and compares with what is ' +
      'stored. A difference fails the run, which then reads everything.',
    parse: parseShare,
  },
  'rollback-token': {
    group: 'source',
    operations: ['backup', 'capture', 'gate'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether each backup leaves a token in the database, in a schema named `supabase_backup`, so that an incremental backup notices ' +
      'that the database was rolled back to an earlier state. Needs the right to create that schema.',
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
      'The database to restore into: `postgresql://user:password@host:5432/database`. For `drill` any database of a server for drills: the ' +
      'scratch database is made beside it, and dropped.',
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
      'Which backup: an id such as `20261120T021700Z-7f3a`, the beginning of one that no other has, or `latest`; except for `validate`, ' +
      '`before:<time>`, the newest made before a time such as `before:2026-11-20T06:00:00Z`; for `validate` also `all`; for `restore` and ' +
      '`drill` also `latest-verified`, the newest that was read back whole or drilled, and `random:<interval>`, any of the last so many ' +
      'hours, days or weeks such as `random:7d`. On the command line it may stand alone after the operation.',
    parse: parseBackupId,
  },
  'recovery-target-time': {
    group: 'restore',
    operations: ['restore', 'drill'],
    placeholder: 'time',
    example: '2026-11-20T14:30:00Z',
    description:
      'The point in time to recover to, such as `2026-11-20T14:30:00Z`, or `latest` for the last that was captured: the best backup before it is ' +
      'restored, and what was committed from then until that time is replayed. Needs `capture`. docs/point-in-time.md.',
    parse: parseRecoveryTarget,
  },
  'unlimited-wal': {
    group: 'source',
    operations: ['capture', 'doctor'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `capture` may make its slot on a server that sets no limit to the write-ahead log that a slot keeps ' +
      '(`max_slot_wal_keep_size = -1`): when captures stop, the log fills the disk of the server until the slot is dropped.',
    parse: parseBoolean,
  },
  'drop-slot': {
    group: 'source',
    operations: ['capture'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether to capture a last time and then drop the slot, for good or before the platform restores the project. What was captured stays.',
    parse: parseBoolean,
  },
  include: {
    group: 'source',
    operations: ['backup', 'capture', 'restore', 'gate', 'doctor', 'estimate'],
    placeholder: 'tables',
    description:
      'The tables to take, separated by commas or lines: `schema.table`, `schema.*` or `*`, names as they are. Double quotes around a part ' +
      'make its dots, commas and stars ordinary. When empty, all. `backup` stores the rows of no other table, and the definitions of all; `restore` restores no other table.',
    parse: parsePatterns,
  },
  exclude: {
    group: 'source',
    operations: ['backup', 'capture', 'restore', 'gate', 'doctor', 'estimate'],
    placeholder: 'tables',
    description: 'The tables to leave out, of those that `include` takes; written as there.',
    parse: parsePatterns,
  },
  'encryption-recipients': {
    group: 'encryption',
    operations: ['backup', 'capture', 'gate', 'doctor', 'init'],
    placeholder: 'recipients',
    description:
      'Who can open the backup: age recipients (`age1…`), separated by commas or lines. When empty, the backup is stored unencrypted; `init` makes a key then.',
    parse: parseRecipients,
  },
  'compression-level': {
    group: 'source',
    operations: ['backup', 'capture', 'gate', 'doctor', 'estimate'],
    // For COPY text, level 2 gives about the size of level 3, zstd's default, in 2/3 of the time;
    // docs/benchmarks.md.
    default: '2',
    placeholder: '1-19',
    description: 'The zstd level, 1 to 19. Higher is smaller and slower.',
    parse: wholeNumber(1, 19),
  },
  jobs: {
    group: 'general',
    operations: ['backup', 'capture', 'restore', 'drill', 'gate', 'doctor', 'estimate'],
    default: '4',
    placeholder: '1-16',
    description: 'How many connections copy rows at the same time, 1 to 16.',
    parse: wholeNumber(1, 16),
  },
  'lock-timeout': {
    group: 'source',
    operations: ['backup', 'capture', 'gate'],
    default: '30',
    placeholder: 'seconds',
    description:
      'How many seconds to wait for the lock of a table before giving way to whoever holds it, 1 to 3600.',
    parse: wholeNumber(1, 3600),
  },
  sslrootcert: {
    group: 'source',
    operations: [...recordedOperations, 'status', 'schedule', 'records', 'doctor', 'estimate'],
    placeholder: 'file',
    description:
      "The certificate authority that the database server's certificate is checked against, in PEM form, or the path of a file with it. Supabase has it under Database settings. With it, sslmode is verify-full where nothing else is said.",
    parse: parseCertificates,
  },
} as const satisfies Record<string, Input>;
