import { parseCopies } from '../copies-values.ts';
import type { Input } from '../input.ts';
import { parseFolder, parseIdentities } from '../key-values.ts';
import { copying, storing } from '../operations.ts';
import {
  checkEndpoint,
  parseRegion,
  parseS3Addressing,
  parseS3Encryption,
  parseStorage,
  parseStorageClass,
} from '../storage-values.ts';
import { matching, oneOf } from '../values.ts';

/**
 * Where backups are kept, what opens them, and the client programs: inputs of each operation on a storage.
 */
export const repositoryInputs = {
  storage: {
    group: 'storage',
    operations: [...storing, 'init'],
    required: true,
    optionalFor: ['report', 'doctor', 'managed', 'init'],
    placeholder: 'location',
    example: './backups or s3://bucket/prefix',
    description:
      'Where the backups are stored: a folder such as `./backups`; `s3://bucket/prefix` for Amazon S3 or a compatible service (Cloudflare ' +
      'R2, MinIO, Backblaze B2, Supabase Storage); or `artifact://name` for an artifact of the GitHub repository. S3 credentials come from ' +
      'the default AWS chain: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, a profile, or a role.',
    parse: parseStorage,
  },
  's3-endpoint': {
    group: 'storage',
    operations: [...storing, 'init'],
    placeholder: 'url',
    description:
      'The URL of an S3 service other than Amazon, such as `https://<account>.r2.cloudflarestorage.com`. Only with `s3://` storage. When ' +
      'empty, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` is used.',
    parse: checkEndpoint,
  },
  's3-region': {
    group: 'storage',
    operations: [...storing, 'init'],
    placeholder: 'region',
    description:
      'The region of the S3 bucket, such as `eu-central-1`. When empty, `AWS_REGION` or the AWS profile is used.',
    parse: parseRegion,
  },
  's3-addressing': {
    group: 'storage',
    operations: storing,
    default: 'auto',
    placeholder: 'style',
    description:
      'Where requests put the bucket name: `virtual` in the host name, `path` in the path of the URL. `auto` uses the host name for ' +
      'Amazon. With an `s3-endpoint`, it uses the path, and the host name if the service refuses that.',
    parse: parseS3Addressing,
  },
  's3-sse': {
    group: 'storage',
    operations: storing,
    placeholder: 'how',
    description:
      'The server-side encryption to request for each object, if the bucket requires it: `AES256`, `aws:kms`, or `aws:kms:KEY` with the id ' +
      "or ARN of a key. When empty, the bucket's own setting applies.",
    parse: parseS3Encryption,
  },
  's3-storage-class': {
    group: 'storage',
    operations: storing,
    placeholder: 'class',
    description:
      'The storage class of the objects written to S3, such as `STANDARD_IA` or `GLACIER_IR`. Classes whose objects cannot be read ' +
      "immediately are refused. When empty, the bucket's own setting applies.",
    parse: parseStorageClass,
  },
  copies: {
    group: 'copies',
    operations: [...copying, 'gate', 'doctor'],
    requiredFor: ['mirror', 'repair'],
    secret: true,
    placeholder: 'yaml',
    example: 's3://other-bucket/prefix',
    description:
      'Other storages that hold copies of the repository. Write a YAML list. Each entry has `storage` (a folder or `s3://bucket/prefix`) ' +
      'and, if needed, `name`, `endpoint`, `region`, `addressing`, `sse`, `storage-class`, `access-key-id`, `secret-access-key` and ' +
      '`session-token`. One address per line also works. An entry without credentials uses those of the environment. `backup`, `capture` ' +
      'and `gate` write the copies after the first storage, and `mirror` brings them up to date. `restore`, `drill` and `validate` read ' +
      'from them what the first storage cannot provide. `repair` restores damaged objects of the first storage from them. `doctor` checks ' +
      'them, and `status` shows how far behind they are.',
    parse: parseCopies,
  },
  'repository-key': {
    group: 'encryption',
    operations: storing,
    secret: true,
    placeholder: 'hex',
    description:
      'The key that derives the names of stored objects from their content: 64 hexadecimal digits, as `openssl rand -hex 32` prints them. ' +
      'When empty, a key is created with the repository and stored in it. Set your own key to keep it elsewhere; every operation then ' +
      'needs it.',
    parse: matching(
      /^[0-9a-f]{64}$/i,
      'is not 64 hexadecimal digits',
      'Make one with `openssl rand -hex 32`, once, and keep it.',
    ),
  },
  'encryption-identity': {
    group: 'encryption',
    operations: storing,
    secret: true,
    placeholder: 'identity',
    description:
      'The age identity that decrypts backups: the text of the file that `age-keygen` wrote (`AGE-SECRET-KEY-1…`, one or several lines, ' +
      'comments allowed), or the path of such a file. Reading encrypted backups needs it; writing them does not.',
    parse: parseIdentities,
  },
  'client-path': {
    group: 'programs',
    operations: storing,
    placeholder: 'folder',
    description:
      "The folder with `pg_dump` and `pg_restore`, such as `/usr/lib/postgresql/17/bin`. They must have the server's major version or a " +
      'newer one. When empty, the operation searches this machine.',
    parse: parseFolder,
  },
  'install-client': {
    group: 'programs',
    operations: storing,
    default: 'auto',
    placeholder: 'when',
    description:
      'Whether to install missing PostgreSQL client programs with apt, as root or with `sudo -n`. `auto` installs them only on ' +
      'GitHub-hosted runners, `always` on any machine, `never` on none.',
    parse: oneOf(['auto', 'always', 'never'] as const),
  },
} as const satisfies Record<string, Input>;
