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
      'What is compared after the restore: `content` of every restored table, `counts` of rows only, or `none`.',
    parse: oneOf(['content', 'counts', 'none'] as const),
  },
  'default-privileges': {
    group: 'restore',
    operations: ['restore'],
    default: 'narrower',
    placeholder: 'whose',
    description:
      'What `anon`, `authenticated`, `service_role` and everybody get, in a project, on what is created in `public` from now on: the ' +
      '`narrower` of what the source and the target grant, or as in the `source`. Projects made before 2026-10-30 may grant everything.',
    parse: oneOf(['narrower', 'source'] as const),
  },
  'target-kind': {
    group: 'restore',
    operations: ['restore'],
    default: 'auto',
    placeholder: 'kind',
    description:
      'What the target is: `plain` for any PostgreSQL, `supabase-image` for a container of `supabase/postgres` reached as its superuser, ' +
      '`supabase-project` for a hosted project or whatever keeps its own `auth` and `storage`. `auto` looks.',
    parse: oneOf(['auto', 'plain', 'supabase-image', 'supabase-project'] as const),
  },
  environment: {
    group: 'restore',
    operations: ['restore'],
    placeholder: 'name',
    description:
      'What the target is used for, kept in the record of the restore. Any but `staging`, `test`, `dev`, `preview` and `local`, as words of ' +
      'the name, needs `confirm`; so does whatever has `prod` or `live` in it.',
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
      'The words `RESTORE PRODUCTION`, typed by whoever answers for it: needed where the target is the database that was backed up, where ' +
      '`environment` does not say that it is no production, and where a Supabase project is not empty.',
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
      'Whether what is in the way is removed first: all of a target that is not empty or that a restore left unfinished; with `include` or ' +
      '`exclude` only the chosen tables, and nothing else. Without it such a target is refused.',
    parse: parseBoolean,
  },
  'safety-backup': {
    group: 'restore',
    operations: ['restore'],
    default: 'true',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether a target that is to be emptied is backed up first, pinned, and encrypted for the same recipients as the backup that is restored.',
    parse: parseBoolean,
  },
  'safety-storage': {
    group: 'restore',
    operations: ['restore'],
    placeholder: 'location',
    description:
      'Where the safety backup goes when the target is another database than the one that was backed up: a repository holds one database. ' +
      'Written like `storage`.',
    parse: parseStorage,
  },
  'staging-url': {
    group: 'restore',
    operations: ['restore'],
    secret: true,
    placeholder: 'url',
    description:
      'A server on which the backup is restored and compared first, in a scratch database as `drill` makes it. The target is touched only ' +
      'when that went well, with the newest backup with which it did.',
    parse: parseDatabaseUrl,
  },
  image: {
    group: 'proof',
    operations: ['drill', 'restore'],
    placeholder: 'image',
    description:
      'The container image of the server on which a backup is tried, as the reusable workflows start it: `postgres:…` or ' +
      '`supabase/postgres:…`, with a digest or without. Another one is refused, because it would read the backup.',
    parse: parseImage,
  },
  'side-schema': {
    group: 'restore',
    operations: ['restore'],
    placeholder: 'schema',
    description:
      'Restores the rows of the tables that `include` names into a new schema beside the live tables, compares the two, and writes the SQL ' +
      'that brings back what is missing or was changed. The live tables stay as they are.',
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
      'A folder in which the comparison is written as `parity.md` and `parity.json`, every line of it, and for `side-schema` the SQL. It is ' +
      'made where it does not exist.',
    parse: matching(/^[^\0]{1,4000}$/, 'is not a path', 'Write the path of a folder.'),
  },
} as const satisfies Record<string, Input>;
