import { messageOf } from '../../runtime/errors.ts';
import { explainConnection } from './connection-words.ts';
import {
  isArchived,
  isDenial,
  isForeign,
  isPathRefused,
  isTransient,
  nameOf,
  responseOf,
  statusOf,
} from './failure.ts';
import {
  type Action,
  type Failed,
  failing,
  hostOf,
  quote,
  type S3Failure,
  type S3Place,
  type Words,
  wrong,
} from './sentences.ts';

const supabaseEndpoint = 'https://REF.storage.supabase.co/storage/v1/s3';

const wrongRegion = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
]);

/** HTTP statuses of a store without room: payment required, insufficient storage */
const fullStatuses = new Set([402, 507]);
const fullCodes = new Set([
  'QuotaExceeded',
  'StorageQuotaExceeded',
  'EntityQuotaExceeded',
  'InsufficientCapacity',
  'InsufficientStorage',
  'XMinioStorageFull',
  'NoSpaceLeft',
]);
const fullSentence =
  /\b(cap|quota|storage limit|disk)\b[^.]*\b(exceeded|reached|full)\b|exceed\w*\b[^.]*\bquota\b/i;

/** Explains a failed request: what is wrong, with the store's own message, and what to do about it. */
export function explain(error: unknown, failed: Failed): S3Failure {
  return explainConnection(error, failed) ?? explainAnswer(error, failed);
}

function explainAnswer(error: unknown, failed: Failed): S3Failure {
  const said = tellAnswer(error);
  const { host, bucket } = { host: hostOf(failed), bucket: failed.bucket };
  const name = nameOf(error);
  const status = statusOf(error);
  const known = explainInput(name, failed) ?? explainFormat(error, failed);
  if (known) return wrong(known, said);
  if (isFull(error)) {
    return failing(
      [`${host} is full, or its quota is used up`, 'Make room or raise the quota, and run it again.'],
      said,
    );
  }
  if (isArchived(error)) {
    return failing(
      [
        'it is archived, and not given out before it is brought back',
        'Bring it back in the store (RestoreObject of S3), and leave this prefix out of lifecycle rules that archive (GLACIER, DEEP_ARCHIVE).',
      ],
      said,
    );
  }
  if (status === 403 || isDenial(name)) return wrong(explainDenial(error, bucket, failed.action), said);
  if (isTransient(error)) {
    const next = 'Run it again later; if this comes often, see the status page of the store.';
    return failing([`${host} kept answering ${said}`, next]);
  }
  return failing([said, `See what ${host} says about this error.`]);
}

/** Explains codes that say which input is wrong. */
function explainInput(name: string, failed: Failed): Words | undefined {
  const { bucket } = failed;
  const host = hostOf(failed);
  switch (name) {
    case 'NoSuchBucket':
      return [
        `the bucket ${bucket} does not exist at ${host}`,
        'Create the bucket, or correct the `storage` input.',
      ];
    case 'InvalidBucketName':
      return [`${host} has no buckets of names such as ${bucket}`, 'Correct the `storage` input.'];
    case 'InvalidAccessKeyId':
      return [
        `${host} does not know this access key`,
        'Check AWS_ACCESS_KEY_ID, and that `s3-endpoint` is the store that issued it.',
      ];
    case 'SignatureDoesNotMatch':
      return [
        'the secret key does not belong to the access key',
        'Check AWS_SECRET_ACCESS_KEY for missing or added characters, and the `s3-region` input.',
      ];
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'InvalidToken':
    case 'TokenRefreshRequired':
      return [
        `the session token is not valid, or not any more (${name})`,
        'Ask for credentials again right before this step, with a duration longer than the run.',
      ];
    case 'RequestTimeTooSkewed':
      return [`the clocks of this machine and ${host} differ too much`, 'Set the clock of this machine.'];
    case 'KeyTooLongError':
    case 'KeyTooLong':
      return [
        'the store takes no keys as long as those below this prefix',
        'Use a shorter prefix in the `storage` input.',
      ];
    case 'InvalidMimeType':
      return [
        `the bucket ${bucket} takes files of some MIME types only`,
        'Allow application/octet-stream in the settings of the bucket, or all types.',
      ];
    case 'EntityTooLarge':
      return [
        `the bucket ${bucket} takes no files of this size`,
        'Raise the limit of the size of a file, of the bucket and of the project, to 50 MB at least.',
      ];
    case 'InvalidStorageClass':
      return [`${host} has no such storage class`, 'Correct the `s3-storage-class` input, or leave it out.'];
    default:
      return undefined;
  }
}

