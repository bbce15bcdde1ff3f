/** Where the bucket stands: in the host name (`virtual`), in the path, or where the store takes it. */
export const s3Addressings = ['auto', 'path', 'virtual'] as const;
export type S3Addressing = (typeof s3Addressings)[number];

/** What the store is asked to encrypt with. */
export interface S3Encryption {
  readonly algorithm: 'AES256' | 'aws:kms';
  /** Of KMS; absent: the account's own for S3 */
  readonly keyId?: string;
}

/** Classes whose objects are given out hours after they were asked for. */
export const archivingClasses: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/** The address of an S3 service; undefined for a text that is none, such as one without a scheme. */
export function parseEndpoint(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && /^https?:$/.test(url.protocol) ? url : undefined;
}
