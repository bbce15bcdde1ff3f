import { messageOf } from '../errors.ts';
import { adviseTrust } from '../http/authorities.ts';
import { explainProxy, explainProxyAnswer } from '../http/trouble.ts';
import {
  BrokenBodyError,
  isBroken,
  isDenial,
  isForeign,
  isPassing,
  isPathRefused,
  isSilence,
  isUnreachable,
  nameOf,
  responseOf,
  SilenceError,
  statusOf,
} from './s3-failure.ts';

/** What a request does, in the words of its error. */
export type Action = 'store' | 'create' | 'read' | 'look at' | 'list' | 'delete';

/** Where a request went, for messages. Holds no secret. */
export interface S3Place {
  readonly bucket: string;
  /** Absent for Amazon's own */
  readonly endpoint: URL | undefined;
  /** Where proxies and authorities are named */
  readonly env: NodeJS.ProcessEnv;
}

/** What stands for Amazon's hosts, of which there is one for each bucket and region */
const amazon = new URL('https://s3.amazonaws.com');

/** What is known of a request that failed. */
interface Failed extends S3Place {
  readonly action: Action;
  /** Whether anything was ever answered from there */
  readonly hasAnswered: boolean;
}

export interface S3Failure {
  readonly what: string;
  readonly next: string;
  /** True when another location, endpoint, region or key is needed, so that trying later cannot help. */
  readonly configuration: boolean;
}

type Words = readonly [what: string, next: string];

const supabaseEndpoint = 'https://REF.storage.supabase.co/storage/v1/s3';

const wrongRegion = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
]);

/** Of HTTP and of stores: payment required, out of space */
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

/** Host and port of the endpoint, or a name for Amazon's own. */
export function hostOf({ endpoint }: S3Place): string {
  return endpoint?.host ?? 'Amazon S3';
}

/** What is wrong, with the words of the store, and what to do about it. */
export function explain(error: unknown, failed: Failed): S3Failure {
  const { endpoint: url = amazon, env } = failed;
  return (
    explainProxy(error, url, env) ??
    explainProxyAnswer(statusOf(error) ?? 0, url, env) ??
    explainConnection(error, failed) ??
    explainAnswer(error, failed)
  );
}

/** The words of a store, where it is known that another input is needed. */
const wrong = ([what, next]: Words, said = ''): S3Failure => ({
  what: said === '' ? what : `${what}: ${said}`,
  next,
  configuration: true,
});
const failing = ([what, next]: Words, said = ''): S3Failure => ({
  ...wrong([what, next], said),
  configuration: false,
});

function explainConnection(error: unknown, failed: Failed): S3Failure | undefined {
  const name = nameOf(error);
  const host = hostOf(failed);
  const checkLine = `Check the connection to ${host}, and any proxy in between.`;
  if (error instanceof BrokenBodyError) return failing([error.message, checkLine]);
  if (error instanceof SilenceError) return failing([`${host} fell silent: ${error.message}`, checkLine]);
  if (name === 'CredentialsProviderError') {
    return wrong([
      'no credentials were found',
      'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws-actions/configure-aws-credentials before this step.',
    ]);
  }
  if (messageOf(error) === 'Region is missing') {
    return wrong([
      'no region is set',
      'Set the `s3-region` input or AWS_REGION to the region of the bucket.',
    ]);
  }
  if (isUnreachable(error)) {
    const { hostname = host } = error as { hostname?: string };
    return wrong([
      `${quote(hostname)} cannot be reached (${name})`,
      'Check the `s3-endpoint` input, and that this machine may connect to it; where only a proxy leads out, set HTTPS_PROXY.',
    ]);
  }
  const distrust = explainDistrust(name, failed);
  if (distrust) return wrong(distrust);
  if (/^HPE_/.test(name) || (isBroken(error) && !failed.hasAnswered && !isSilence(error))) {
    const isPlain = failed.endpoint?.protocol === 'http:';
    const words = `the connection to ${host} broke before it answered anything (${name})`;
    if (isPlain) return wrong([words, 'If it speaks TLS there, write https:// in `s3-endpoint`.']);
  }
  if (isBroken(error) || isSilence(error)) {
    return failing([`the connection to ${host} broke or fell silent (${name})`, checkLine]);
  }
  return undefined;
}

