import {
  parseEndpoint,
  type S3Addressing,
  type S3Credentials,
  type S3Encryption,
} from '../interface/s3-settings.ts';
import type { Context } from '../runtime/context.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { FileStorage } from './file.ts';
import { isPath, pathOfUrl } from './folder-path.ts';
import { isKey, longestKey, type Storage } from './storage.ts';

export interface StorageOptions {
  /** URL of an S3-compatible store; absent for Amazon S3 */
  readonly s3Endpoint?: string | undefined;
  readonly s3Region?: string | undefined;
  readonly s3Addressing?: S3Addressing | undefined;
  readonly s3Sse?: S3Encryption | undefined;
  readonly s3StorageClass?: string | undefined;
  /** Undefined: the default chain of the SDK finds them */
  readonly s3Credentials?: S3Credentials | undefined;
  /** Whether writes ask the store to check and keep the SHA-256 of each value */
  readonly s3Checksums?: boolean | undefined;
  /** Token with which an `artifact://` storage reads the artifacts of other runs */
  readonly githubToken?: string | undefined;
  /** Days that an `artifact://` storage keeps its artifacts; by default the GitHub repository's setting */
  readonly artifactRetentionDays?: number | undefined;
}

/** What a storage may touch besides its own place */
export type StorageContext = Pick<
  Context,
  'env' | 'log' | 'now' | 'signal' | 'temporaryFolder' | 'noteRepository'
>;

const forms = 'Write ./folder, /folder, file:///folder, s3://bucket/prefix or artifact://name.';
/** Bytes of an object's name (user guide of S3, "Naming Amazon S3 objects") */
const longestS3Key = 1024;

const bucketPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/;

/**
 * Opens the storage that the `storage` input names, without any request: `probe` makes the first one.
 *
 * @throws ConfigurationError when the location or an option is invalid
 */
export async function openStorage(
  location: string,
  options: StorageOptions,
  context: StorageContext,
): Promise<Storage> {
  const storage = await openPlace(location, options, context);
  const { noteRepository } = context;
  if (noteRepository !== undefined) storage.onOpened = (config) => noteRepository(storage.location, config);
  return storage;
}

async function openPlace(
  location: string,
  options: StorageOptions,
  context: StorageContext,
): Promise<Storage> {
  if (location.trim() === '') throw new ConfigurationError(say`${nameInput('storage')} is empty`, forms);
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(location)?.[1]?.toLowerCase();
  switch (scheme) {
    case 's3':
      return openS3(location, options, context);
    case 'artifact':
      return openArtifact(location, options, context);
    case 'file':
      return new FileStorage(pathOfUrl(location), context, location);
    case undefined:
      if (!isPath(location)) {
        throw new ConfigurationError(
          say`${nameInput('storage')} has no scheme: ${location}`,
          `For a folder write ./${location}.`,
        );
      }
      return new FileStorage(location, context);
    default:
      throw new ConfigurationError(
        say`${nameInput('storage')} has a scheme that is not supported: ${scheme}:`,
        forms,
      );
  }
}

async function openS3(location: string, options: StorageOptions, context: StorageContext): Promise<Storage> {
  const { s3Endpoint, s3Region, s3Addressing, s3Sse, s3StorageClass, s3Credentials, s3Checksums } = options;
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]*)(?:\/(.*))?$/i.exec(location) ?? [];
  if (bucket === '')
    throw new ConfigurationError(say`${nameInput('storage')} names no bucket`, 'Write s3://bucket/prefix.');
  if (bucket.includes('@')) {
    throw new ConfigurationError(
      say`${nameInput('storage')} holds credentials`,
      'Write s3://bucket/prefix, and pass the keys as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    );
  }
  if (!bucketPattern.test(bucket)) {
    throw new ConfigurationError(
      say`${nameInput('storage')} has an invalid bucket name: ${bucket}`,
      'A bucket name has 3 to 63 letters, digits, dots and hyphens.',
    );
  }
  const prefix = path.replace(/\/$/, '');
  if (prefix !== '' && !isKey(prefix)) {
    throw new ConfigurationError(
      say`${nameInput('storage')} has a prefix that is not supported: ${prefix}`,
      'Use letters, digits, dots, hyphens and underscores, separated by single slashes.',
    );
  }
  if (prefix.length + '/'.length + longestKey > longestS3Key) {
    throw new ConfigurationError(
      say`${nameInput('storage')} has a prefix of ${prefix.length} characters, which leaves no room for keys`,
      `Write at most ${longestS3Key - longestKey - 1} characters; some stores take fewer.`,
    );
  }
  const endpoint = s3Endpoint ? locateEndpoint(s3Endpoint, bucket) : undefined;
  if (s3Addressing === 'virtual' && endpoint?.hostname.startsWith(`${bucket}.`)) {
    throw new ConfigurationError(
      say`${nameInput('s3-endpoint')} begins with the bucket`,
      `Leave ${bucket}. out of it: virtual addressing adds it.`,
    );
  }
  // The SDK is most of the program's code and is loaded only for an s3:// storage.
  const { S3Storage } = await import('./s3/store.ts');
  return new S3Storage({
    ...{ bucket, prefix, context },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(s3Region ? { region: s3Region } : {}),
    ...(s3Addressing ? { addressing: s3Addressing } : {}),
    ...(s3Sse ? { encryption: s3Sse } : {}),
    ...(s3StorageClass ? { storageClass: s3StorageClass } : {}),
    ...(s3Credentials ? { credentials: s3Credentials } : {}),
    ...(s3Checksums ? { checksums: true } : {}),
  });
}

/** Names that GitHub accepts for an artifact */
const artifactName = /^[^":<>|*?\\/\p{Cc}]{1,200}$/u;

async function openArtifact(
  location: string,
  options: StorageOptions,
  context: StorageContext,
): Promise<Storage> {
  const { ArtifactStorage, secondSlot } = await import('./artifact/store.ts');
  const name = location.replace(/^artifact:(\/\/)?/i, '');
  if (!artifactName.test(name) || name.endsWith(secondSlot)) {
    throw new ConfigurationError(
      say`${nameInput('storage')} has an invalid artifact name: ${JSON.stringify(name)}`,
      `Write artifact://name. A name has no " : < > | * ? \\ or /, at most 200 characters, and does not end with ${secondSlot}.`,
    );
  }
  return new ArtifactStorage({
    name,
    token: options.githubToken,
    retentionDays: options.artifactRetentionDays,
    context,
  });
}

/** Parses the address of the store. It may come from the environment, which no earlier check has read. */
function locateEndpoint(text: string, bucket: string): URL {
  const url = parseEndpoint(text);
  if (url === undefined) {
    throw new ConfigurationError(
      say`${nameInput('s3-endpoint')} is not a URL`,
      'Write it with its scheme: https://host or https://host:port.',
    );
  }
  if (url.username || url.password || url.search) {
    throw new ConfigurationError(
      say`${nameInput('s3-endpoint')} holds more than an address`,
      'Pass the keys as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and leave out the query.',
    );
  }
  // Cloudflare R2 shows the endpoint with the bucket; with it every object would be stored below a second
  // `bucket/`.
  if (url.pathname === `/${bucket}` || url.pathname === `/${bucket}/`) {
    throw new ConfigurationError(
      say`${nameInput('s3-endpoint')} ends with the bucket`,
      `Leave /${bucket} out of it: ${url.origin}.`,
    );
  }
  return url;
}
