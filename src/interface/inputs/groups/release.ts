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
      'How old the newest backup with rows may be, such as `24h`. `gate` takes one when it is older, or stops; `status` ends with 3. `managed` asks the ' +
      'same of the backups that the platform takes.',
    parse: parseDuration,
  },
  'verified-within': {
    group: 'limits',
    operations: ['gate', 'status', 'report'],
    placeholder: 'duration',
    description:
      'Within which time a backup must have been verified: read back whole, or drilled. When empty, that is not asked.',
    parse: parseDuration,
  },
  'drilled-within': {
    group: 'limits',
    operations: ['gate', 'status', 'report'],
    placeholder: 'duration',
    description: 'Within which time a drill must have passed, such as `35d`. When empty, that is not asked.',
    parse: parseDuration,
  },
  'on-stale': {
    group: 'limits',
    operations: ['gate'],
    default: 'backup',
    placeholder: 'action',
    description:
      'What `gate` does when the newest backup is too old, or a destructive migration asks for one of its own: `backup` takes one, pinned for ' +
      'such a migration, and lets the release pass; `stop` ends with 3.',
    parse: oneOf(['backup', 'stop'] as const),
  },
  migrations: {
    group: 'limits',
    operations: ['gate'],
    default: 'supabase/migrations',
    placeholder: 'folder',
    description:
      'The folder of the SQL migrations that `gate` looks through for what destroys data (DROP TABLE, DROP COLUMN, TRUNCATE, DELETE without ' +
      'WHERE, …), of those that came since `base-ref`.',
    parse: matching(/^[^\0]{1,1000}$/, 'is not a path', 'Write the path of a folder.'),
  },
  'base-ref': {
    group: 'limits',
    operations: ['gate'],
    placeholder: 'ref',
    description:
      'The commit, tag or branch of what runs in production, with which the migrations are compared. When empty, what the event of the run says ' +
      '(the base of a pull request, the commit before a push); without either no migration is looked at.',
    parse: matching(/^[\w][\w./@^~-]{0,199}$/, 'is not a git ref', 'Write a commit, a tag or a branch.'),
  },
} as const satisfies Record<string, Input>;
