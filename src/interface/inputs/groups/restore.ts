import { parseDatabaseUrl, parseImage } from '../database-values.ts';
import type { Input } from '../input.ts';
import { parseStorage } from '../storage-values.ts';
import { matching, oneOf, parseBoolean } from '../values.ts';

/** How a restore compares, when it is refused, and what it saves and writes besides. */
export const restoreInputs = {
  verify: {
    group: 'restore',
    operations: ['restore'],
    default: 'content',
    placeholder: 'depth',
    description:
      'What to compare after the restore: `content` compares the content of every restored table, `counts` only the numbers of rows, ' +
      '`none` nothing.',
    parse: oneOf(['content', 'counts', 'none'] as const),
  },
  'default-privileges': {
    group: 'restore',
    operations: ['restore'],
    default: 'narrower',
    placeholder: 'whose',
    description:
      'Which default privileges `anon`, `authenticated`, `service_role` and `PUBLIC` have on new objects in `public` after a restore into ' +
      'a project. `narrower` keeps only those that both the source and the target grant; `source` keeps those of the source. Projects ' +
      'created before 2026-10-30 may grant everything.',
    parse: oneOf(['narrower', 'source'] as const),
  },
  'target-kind': {
    group: 'restore',
    operations: ['restore'],
    default: 'auto',
    placeholder: 'kind',
    description:
      'The kind of target: `plain` for any PostgreSQL server, `supabase-image` for a `supabase/postgres` container (connect as its ' +
      'superuser), `supabase-project` for a hosted project or a server that manages its own `auth` and `storage`. `auto` detects it.',
    parse: oneOf(['auto', 'plain', 'supabase-image', 'supabase-project'] as const),
  },
  environment: {
    group: 'restore',
    operations: ['restore'],
    placeholder: 'name',
    description:
      'What the target is used for, such as `staging`. The restore records it. The restore needs `confirm` unless the name contains the ' +
      'word `staging`, `test`, `dev`, `preview` or `local`; it always needs it if the name contains `prod` or `live`. When empty, the name ' +
      'requires no `confirm`.',
    parse: matching(
      /^[\w .-]{1,100}$/u,
      'is not a name of at most 100 letters',
      'Write it as in `production`.',
    ),
  },
  confirm: {
    group: 'restore',
    operations: ['restore'],
    placeholder: 'words',
    description:
      'The words `RESTORE PRODUCTION`. Required if the target is the database that was backed up, if `environment` may mean production, or ' +
      'if the target is a Supabase project that is not empty.',
    parse: matching(
      /^RESTORE PRODUCTION$/,
      'is not the words that confirm it',
      'Write RESTORE PRODUCTION, in capitals, or leave it out.',
    ),
  },
  clean: {
    group: 'restore',
    operations: ['restore'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether to remove what is in the way before the restore: everything in a target that is not empty or that an earlier restore left ' +
      'unfinished; with `include` or `exclude`, only the selected tables. Without `clean`, such a target is refused.',
    parse: parseBoolean,
  },
  'safety-backup': {
    group: 'restore',
    operations: ['restore'],
    default: 'true',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether to back up the target before it is emptied. The safety backup is pinned, and encrypted for the same recipients as the ' +
      'backup that is restored.',
    parse: parseBoolean,
  },
  'safety-storage': {
    group: 'restore',
    operations: ['restore'],
    placeholder: 'location',
    description:
      'Where to store the safety backup, in the form of `storage`. Required if the target is not the database that was backed up, because ' +
      'a repository holds one database.',
    parse: parseStorage,
  },
  'staging-url': {
    group: 'restore',
    operations: ['restore'],
    secret: true,
    placeholder: 'url',
    description:
      'The connection string of a server on which to try the restore first. The operation restores the backup into a scratch database ' +
      'there and compares it. It changes the target only if that succeeded, and uses the newest backup for which it did.',
    parse: parseDatabaseUrl,
  },
  image: {
    group: 'proof',
    operations: ['drill', 'restore'],
    placeholder: 'image',
    description:
      'The container image of the server on which a backup is tried: `postgres:…` or `supabase/postgres:…`, with or without a digest. The ' +
      'reusable workflows set it. Other images are refused, because they would be able to read the backup.',
    parse: parseImage,
  },
  'side-schema': {
    group: 'restore',
    operations: ['restore'],
    placeholder: 'schema',
    description:
      'The name of a new schema, such as `recovered`, for the rows of the tables that `include` selects. The operation restores them ' +
      'beside the live tables, compares the two, and writes the SQL that brings back missing or changed rows. It does not change the live ' +
      'tables.',
    parse: matching(
      /^[^"\p{Cc}]{1,63}$/u,
      'is not the name of a schema',
      'Write a name of at most 63 characters, without quotes.',
    ),
  },
  'report-folder': {
    group: 'general',
    operations: ['restore', 'drill'],
    placeholder: 'folder',
    description:
      'A folder for the full comparison: `parity.md`, `parity.json` and, with `side-schema`, the SQL. It is created if it does not exist.',
    parse: matching(/^[^\0]{1,4000}$/, 'is not a path', 'Write the path of a folder.'),
  },
} as const satisfies Record<string, Input>;
