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
      'The connection string of a database that stores a record of each run in tables, in the form of `database-url`. It may be the source ' +
      'database. Each run adds the records that are missing. If the database does not answer, the run only shows a warning. See ' +
      'docs/records.md.',
    parse: parseDatabaseUrl,
  },
  'records-task': {
    group: 'records',
    operations: ['records'],
    default: 'verify',
    positional: /^[a-z]+$/,
    placeholder: 'rebuild|verify',
    description:
      'What `records` does. `verify` compares each row with the repository and ends with exit code 3 if one differs. `rebuild` inserts ' +
      'missing rows and corrects rows that differ. On the command line, the value can follow the operation without the option.',
    parse: oneOf(['rebuild', 'verify'] as const),
  },
} as const satisfies Record<string, Input>;
