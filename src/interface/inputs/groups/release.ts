import type { Input } from '../input.ts';
import { parseDuration } from '../time-values.ts';
import { matching, oneOf } from '../values.ts';

/** How fresh and proven backups must be, and what a release does when they are not. */
export const releaseInputs = {
  'max-age': {
    group: 'limits',
    operations: ['gate', 'status', 'report', 'managed'],
    default: { gate: '24h', status: '26h', report: '26h', managed: '26h' },
    placeholder: 'duration',
    description:
      'How old the newest backup with rows may be, such as `24h`. If it is older, `gate` takes a backup or stops, and `status` ends with ' +
      'exit code 3. `managed` applies the limit to the backups that Supabase takes.',
    parse: parseDuration,
  },
  'verified-within': {
    group: 'limits',
    operations: ['gate', 'status', 'report'],
    placeholder: 'duration',
    description:
      'How long ago a backup may last have been verified (fully read back or drilled), such as `7d`. When empty, there is no limit.',
    parse: parseDuration,
  },
  'drilled-within': {
    group: 'limits',
    operations: ['gate', 'status', 'report'],
    placeholder: 'duration',
    description: 'How long ago the last drill may have passed, such as `35d`. When empty, there is no limit.',
    parse: parseDuration,
  },
  'on-stale': {
    group: 'limits',
    operations: ['gate'],
    default: 'backup',
    placeholder: 'action',
    description:
      'What `gate` does if the newest backup is too old, or if a destructive migration needs a backup of its own. `backup` takes a backup ' +
      'and lets the release pass; it pins the backup for a destructive migration. `stop` ends with exit code 3.',
    parse: oneOf(['backup', 'stop'] as const),
  },
  migrations: {
    group: 'limits',
    operations: ['gate'],
    default: 'supabase/migrations',
    placeholder: 'folder',
    description:
      'The folder with the SQL migrations. `gate` searches those added since `base-ref` for statements that destroy data (DROP TABLE, DROP ' +
      'COLUMN, TRUNCATE, DELETE without WHERE, …).',
    parse: matching(/^[^\0]{1,1000}$/, 'is not a path', 'Write the path of a folder.'),
  },
  'base-ref': {
    group: 'limits',
    operations: ['gate'],
    placeholder: 'ref',
    description:
      'The commit, tag or branch that runs in production, such as `v1.4.0`. `gate` looks at the migrations added since then. When empty, ' +
      'the event of the workflow run decides: the base of a pull request, or the commit before a push. If the event has neither, `gate` ' +
      'looks at no migrations.',
    parse: matching(/^[\w][\w./@^~-]{0,199}$/, 'is not a git ref', 'Write a commit, a tag or a branch.'),
  },
} as const satisfies Record<string, Input>;
