import { isTransientTunnel } from '../../http/trouble.ts';
import { BrokenBodyError } from '../storage.ts';

const broken = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_PREMATURE_CLOSE']);
const unreachable = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']);

/** Codes of a store that is busy or failing, or got a damaged or conflicting request; a retry may succeed */
const transientNames = new Set([
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

/** Codes of stores that accept the bucket in the host name only */
const pathRefusals = new Set(['SecondLevelDomainForbidden', 'PathStyleDomainForbidden', 'InvalidPathAccess']);

/** Thrown when a store does not answer, or answers too slowly */
export class SilenceError extends Error {}

interface Told {
  readonly name?: string;
  readonly code?: string;
  readonly Code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly clockSkewCorrected?: boolean };
  readonly $response?: Response;
}

interface Response {
  readonly statusCode?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The unparsed body of an error */
  readonly text?: string;
}

function read(error: unknown): Told {
  return (error ?? {}) as Told;
}

/** Returns the HTTP status of the store's answer; undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const { $metadata, $response } = read(error);
  return $metadata?.httpStatusCode ?? $response?.statusCode;
}

/** Returns the store's code of an error, such as `NoSuchBucket`, or the system's, such as `ENOTFOUND`. */
export function nameOf(error: unknown): string {
  const { name, code, Code } = read(error);
  return Code ?? code ?? name ?? 'Error';
}

export function responseOf(error: unknown): Response {
  return read(error).$response ?? {};
}

/**
 * Tells whether a failed answer has no code, as an answer to HEAD, or one of a server that is no S3 store.
 */
export function isWordless(error: unknown): boolean {
  const status = statusOf(error);
  return status !== undefined && status < 500 && read(error).Code === undefined;
}

/** Tells whether the answer came from a server that does not speak the S3 protocol. */
export function isForeign(error: unknown): boolean {
  const { text = '' } = responseOf(error);
  return read(error).Code === undefined && text.trim() !== '' && !/<Code>/.test(text);
}

/** Tells whether the store says that a value does not exist. A 404 of a web server does not count. */
export function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket' && !isForeign(error);
}

/**
 * Tells whether a code may concern this value alone, while the store returns others: the value is archived
 * (Glacier), or encrypted with a key that the reader lacks. A writer can choose both for each value.
 */
export function isWithheld(code: string): boolean {
  return (
    isDenial(code) || code === 'InvalidObjectState' || code === 'InvalidRequest' || code.startsWith('KMS.')
  );
}

/**
 * Tells whether a value is archived, so that the store returns it only hours after a request to restore it.
 */
export function isArchived(error: unknown): boolean {
  return nameOf(error) === 'InvalidObjectState';
}

/** Codes of a refusal since the bytes and a checksum do not fit: of Amazon and most others, of MinIO, of Garage */
const digestRefusals = new Set(['BadDigest', 'XAmzContentChecksumMismatch', 'InvalidDigest']);

/**
 * Tells whether a store refuses a write since its checksum is wrong. Any other 400 that no retry changes counts too,
 * for codes differ; that of a slow connection (RequestTimeout) says nothing of the checksum.
 */
export function isDigestRefusal(error: unknown): boolean {
  return statusOf(error) === 400 && (digestRefusals.has(nameOf(error)) || !isTransient(error));
}

/** Tells whether the same request may succeed a moment later. */
export function isTransient(error: unknown): boolean {
  if (error instanceof BrokenBodyError || isSilence(error)) return true;
  const status = statusOf(error);
  const name = nameOf(error);
  if (isTransientTunnel(error)) return true;
  if (transientNames.has(name) || unreachable.has(name) || broken.has(name)) return true;
  return status !== undefined && passingStatuses.has(status);
}

/** Tells whether the connection was silent for as long as it may be. */
export function isSilence(error: unknown): boolean {
  if (error instanceof SilenceError || nameOf(error) === 'ETIMEDOUT') return true;
  // The SDK also gives this name to errors of broken connections, which have a code.
  const { name, code } = read(error);
  return name === 'TimeoutError' && code === undefined && statusOf(error) === undefined;
}

export function isUnreachable(error: unknown): boolean {
  return unreachable.has(nameOf(error));
}

export function isBroken(error: unknown): boolean {
  return broken.has(nameOf(error));
}

/**
 * Tells whether a request was refused, perhaps for a wrong clock, and the SDK signs by the store's clock from
 * now on. The SDK sets the flag on most answers, so only a refusal counts.
 */
export function isClockCorrected(error: unknown): boolean {
  const { $metadata } = read(error);
  const isRefused = $metadata?.httpStatusCode === 400 || $metadata?.httpStatusCode === 403;
  return isRefused && $metadata?.clockSkewCorrected === true;
}

export function isPathRefused(error: unknown): boolean {
  return pathRefusals.has(nameOf(error));
}

/** Tells whether a code refuses this action on this key for good. */
export function isDenial(code: string): boolean {
  return code === 'AccessDenied' || code === 'ObjectLocked' || code === 'RetentionPolicyNotMet';
}
