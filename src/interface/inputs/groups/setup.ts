import { databaseNamePattern, pinnedActionPattern } from '../../../values/policy-names.ts';
import type { Input } from '../input.ts';
import { notifyChannels } from '../operations.ts';
import { listOf, matching, oneOf, splitList } from '../values.ts';

const parsePath = matching(/^[^\0\r\n]{1,1000}$/, 'is not a path', 'Write the path of a file.');

/** What a repository is set up with, and where a key is put. */
export const setupInputs = {
  databases: {
    group: 'policy',
    operations: ['init'],
    placeholder: 'names',
    example: 'production',
    description:
      'What the databases are called in the policy, separated by commas: small letters, digits and `-`. With several, each gets a place of its own in `storage`.',
    parse: listOf(
      databaseNamePattern,
      'a name is small letters, digits and -, and `all` is taken',
      'Write names as in `production, staging`.',
    ),
  },
  notify: {
    group: 'policy',
    operations: ['init'],
    placeholder: 'channels',
    example: 'issues',
    description:
      'Who is told of failures, separated by commas: `issues` on GitHub, `webhook`, `slack`, `mail` (with `mail-from` and `mail-to`), `heartbeat`, or `none`. ' +
      'When empty, and nobody can be asked, `issues`.',
    parse: (text: string) => splitList(text).map(oneOf(notifyChannels)),
  },
  action: {
    group: 'policy',
    operations: ['init'],
    placeholder: 'pin',
    example: 'octo-org/supabase-backup@0123456789abcdef0123456789abcdef01234567',
    description:
      'This action, pinned to a commit, as the workflows name it: `OWNER/REPO@COMMIT`. When empty, the release that this program is of.',
    parse: matching(
      pinnedActionPattern,
      'is not OWNER/REPO@COMMIT with a commit of 40 hexadecimal digits',
      'Pin a commit, for a tag can be moved; the release page names it.',
    ),
  },
  'github-repository': {
    group: 'policy',
    operations: ['init'],
    placeholder: 'name',
    example: 'octo-org/shop',
    description:
      'The repository on GitHub that gets the workflows, `OWNER/REPO`. When empty, `GITHUB_REPOSITORY` or the remote `origin`.',
    parse: matching(/^[\w.-]+\/[\w.-]+$/, 'is not OWNER/REPO', 'Write it as in octo-org/shop.'),
  },
  'key-file': {
    group: 'encryption',
    operations: ['init', 'keygen'],
    placeholder: 'file',
    description:
      'Where the key that opens the backups is put, readable by its owner alone. Never over a file that is there, and never into a git repository. When empty, ' +
      '`~/.config/supabase-backup/`, and a name of the repository or of `database`.',
    parse: parsePath,
  },
  'recovery-sheet': {
    group: 'encryption',
    operations: ['init', 'keygen'],
    placeholder: 'file',
    description:
      'Where the recovery sheet is put: a page to print, with the key and how to restore with it. Under the same rules. When empty, beside `key-file`.',
    parse: parsePath,
  },
} as const satisfies Record<string, Input>;
