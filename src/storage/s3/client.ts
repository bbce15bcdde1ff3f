import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { chooseAgent } from '../../http/agents.ts';
import type { S3Addressing, S3Credentials, S3Encryption } from '../../interface/s3-settings.ts';
import type { Context } from '../../runtime/context.ts';
import { boundAnswers } from './answers.ts';

export interface S3Options {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the root of the bucket */
  readonly prefix: string;
  /** Undefined for Amazon's own endpoints */
  readonly endpoint?: URL;
  /**
   * When undefined: `auto` (R2) or `us-east-1` at a custom endpoint, otherwise the region of this machine's
   * AWS configuration
   */
  readonly region?: string;
  /** The environment names proxies and authorities. */
  readonly context: Pick<Context, 'env' | 'now'>;
  readonly addressing?: S3Addressing;
  readonly encryption?: S3Encryption;
  /** The bucket's default, STANDARD, when undefined */
  readonly storageClass?: string;
  /** Those of the environment when undefined */
  readonly credentials?: S3Credentials;
  /** Whether writes ask the store to check and keep the SHA-256 of each value */
  readonly checksums?: boolean;
  /** Before the first retry, doubled for each one after it. Tests shorten it. */
  readonly firstDelayMs?: number;
  /** How long a connection may carry no byte in either direction. Tests shorten it. */
  readonly silenceMs?: number;
}

const defaultSilenceMs = 60_000;

/**
 * Opens a client of the SDK that does not retry, and reads no answer without limits.
 *
 * @param keepAlive whether connections are reused; false for a new connection for each request
 */
export function openClient(options: S3Options, keepAlive = true): S3Client {
  const client = new S3Client(configure(options, keepAlive));
  boundAnswers(client, silenceMsOf(options));
  return client;
}

/** How long a connection may carry no byte in either direction. */
export function silenceMsOf({ silenceMs = defaultSilenceMs }: S3Options): number {
  return silenceMs;
}

function configure(options: S3Options, keepAlive: boolean): S3ClientConfig {
  const { endpoint, region, context, credentials } = options;
  const silenceMs = silenceMsOf(options);
  // `S3Requests` limits concurrency itself: `connectionTimeout` would also count the wait for a free
  // connection.
  const agent = { ...chooseAgent(context.env, 'storage'), keepAlive, maxSockets: Number.POSITIVE_INFINITY };
  const custom: S3ClientConfig = endpoint
    ? {
        endpoint: endpoint.href,
        region: region ?? (endpoint.hostname.endsWith('.r2.cloudflarestorage.com') ? 'auto' : 'us-east-1'),
        // Many compatible stores refuse the checksum headers that the SDK sends by default.
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
      }
    : region
      ? { region }
      : {};
  return {
    ...custom,
    ...(credentials && { credentials: toIdentity(credentials) }),
    maxAttempts: 1,
    forcePathStyle: isByPath(options),
    // With `Expect: 100-continue` the SDK opens a new connection for each upload.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: 10_000,
      socketTimeout: silenceMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
  };
}

function toIdentity({ accessKeyId, secretAccessKey, sessionToken }: S3Credentials) {
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

function isByPath({ addressing = 'auto', endpoint, bucket }: S3Options): boolean {
  // No certificate is valid for a host name that contains a bucket with dots.
  if (addressing === 'auto') return endpoint !== undefined || bucket.includes('.');
  return addressing === 'path';
}
