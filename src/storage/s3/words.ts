import { messageOf } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
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
        'it is archived and cannot be read until the store brings it back',
        'Restore the object in the store (RestoreObject of S3), and exclude this prefix from lifecycle rules that archive (GLACIER, DEEP_ARCHIVE).',
      ],
      said,
    );
  }
  if (status === 403 || isDenial(name)) return wrong(explainDenial(error, bucket, failed.action), said);
  if (isTransient(error)) {
    const next = 'Run it again later. If this happens often, see the status page of the store.';
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
        say`Create the bucket, or correct ${nameInput('storage')}.`,
      ];
    case 'InvalidBucketName':
      return [`${host} does not allow bucket names such as ${bucket}`, say`Correct ${nameInput('storage')}.`];
    case 'InvalidAccessKeyId':
      return [
        `${host} does not know this access key`,
        say`Check AWS_ACCESS_KEY_ID, and that ${nameInput('s3-endpoint')} is the store that issued it.`,
      ];
    case 'SignatureDoesNotMatch':
      return [
        'the secret key does not belong to the access key',
        say`Check AWS_SECRET_ACCESS_KEY for missing or extra characters, and ${nameInput('s3-region')}.`,
      ];
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'InvalidToken':
    case 'TokenRefreshRequired':
      return [
        `the session token is not valid or has expired (${name})`,
        'Get new credentials right before this step, valid for longer than the run.',
      ];
    case 'RequestTimeTooSkewed':
      return [`the clocks of this machine and ${host} differ too much`, 'Set the clock of this machine.'];
    case 'KeyTooLongError':
    case 'KeyTooLong':
      return [
        'the store does not accept keys as long as those under this prefix',
        say`Use a shorter prefix in ${nameInput('storage')}.`,
      ];
    case 'InvalidMimeType':
      return [
        `the bucket ${bucket} accepts only files of some MIME types`,
        'Allow application/octet-stream, or all types, in the settings of the bucket.',
      ];
    case 'EntityTooLarge':
      return [
        `the bucket ${bucket} does not accept files of this size`,
        'Raise the file size limit of the bucket and of the project to at least 50 MB.',
      ];
    case 'InvalidStorageClass':
      return [
        `${host} has no such storage class`,
        say`Correct ${nameInput('s3-storage-class')}, or leave it out.`,
      ];
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
      `${host} accepts the bucket only in the host name (virtual-hosted style), not in the path`,
      say`Use ${nameInput('s3-addressing', 'virtual')}, and write a host name without the bucket in ${nameInput('s3-endpoint')}.`,
    ];
  }
  if (/directory bucket/i.test(messageOf(error))) {
    return [`${bucket} is a directory bucket, which is not supported`, 'Use a general purpose bucket.'];
  }
  if (/HTTP request (was )?(sent )?to (an )?HTTPS/i.test(text)) {
    return [`${host} expects TLS on this port`, say`Write https:// in ${nameInput('s3-endpoint')}.`];
  }
  if (status === 301 || status === 307 || wrongRegion.has(nameOf(error))) {
    if (!isForeign(error)) return explainRegion(error, bucket);
  }
  if (status !== undefined && status >= 300 && status < 400) {
    return [
      `${host} redirects to another server (${whereTo(error)}), as a login page or a proxy does`,
      say`Check that ${nameInput('s3-endpoint')} is the S3 endpoint of the store, and any proxy in between.`,
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
    `${host} answers, but not with the S3 protocol`,
    isSupabase
      ? say`Write ${place.endpoint?.origin}/storage/v1/s3 in ${nameInput('s3-endpoint')}.`
      : say`Check that ${nameInput('s3-endpoint')} is the S3 endpoint of the store. The endpoint of Supabase Storage is ${supabaseEndpoint}.`,
  ];
}

function explainRegion(error: unknown, bucket: string): Words {
  const region = regionOf(error);
  return [
    `the bucket ${bucket} is in another region`,
    region
      ? say`Use ${nameInput('s3-region', region)}.`
      : say`Set ${nameInput('s3-region')} to the region of the bucket.`,
  ];
}

function explainDenial(error: unknown, bucket: string, action: Action): Words {
  const rights = `Allow these credentials s3:ListBucket on ${bucket}, and s3:GetObject, s3:PutObject and s3:DeleteObject in it.`;
  const isByPolicy = /explicit deny|policy/i.test(messageOf(error));
  const isWrite = action === 'store' || action === 'create';
  return [
    'access is denied',
    isByPolicy && isWrite
      ? say`See the policy of the bucket. If it requires encryption or a storage class for each write, set ${nameInput('s3-sse')} or ${nameInput('s3-storage-class')}. ${rights}`
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
