import { databaseUrlForm, parseDatabaseUrl } from '../database-values.ts';
import type { Input } from '../input.ts';
import { recordedOperations } from '../operations.ts';
import { oneOf } from '../values.ts';

/** Where records in SQL are kept, and what is done with them. */
export const recordsInputs = {
  'records-url': {
    group: 'records',
    operations: [...recordedOperations, 'schedule', 'records'],
    secret: true,
    placeholder: 'url',
    example: databaseUrlForm,
    description:
      'A database that keeps records of what was done as tables, written as `database-url` is; it may be the source. Each run brings what is ' +
      'missing there, and a database that does not answer is a warning. docs/records.md.',
    parse: parseDatabaseUrl,
  },
  'records-task': {
    group: 'records',
    operations: ['records'],
    default: 'verify',
    positional: /^[a-z]+$/,
    placeholder: 'rebuild|verify',
    description:
      'What `records` does: `verify` compares each row with the repository and ends with 3 when one differs; `rebuild` inserts what is missing ' +
      'and corrects what differs. On the command line the word after `records`.',
    parse: oneOf(['rebuild', 'verify'] as const),
  },
} as const satisfies Record<string, Input>;
