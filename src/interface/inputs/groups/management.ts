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
      "An access token for Supabase's Management API, which reports on Supabase's own backups. Use a scoped token for this project that " +
      'can read backups. `restore` with `managed` also needs permission to write backups, and `vault-key` needs permission to write ' +
      'secrets. When empty, `SUPABASE_ACCESS_TOKEN` is used. `managed` requires a token. With a token and a project, `status`, `report` ' +
      "and `doctor` also cover Supabase's own backups. See docs/managed.md.",
    parse: parseToken,
  },
  'project-ref': {
    group: 'platform',
    operations: [...asking, 'init'],
    placeholder: 'ref',
    example: 'abcdefghijklmnopqrst',
    description:
      'The reference of the Supabase project: the twenty letters in the URL of its dashboard, such as `abcdefghijklmnopqrst`. When empty, ' +
      'it is taken from `database-url`, or for `restore` from `target-url`, if that URL belongs to a hosted project.',
    parse: parseProjectRef,
  },
  'management-api-url': {
    group: 'platform',
    operations: asking,
    default: 'https://api.supabase.com',
    placeholder: 'url',
    description:
      'The root URL of the Management API. Change it only for a self-hosted platform or for tests.',
    parse: parseApiRoot,
  },
  managed: {
    group: 'platform',
    operations: ['restore'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether Supabase restores the project in place to `recovery-target-time`, from its own point-in-time recovery backups. `storage` ' +
      'records the request, so that it is sent only once. With a `target-url`, the operation drops the replication slot before the restore ' +
      'and takes a new backup after it. See docs/managed.md.',
    parse: parseBoolean,
  },
  'vault-key': {
    group: 'platform',
    operations: ['backup', 'capture', 'gate', 'restore'],
    default: 'true',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether to carry the root key of Vault, without which no other project can decrypt the secrets. Needs an access token and the ' +
      'project. An encrypted backup includes the key, and `restore` gives it to the target project if that project would lose nothing. The ' +
      'key is never stored unencrypted. If the token lacks permission, the key is left out and the report says so. See docs/supabase.md.',
    parse: parseBoolean,
  },
  'wait-at-most': {
    group: 'platform',
    operations: ['restore'],
    default: '5h',
    placeholder: 'duration',
    description:
      'With `managed`, how long to wait for the project to come back, such as `5h`. After that, the run ends with exit code 3 and the ' +
      'restore continues. Run the same command again to keep waiting; it does not request another restore.',
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