/** Explains answers of another region, of another addressing, or of a server that is no store. */
function explainFormat(error: unknown, failed: Failed): Words | undefined {
  const { bucket } = failed;
  const host = hostOf(failed);
  const status = statusOf(error);
  const text = responseOf(error).text ?? '';
  if (isPathRefused(error)) {
    return [
      `${host} takes the bucket in the host name only (virtual-hosted style), not in the path`,
      'Set the `s3-addressing` input to virtual, and write a name in `s3-endpoint`, without the bucket.',
    ];
  }
  if (/directory bucket/i.test(messageOf(error))) {
    return [`${bucket} is a directory bucket, which differs from others`, 'Use a general purpose bucket.'];
  }
  if (/HTTP request (was )?(sent )?to (an )?HTTPS/i.test(text)) {
    return [`${host} speaks TLS there`, 'Write https:// in `s3-endpoint`.'];
  }
  if (status === 301 || status === 307 || wrongRegion.has(nameOf(error))) {
    if (!isForeign(error)) return explainRegion(error, bucket);
  }
  if (status !== undefined && status >= 300 && status < 400) {
    return [
      `${host} sends elsewhere (${whereTo(error)}), as a login page or a proxy does`,
      'Check that `s3-endpoint` is the S3 interface of the store, and any proxy in between.',
    ];
  }
  if (!isForeign(error) || isTransient(error) || isFull(error)) return undefined;
  return explainForeigner(failed);
}

/** Explains a server that answers and does not speak the S3 protocol. */
export function explainForeigner(place: S3Place): Words {
  const host = hostOf(place);
  const isSupabase = /(^|\.)supabase\.(co|in|red)$/.test(place.endpoint?.hostname ?? '');
  return [
    `${host} answers, but not as S3 does`,
    isSupabase
      ? `Write ${place.endpoint?.origin}/storage/v1/s3 in \`s3-endpoint\`.`
      : `Check that \`s3-endpoint\` is the S3 interface of the store; that of Supabase Storage is ${supabaseEndpoint}.`,
  ];
}

function explainRegion(error: unknown, bucket: string): Words {
  const region = regionOf(error);
  return [
    `the bucket ${bucket} is in another region`,
    region
      ? `Set the \`s3-region\` input to ${region}.`
      : 'Set the `s3-region` input to the region of the bucket.',
  ];
}

function explainDenial(error: unknown, bucket: string, action: Action): Words {
  const rights = `Allow these credentials s3:ListBucket on ${bucket}, and s3:GetObject, s3:PutObject and s3:DeleteObject in it.`;
  const isByPolicy = /explicit deny|policy/i.test(messageOf(error));
  const isWrite = action === 'store' || action === 'create';
  return [
    'access is denied',
    isByPolicy && isWrite
      ? `See the policy of the bucket: where it demands encryption or a storage class of each write, set \`s3-sse\` or \`s3-storage-class\`. ${rights}`
      : rights,
  ];
}

/** Tells whether the store has no room left, or its owner's account has no credit. */
function isFull(error: unknown): boolean {
  return (
    fullCodes.has(nameOf(error)) ||
    fullStatuses.has(statusOf(error) ?? 0) ||
    ((statusOf(error) ?? 500) < 500 && fullSentence.test(sentenceOf(error)))
  );
}

/** Quotes the store's answer: its code, the HTTP status and its message. */
export function tellAnswer(error: unknown): string {
  const status = statusOf(error);
  const sentence = quote(sentenceOf(error));
  const code = isForeign(error) ? '' : quote(nameOf(error));
  const details = [status === undefined ? '' : `HTTP ${status}`, sentence === code ? '' : sentence];
  const told = details.filter((detail) => detail !== '').join(': ');
  if (code === '') return told;
  return told === '' ? code : `${code} (${told})`;
}

/** Returns the message of an S3 error, of Supabase's own JSON, or the text of any other page. */
function sentenceOf(error: unknown): string {
  if (statusOf(error) !== undefined && /Deserialization error|^UnknownError$/.test(messageOf(error))) {
    return sentenceIn(responseOf(error).text ?? '');
  }
  return messageOf(error);
}

function sentenceIn(text: string): string {
  const json = /"(?:message|error|msg)"\s*:\s*"([^"\\]{1,300})"/.exec(text)?.[1];
  if (json !== undefined) return json;
  const page = text.replace(/<(style|script|head)\b.*?<\/\1>/gis, ' ').replace(/<[^>]*>/g, ' ');
  return page.replace(/\s+/g, ' ').trim();
}

/** Returns the right region, which an answer about a wrong region names. */
function regionOf(error: unknown): string | undefined {
  const { Region } = error as { Region?: string };
  const region = Region ?? responseOf(error).headers?.['x-amz-bucket-region'];
  return region !== undefined && /^[a-z0-9-]{1,40}$/.test(region) ? region : undefined;
}

/** Returns the host of a redirect without its path, which may hold secrets. */
function whereTo(error: unknown): string {
  const { location = '' } = responseOf(error).headers ?? {};
  return URL.canParse(location) ? quote(new URL(location).host) : 'nowhere';
}
