import { parseChecks, parseColumns } from '../database-values.ts';
import type { Input } from '../input.ts';
import { parseDuration } from '../time-values.ts';
import { matching, wholeNumber } from '../values.ts';

/** How backups are tried and checked. */
export const proofInputs = {
  fallback: {
    group: 'proof',
    operations: ['restore', 'drill'],
    default: '3',
    placeholder: '0-100',
    description:
      'How many backups before the chosen one to try when it fails, each with the next older one, until one works. For `restore` only with ' +
      '`staging-url`, where a failure costs nothing.',
    parse: wholeNumber(0, 100),
  },
  checks: {
    group: 'proof',
    operations: ['backup', 'capture', 'restore', 'drill', 'gate'],
    placeholder: 'sql',
    description:
      'Questions to the database, one `SELECT` a line, or the path of a file with them, asked in a transaction that cannot write. `backup` ' +
      'asks them in its snapshot and keeps a digest of the answers, which every restore and drill must answer alike; those given to ' +
      '`restore` or `drill` must return true.',
    parse: parseChecks,
  },
  freshness: {
    group: 'proof',
    operations: ['backup', 'capture', 'gate'],
    placeholder: 'columns',
    example: 'public.orders.created_at',
    description:
      'Columns whose newest value tells how fresh the data is, as `schema.table.column`, separated by commas or lines. Recorded with the ' +
      'backup, and compared and shown by restores and drills.',
    parse: parseColumns,
  },
  command: {
    group: 'proof',
    operations: ['drill'],
    placeholder: 'command',
    description:
      'A shell command that tests the restored database, for example with the tests of the application. It finds it in `PGHOST`, `PGPORT`, ' +
      '`PGUSER`, `PGPASSWORD` and `PGDATABASE`, and must end with 0.',
    parse: matching(/^.{1,8000}$/s, 'has more than 8,000 characters', 'Put it into a script, and name that.'),
  },
  'rto-target': {
    group: 'proof',
    operations: ['drill', 'report'],
    placeholder: 'duration',
    description:
      'How long a recovery may take, such as `30m`: from the beginning until the database can be used. A drill that takes longer ends with 3; a report compares drills with it.',
    parse: parseDuration,
  },
} as const satisfies Record<string, Input>;
