import type { Input } from '../input.ts';
import { parseProjectRef, parseToken } from '../management-values.ts';
import { parseDuration } from '../time-values.ts';
import { Problem, parseBoolean, parseWebhook } from '../values.ts';

/** Operations that may ask the platform for something */
const asking = ['managed', 'status', 'report', 'doctor', 'restore', 'backup', 'capture', 'gate'] as const;

/** The platform's own backups: which project, how it is asked, and a restore that the platform carries out. */
export const managementInputs = {
  'supabase-access-token': {
    group: 'platform',
    operations: asking,
    secret: true,
    placeholder: 'token',
    description:
      "A token of Supabase's Management API, which tells of the platform's own backups: best one with scopes, for this project alone, that may read " +
      'backups; `restore` with `managed` needs one that may also write them, and `vault-key` one for secrets. When empty, `SUPABASE_ACCESS_TOKEN` is used. ' +
      '`managed` alone needs one; with it, and the project, which a `policy` may name, `status`, `report` and `doctor` tell of both layers. docs/managed.md.',
    parse: parseToken,
  },
  'project-ref': {
    group: 'platform',
    operations: [...asking, 'init'],
    placeholder: 'ref',
    example: 'abcdefghijklmnopqrst',
    description:
      'The project whose backups by the platform are meant: the twenty letters in the address of its dashboard. When empty, it is taken from ' +
      '`database-url`, or for `restore` from `target-url`, where that leads to a hosted project.',
    parse: parseProjectRef,
  },
  'management-api-url': {
    group: 'platform',
    operations: asking,
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
      'Whether `restore` has the platform restore the project in place, to `recovery-target-time`, from its own backups for point-in-time recovery. What is ' +
      'asked is noted in `storage`, so that it is asked once. With a `target-url` the slot of captures is dropped before, and a new backup taken after. docs/managed.md.',
    parse: parseBoolean,
  },
  'vault-key': {
    group: 'platform',
    operations: ['backup', 'capture', 'gate', 'restore'],
    default: 'true',
    flag: true,
    placeholder: 'true|false',
    description:
      "Whether Vault's root key, without which no other project reads the secrets, is carried where token and project are known: an encrypted backup takes it along, " +
      'and `restore` gives it to a project that would lose nothing by it. It is never stored unencrypted, and without permission it is left out and told. docs/supabase.md.',
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
