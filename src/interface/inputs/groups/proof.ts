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
      'How many older backups to try, one after another, if the chosen backup fails, from 0 to 100. `restore` uses it only with ' +
      '`staging-url`, where a failure does no harm.',
    parse: wholeNumber(0, 100),
  },
  checks: {
    group: 'proof',
    operations: ['backup', 'capture', 'restore', 'drill', 'gate'],
    placeholder: 'sql',
    description:
      'SQL questions to the database: one `SELECT` per line, such as `SELECT count(*) > 0 FROM public.orders`, or the path of a file with ' +
      'them. They run in a read-only transaction. `backup` stores a digest of the answers, and every restore and drill must give the same ' +
      'answers. Checks given to `restore` or `drill` must return true.',
    parse: parseChecks,
  },
  freshness: {
    group: 'proof',
    operations: ['backup', 'capture', 'gate'],
    placeholder: 'columns',
    example: 'public.orders.created_at',
    description:
      'Columns whose newest value shows how fresh the data is, as `schema.table.column`, separated by commas or new lines. `backup` ' +
      'records the values; restores and drills compare and show them.',
    parse: parseColumns,
  },
  command: {
    group: 'proof',
    operations: ['drill'],
    placeholder: 'command',
    description:
      'A shell command that tests the restored database, such as `npm test`. It gets the connection in `PGHOST`, `PGPORT`, `PGUSER`, ' +
      '`PGPASSWORD` and `PGDATABASE`, and must end with exit code 0.',
    parse: matching(/^.{1,8000}$/s, 'has more than 8,000 characters', 'Put it into a script, and name that.'),
  },
  'rto-target': {
    group: 'proof',
    operations: ['drill', 'report'],
    placeholder: 'duration',
    description:
      'The recovery time objective: how long a recovery may take, from its start until the database can be used, such as `30m`. A drill ' +
      'that takes longer ends with exit code 3. `report` compares drills with it.',
    parse: parseDuration,
  },
} as const satisfies Record<string, Input>;
