import { isPassingTunnel } from '../../http/trouble.ts';
import { BrokenBodyError } from '../storage.ts';

const broken = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_PREMATURE_CLOSE']);
const unreachable = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']);

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

/** What stores answer that take the bucket in the host name only. */
const pathRefusals = new Set(['SecondLevelDomainForbidden', 'PathStyleDomainForbidden', 'InvalidPathAccess']);

/** A store that answers nothing, or so slowly that it comes to the same. */
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
  /** The text of an error, as it came */
  readonly text?: string;
}

function read(error: unknown): Told {
  return (error ?? {}) as Told;
}

/** The HTTP status of the store's answer; undefined when there was none. */
export function statusOf(error: unknown): number | undefined {
  const { $metadata, $response } = read(error);
  return $metadata?.httpStatusCode ?? $response?.statusCode;
}

/** The store's own code of an error, such as `NoSuchBucket`, or the system's, such as `ENOTFOUND`. */
export function nameOf(error: unknown): string {
  const { name, code, Code } = read(error);
  return Code ?? code ?? name ?? 'Error';
}

export function responseOf(error: unknown): Response {
  return read(error).$response ?? {};
}

/** Whether the answer gives no code, as answers to HEAD do and what is no S3. */
export function isWordless(error: unknown): boolean {
  const status = statusOf(error);
  return status !== undefined && status < 500 && read(error).Code === undefined;
}

/** Whether it was answered, by something that does not speak the protocol. */
export function isForeign(error: unknown): boolean {
  const { text = '' } = responseOf(error);
  return read(error).Code === undefined && text.trim() !== '' && !/<Code>/.test(text);
}

/** Whether the store says that there is no such value. A page of the web that is not found is something else. */
export function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket' && !isForeign(error);
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

/** Whether the value is where it is given out hours after it was asked for. */
export function isArchived(error: unknown): boolean {
  return nameOf(error) === 'InvalidObjectState';
}

/** Whether the same request may succeed a moment later. */
export function isPassing(error: unknown): boolean {
  if (error instanceof BrokenBodyError || isSilence(error)) return true;
  const status = statusOf(error);
  const name = nameOf(error);
  if (isPassingTunnel(error)) return true;
  if (passingNames.has(name) || unreachable.has(name) || broken.has(name)) return true;
  return status !== undefined && passingStatuses.has(status);
}

/** Whether nothing came, for as long as a connection may be silent. */
export function isSilence(error: unknown): boolean {
  if (error instanceof SilenceError || nameOf(error) === 'ETIMEDOUT') return true;
  // The SDK gives this name to broken connections, too, which have a code.
  const { name, code } = read(error);
  return name === 'TimeoutError' && code === undefined && statusOf(error) === undefined;
}

export function isUnreachable(error: unknown): boolean {
  return unreachable.has(nameOf(error));
}

export function isBroken(error: unknown): boolean {
  return broken.has(nameOf(error));
}

/** Whether the SDK signs by the store's clock from now on, for which the refusal may have come. It says so of most answers. */
export function isClockCorrected(error: unknown): boolean {
  const { $metadata } = read(error);
  const isRefused = $metadata?.httpStatusCode === 400 || $metadata?.httpStatusCode === 403;
  return isRefused && $metadata?.clockSkewCorrected === true;
}

export function isPathRefused(error: unknown): boolean {
  return pathRefusals.has(nameOf(error));
}

/** Whether the store refuses this deed to this key, now and later. */
export function isDenial(code: string): boolean {
  return code === 'AccessDenied' || code === 'ObjectLocked' || code === 'RetentionPolicyNotMet';
}
