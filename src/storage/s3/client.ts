import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { describeWay } from '../../http/agents.ts';
import type { S3Addressing, S3Encryption } from '../../interface/s3-settings.ts';
import type { World } from '../../runtime/context.ts';
import { boundAnswers } from './answers.ts';

export interface S3Options {
  readonly bucket: string;
  /** Without slashes at its ends; empty for the root of the bucket. */
  readonly prefix: string;
  /** Absent for Amazon's own endpoints. */
  readonly endpoint?: URL;
  /** Absent: `auto` or `us-east-1` at a custom endpoint, else what the AWS configuration of this machine says. */
  readonly region?: string;
  /** The environment names proxies and authorities. */
  readonly world: Pick<World, 'env' | 'now'>;
  readonly addressing?: S3Addressing;
  readonly encryption?: S3Encryption;
  /** Absent: as the bucket is set, which is STANDARD */
  readonly storageClass?: string;
  /** Before the first retry, doubled for each one after it. Tests shorten it. */
  readonly firstDelayMs?: number;
  /** How long a connection may carry no byte in either direction. Tests shorten it. */
  readonly silenceMs?: number;
}

const defaultSilenceMs = 60_000;

/**
 * A client of the SDK that neither retries nor reads an answer without bounds.
 *
 * @param keepAlive whether a connection serves one request after another, or each has its own
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
  const { endpoint, region, world } = options;
  const silenceMs = silenceMsOf(options);
  // The limit of connections is ours, for `connectionTimeout` also counts the wait for a free one.
  const agent = { ...describeWay(world.env, 'storage'), keepAlive, maxSockets: Number.POSITIVE_INFINITY };
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
    maxAttempts: 1,
    forcePathStyle: isByPath(options),
    // With it the SDK opens a connection for each upload.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: 10_000,
      socketTimeout: silenceMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
  };
}

function isByPath({ addressing = 'auto', endpoint, bucket }: S3Options): boolean {
  // A bucket with dots in its name has no valid certificate as a host name.
  if (addressing === 'auto') return endpoint !== undefined || bucket.includes('.');
  return addressing === 'path';
}
