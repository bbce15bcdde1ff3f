import { messageOf } from '../errors.ts';
import { adviseTrust } from '../http/authorities.ts';
import { explainProxy, explainProxyAnswer, isPassingTunnel } from '../http/trouble.ts';

/** Where a request went, for messages. Holds no secret. */
export interface S3Place {
  readonly bucket: string;
  /** Host and port of the endpoint, or a name for Amazon's own. */
  readonly host: string;
  /** Where a proxy may be on the way, and where it is named */
  readonly url: URL;
  readonly env: NodeJS.ProcessEnv;
}

export interface S3Failure {
  readonly what: string;
  readonly next: string;
  /** True when another location, endpoint, region or key is needed, so that trying later cannot help. */
  readonly configuration: boolean;
}

const unreachable = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']);
const broken = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_PREMATURE_CLOSE']);
const distrusted =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_|ERR_SSL_|EPROTO)/;

/** Answers of a store that is busy, failing, or got a damaged or conflicting request; each may differ next time. */
const passingNames = new Set([
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'RequestTimeout',
  'TimeoutError',
  'BadDigest',
  'IncompleteBody',
  'XAmzContentSHA256Mismatch',
  'ConditionalRequestConflict',
  'OperationAborted',
]);
const passingStatuses = new Set([408, 429, 500, 502, 503, 504]);

const wrongRegion = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
]);

/** A response whose body ended early or broke off after the headers had come. */
export class BrokenBodyError extends Error {}

/** The HTTP status of the store's answer; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  const { $metadata, $response } = (error ?? {}) as {
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number };
  };
  return $metadata?.httpStatusCode ?? $response?.statusCode;
}

/** The store's own code of an error, such as `NoSuchBucket`, or the system's, such as `ENOTFOUND`. */
export function nameOf(error: unknown): string {
  const { name, code, Code } = (error ?? {}) as { name?: string; code?: string; Code?: string };
  return Code ?? code ?? name ?? 'Error';
}

/**
 * Whether the store gives out other values and may still refuse this one: it is archived (Glacier), or under a key that the reader has not.
 * One who may write chooses that for what he writes.
 */
export function isWithheld(code: string): boolean {
  return (
    isDenial(code) || code === 'InvalidObjectState' || code === 'InvalidRequest' || code.startsWith('KMS.')
  );
}

/**
 * The words of a store, who may say anything: it may repeat the headers that sign a request, the session token among them, and go on for
 * pages.
 */
function quote(words: string): string {
  const [line = ''] = words.split('\n', 1);
  if (/AWS4|Signature=|Credential=/i.test(line)) return 'an answer that repeats the request';
  return line.replace(/[^\s,;:='"<>]{40,}/g, '…').slice(0, 200);
}

/** Whether the same request may succeed a moment later. */
export function isPassing(error: unknown): boolean {
  if (error instanceof BrokenBodyError) return true;
  if ((error as { $metadata?: { clockSkewCorrected?: boolean } }).$metadata?.clockSkewCorrected) return true;
  const status = statusOf(error);
  const name = nameOf(error);
  if (isPassingTunnel(error)) return true;
  if (passingNames.has(name) || unreachable.has(name) || broken.has(name)) return true;
  return (error as Error).name === 'TimeoutError' || (status !== undefined && passingStatuses.has(status));
}

/** Whether the store refuses this deed to this key, now and later. */
export function isDenial(code: string): boolean {
  return code === 'AccessDenied' || code === 'ObjectLocked' || code === 'RetentionPolicyNotMet';
}

export function explain(error: unknown, place: S3Place): S3Failure {
  const wrong = (what: string, next: string): S3Failure => ({ what, next, configuration: true });
  const failed = (what: string, next: string): S3Failure => ({ what, next, configuration: false });
  const name = nameOf(error);
  const { host, bucket, url, env } = place;

  const proxy = explainProxy(error, url, env) ?? explainProxyAnswer(statusOf(error) ?? 0, url, env);
  if (proxy !== undefined) return proxy;
  if (error instanceof BrokenBodyError) {
    return failed(error.message, `Check the connection to ${host}, and any proxy in between.`);
  }
  if (name === 'CredentialsProviderError') {
    return wrong(
      'no credentials were found',
      'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws-actions/configure-aws-credentials before this step.',
    );
  }
  if (messageOf(error) === 'Region is missing') {
    return wrong('no region is set', 'Set the `s3-region` input or AWS_REGION to the region of the bucket.');
  }
  if (unreachable.has(name)) {
    return wrong(
      `${host} cannot be reached (${name})`,
      'Check the `s3-endpoint` input, and that this machine may connect to it; where only a proxy leads out, set HTTPS_PROXY.',
    );
  }
  if (distrusted.test(name)) {
    return wrong(
      `${host} has no certificate that is trusted here (${name})`,
      `Check the scheme of \`s3-endpoint\`; ${adviseTrust(name, env)}.`,
    );
  }
  if (broken.has(name) || (error as Error).name === 'TimeoutError') {
    return failed(
      `the connection to ${host} broke or fell silent (${name})`,
      `Check the connection to ${host}, and any proxy in between.`,
    );
  }

  switch (name) {
    case 'NoSuchBucket':
      return wrong(
        `the bucket ${bucket} does not exist at ${host}`,
        'Create the bucket, or correct the `storage` input.',
      );
    case 'InvalidAccessKeyId':
      return wrong(
        `${host} does not know this access key`,
        'Check AWS_ACCESS_KEY_ID, and that `s3-endpoint` is the store that issued it.',
      );
    case 'SignatureDoesNotMatch':
      return wrong(
        'the secret key does not belong to the access key',
        'Check AWS_SECRET_ACCESS_KEY for missing or added characters, and the `s3-region` input.',
      );
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'InvalidToken':
    case 'TokenRefreshRequired':
      return wrong(
        `the session token is not valid, or not any more (${name})`,
        'Ask for credentials again right before this step, with a duration longer than the run.',
      );
    case 'RequestTimeTooSkewed':
      return wrong(
        `the clocks of this machine and ${host} differ too much`,
        'Set the clock of this machine.',
      );
  }

  const status = statusOf(error);
  if (status === 301 || wrongRegion.has(name)) {
    const region = regionOf(error);
    return wrong(
      `the bucket ${bucket} is in another region`,
      region
        ? `Set the \`s3-region\` input to ${region}.`
        : 'Set the `s3-region` input to the region of the bucket.',
    );
  }
  if (status === 403 || isDenial(name)) {
    return wrong(
      'access is denied',
      `Allow these credentials s3:ListBucket on ${bucket}, and s3:GetObject, s3:PutObject and s3:DeleteObject in it.`,
    );
  }
  if (isPassing(error)) {
    return failed(
      `${host} kept answering ${quote(name)}${status ? ` (HTTP ${status})` : ''}`,
      'Run it again later; if this comes often, see the status page of the store.',
    );
  }
  return failed(
    `${quote(name)}${status ? ` (HTTP ${status})` : ''}: ${quote(messageOf(error))}`,
    `See what ${host} says about this error.`,
  );
}

/** The region that an answer about the wrong one names. */
function regionOf(error: unknown): string | undefined {
  const { Region, $response } = error as {
    Region?: string;
    $response?: { headers?: Record<string, string> };
  };
  const region = Region ?? $response?.headers?.['x-amz-bucket-region'];
  return region !== undefined && /^[a-z0-9-]{1,40}$/.test(region) ? region : undefined;
}