/** Why TLS did not come about. */
function explainDistrust(name: string, failed: Failed): Words | undefined {
  const host = hostOf(failed);
  switch (name) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return [
        `the certificate of ${host} is for another name (${name})`,
        'Write the name that is in the certificate in `s3-endpoint`; where it lacks the name of the bucket, set `s3-addressing` to path.',
      ];
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return [
        `the certificate of ${host} has expired, or is not valid yet (${name})`,
        'Renew it; if it is valid, set the clock of this machine.',
      ];
    case 'EPROTO':
      return [
        `${host} does not speak TLS as this machine does (${name})`,
        'Check the scheme of `s3-endpoint`: where the store speaks plain HTTP, write http://.',
      ];
  }
  if (/^ERR_SSL_/.test(name)) {
    return [
      `${host} does not speak TLS as this machine does (${name})`,
      'Check the scheme of `s3-endpoint`: where the store speaks plain HTTP, write http://.',
    ];
  }
  if (/^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_)/.test(name)) {
    return [
      `${host} has no certificate that is trusted here (${name})`,
      `Check the scheme of \`s3-endpoint\`; ${adviseTrust(name, failed.env)}.`,
    ];
  }
  return undefined;
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
  if (name === 'InvalidObjectState') {
    return failing(
      [
        'it is archived, and not given out before it is brought back',
        'Bring it back in the store (RestoreObject of S3), and leave this prefix out of lifecycle rules that archive (GLACIER, DEEP_ARCHIVE).',
      ],
      said,
    );
  }
  if (status === 403 || isDenial(name)) return wrong(explainDenial(error, bucket, failed.action), said);
  if (isPassing(error)) {
    const next = 'Run it again later; if this comes often, see the status page of the store.';
    return failing([`${host} kept answering ${said}`, next]);
  }
  return failing([said, `See what ${host} says about this error.`]);
}

/** Codes that tell which input is wrong. */
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

/** Answers from another place, in another manner, or by no store at all. */
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
  if (!isForeign(error) || isPassing(error) || isFull(error)) return undefined;
  return explainForeigner(failed);
}

/** For what answers, and does not speak the protocol. */
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

/** Whether the store has no room for more, or its owner no money. */
function isFull(error: unknown): boolean {
  return (
    fullCodes.has(nameOf(error)) ||
    fullStatuses.has(statusOf(error) ?? 0) ||
    ((statusOf(error) ?? 500) < 500 && fullSentence.test(sentenceOf(error)))
  );
}

/** What the store itself says: its code, the HTTP status and its sentence. */
function tellAnswer(error: unknown): string {
  const status = statusOf(error);
  const sentence = quote(sentenceOf(error));
  const code = isForeign(error) ? '' : quote(nameOf(error));
  const details = [status === undefined ? '' : `HTTP ${status}`, sentence === code ? '' : sentence];
  const told = details.filter((detail) => detail !== '').join(': ');
  if (code === '') return told;
  return told === '' ? code : `${code} (${told})`;
}

/** Of an error of S3, of Supabase's own JSON, or of the first words of any page. */
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

/**
 * The words of a store, who may say anything: it may repeat the headers that sign a request, the session token among them, and go on for
 * pages.
 */
function quote(words: string): string {
  const [line = ''] = words.split('\n', 1);
  if (/AWS4|Signature=|Credential=/i.test(line)) return 'an answer that repeats the request';
  return line
    .replace(/\p{Cc}/gu, ' ')
    .replace(/[^\s,;:='"<>]{40,}/g, '…')
    .slice(0, 200);
}

/** The region that an answer about the wrong one names. */
function regionOf(error: unknown): string | undefined {
  const { Region } = error as { Region?: string };
  const region = Region ?? responseOf(error).headers?.['x-amz-bucket-region'];
  return region !== undefined && /^[a-z0-9-]{1,40}$/.test(region) ? region : undefined;
}

/** The host of a redirection; its path may hold what nobody else should know. */
function whereTo(error: unknown): string {
  const { location = '' } = responseOf(error).headers ?? {};
  return URL.canParse(location) ? quote(new URL(location).host) : 'nowhere';
}
