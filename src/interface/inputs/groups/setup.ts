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
      'The names of the databases in the policy, separated by commas, such as `production, staging`. A name has lower-case letters, digits ' +
      'and `-`. If there are several, each gets its own place in `storage`.',
    parse: listOf(
      databaseNamePattern,
      'a name is lower-case letters, digits and -, and `all` is taken',
      'Write names as in `production, staging`.',
    ),
  },
  notify: {
    group: 'policy',
    operations: ['init'],
    placeholder: 'channels',
    example: 'issues',
    description:
      'Where to report failures, separated by commas: `issues` (on GitHub), `webhook`, `slack`, `mail` (with `mail-from` and `mail-to`), ' +
      '`heartbeat`, or `none`. When empty, `init` asks; if it cannot ask, it uses `issues`.',
    parse: (text: string) => splitList(text).map(oneOf(notifyChannels)),
  },
  action: {
    group: 'policy',
    operations: ['init'],
    placeholder: 'pin',
    example: 'octo-org/supabase-backup@0123456789abcdef0123456789abcdef01234567',
    description:
      'This action as workflows refer to it, pinned to a commit: `OWNER/REPO@COMMIT`. When empty, the release of this program is used.',
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
      'The GitHub repository that gets the workflows, as `OWNER/REPO`. When empty, `GITHUB_REPOSITORY` or the Git remote `origin` is used.',
    parse: matching(/^[\w.-]+\/[\w.-]+$/, 'is not OWNER/REPO', 'Write it as in octo-org/shop.'),
  },
  'key-file': {
    group: 'encryption',
    operations: ['init', 'keygen'],
    placeholder: 'file',
    description:
      'The file to write the key to that decrypts the backups. Only its owner can read it. An existing file is never overwritten, and the ' +
      'file must be outside of any Git repository. When empty, a file in `~/.config/supabase-backup/`, named after the repository or ' +
      '`database`.',
    parse: parsePath,
  },
  'recovery-sheet': {
    group: 'encryption',
    operations: ['init', 'keygen'],
    placeholder: 'file',
    description:
      'The file to write the recovery sheet to: a page to print, with the key and the steps to restore with it. The rules of `key-file` ' +
      'apply. When empty, the sheet is written beside `key-file`.',
    parse: parsePath,
  },
} as const satisfies Record<string, Input>;
