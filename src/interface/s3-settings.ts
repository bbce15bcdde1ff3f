/**
 * Where the address names the bucket: in the host (`virtual`), in the path, or where the store accepts it.
 */
export const s3Addressings = ['auto', 'path', 'virtual'] as const;
export type S3Addressing = (typeof s3Addressings)[number];

/** The encryption that the store is asked for. */
export interface S3Encryption {
  readonly algorithm: 'AES256' | 'aws:kms';
  /** The id of a KMS key; absent: the account's own key for S3 */
  readonly keyId?: string;
}

/** Keys of one storage, where it does not use those of the environment. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

/** Storage classes whose objects become readable only hours after a request. */
export const archivingClasses: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/** The address of an S3 service; undefined for a text that is none, such as one without a scheme. */
export function parseEndpoint(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && /^https?:$/.test(url.protocol) ? url : undefined;
}
