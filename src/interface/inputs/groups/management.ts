import { projectRefPattern } from '../../../values/project-ref.ts';
import type { Input } from '../input.ts';
import { parseDuration } from '../time-values.ts';
import { matching, Problem, parseBoolean, parseWebhook } from '../values.ts';

/** The platform's own backups: which project, how it is asked, and a restore that the platform carries out. */
export const managementInputs = {
  'supabase-access-token': {
    group: 'platform',
    operations: ['managed', 'status', 'report', 'restore'],
    secret: true,
    placeholder: 'token',
    description:
      "A token of Supabase's Management API, which tells of the platform's own backups: best one with scopes, for this project alone, that may read " +
      'backups; `restore` with `managed` needs one that may also write them. When empty, `SUPABASE_ACCESS_TOKEN` is used. `status` and `report` need none; ' +
      'with it, and the project, they tell both layers. docs/managed.md.',
    parse: matching(
      /^[\x21-\x7e]{1,4000}$/,
      'holds a space, a line break or a letter that no header can hold',
      'Copy the token alone, as the dashboard has shown it.',
    ),
  },
  'project-ref': {
    group: 'platform',
    operations: ['managed', 'status', 'report', 'restore'],
    placeholder: 'ref',
    example: 'abcdefghijklmnopqrst',
    description:
      'The project whose backups by the platform are meant: the twenty letters in the address of its dashboard. When empty, it is taken from ' +
      '`database-url`, or for `restore` from `target-url`, where that leads to a hosted project.',
    parse: matching(
      projectRefPattern,
      'is not the name of a project',
      'Write the twenty lower-case letters in the address of its dashboard.',
    ),
  },
  'management-api-url': {
    group: 'platform',
    operations: ['managed', 'status', 'report', 'restore'],
    default: 'https://api.supabase.com',
    placeholder: 'url',
    description:
      'Where the Management API is, without a path: for a platform that one runs oneself, and for tests.',
    parse: parseApiRoot,
  },
  managed: {
    group: 'platform',
    operations: ['restore'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `restore` has the platform restore the project in place, to `recovery-target-time`, from its own backups for point-in-time recovery. Needs no ' +
      '`storage` and no `target-url`; with both, the slot of captures is dropped before, and a new backup taken after. docs/managed.md.',
    parse: parseBoolean,
  },
  'wait-at-most': {
    group: 'platform',
    operations: ['restore'],
    default: '5h',
    placeholder: 'duration',
    description:
      'With `managed`: how long to wait for the project to come back, such as `5h`. After that the run ends with 3, and the restore goes on: ' +
      'the same command waits on, and asks for nothing again.',
    parse: parseDuration,
  },
} as const satisfies Record<string, Input>;

function parseApiRoot(text: string): string {
  const url = new URL(parseWebhook(text));
  if (
    url.username === '' &&
    url.password === '' &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === ''
  )
    return url.origin;
  throw new Problem('is more than the root of an API', 'Write it as in https://api.supabase.com.');
}
