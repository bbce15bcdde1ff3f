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
      'Where the backups are kept: a folder such as `./backups`, or `s3://bucket/prefix` for Amazon S3 and everything that speaks ' +
      'its protocol (Cloudflare R2, MinIO, Backblaze B2, Supabase Storage), or `artifact://name` for an ' +
      'artifact of the GitHub repository. S3 credentials come from the default AWS chain: ' +
      '`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, a profile, or a role.',
    parse: parseStorage,
  },
  's3-endpoint': {
    group: 'storage',
    operations: [...storing, 'init'],
    placeholder: 'url',
    description:
      'Address of an S3 service other than Amazon, for example `https://<account>.r2.cloudflarestorage.com`. Only with an `s3://` storage. ' +
      'When empty, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` is used.',
    parse: checkEndpoint,
  },
  's3-region': {
    group: 'storage',
    operations: [...storing, 'init'],
    placeholder: 'region',
    description: 'Region of the S3 bucket. When empty, `AWS_REGION` or the AWS profile decides.',
    parse: parseRegion,
  },
  's3-addressing': {
    group: 'storage',
    operations: storing,
    default: 'auto',
    placeholder: 'style',
    description:
      'Where the name of the bucket stands in the address of the store: `virtual` in the host name, `path` in the path. `auto` takes the ' +
      'path with an `s3-endpoint`, until the store refuses that, and the host name at Amazon.',
    parse: parseS3Addressing,
  },
  's3-sse': {
    group: 'storage',
    operations: storing,
    placeholder: 'how',
    description:
      'What the store is asked to encrypt each object with, where the bucket demands it: `AES256`, `aws:kms`, or `aws:kms:KEY` with the id or ' +
      'ARN of a key. When empty, the store does as the bucket is set.',
    parse: parseS3Encryption,
  },
  's3-storage-class': {
    group: 'storage',
    operations: storing,
    placeholder: 'class',
    description:
      'Storage class of what is written to S3, such as `STANDARD_IA` or `GLACIER_IR`. Classes that cannot be read at once are refused. When ' +
      'empty, the store does as the bucket is set.',
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
      'Other storages that hold copies of the repository: a YAML list whose entries have `storage` (a folder or `s3://bucket/prefix`) and, where they ' +
      'are needed, `name`, `endpoint`, `region`, `addressing`, `sse`, `storage-class`, `access-key-id`, `secret-access-key` and `session-token`; or one ' +
      'address a line. An entry without keys uses those of the environment. `mirror` writes them, `backup`, `capture` and a `gate` that takes a backup do so after the first ' +
      'storage, `restore`, `drill` and `validate` read from them what the first does not give, `repair` heals it from them, `doctor` checks them, and `status` tells how far behind they are.',
    parse: parseCopies,
  },
  'repository-key': {
    group: 'encryption',
    operations: storing,
    secret: true,
    placeholder: 'hex',
    description:
      'The key that names stored objects by their content, 64 hexadecimal digits as `openssl rand -hex 32` prints them. When empty, ' +
      'a key is made with the repository and kept in it; give your own to keep it elsewhere, and then with every operation.',
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
      'The age identity that opens encrypted backups: the text of the file that `age-keygen` wrote (`AGE-SECRET-KEY-1…`, one or ' +
      'several lines, comments allowed), or the path of such a file. A backup does not need it to be written, only to be read.',
    parse: parseIdentities,
  },
  'client-path': {
    group: 'programs',
    operations: storing,
    placeholder: 'folder',
    description:
      "The folder with `pg_dump` and `pg_restore` of the server's major version or newer. When empty, they are looked for on this machine.",
    parse: parseFolder,
  },
  'install-client': {
    group: 'programs',
    operations: storing,
    default: 'auto',
    placeholder: 'when',
    description:
      "Whether client programs that are missing are installed with apt, as root or by `sudo -n`, which changes the machine: `auto` on GitHub's " +
      'own runners only, `always` on any, `never`.',
    parse: oneOf(['auto', 'always', 'never'] as const),
  },
} as const satisfies Record<string, Input>;
