import type { JobKind, WrittenDatabase, WrittenPolicy } from './schema.ts';

/** A role of AWS that a job takes in place of keys. */
export interface Role {
  readonly arn: string;
  /** For how long it is taken; undefined: as long as the reusable workflow does */
  readonly seconds: number | undefined;
}

/** Keys of a policy that say who a job is to the storage */
export interface Credentials {
  readonly 'aws-role'?: string | undefined;
  readonly 'aws-role-seconds'?: number | undefined;
  readonly 'aws-access-key-id'?: string | undefined;
  readonly 'aws-secret-access-key'?: string | undefined;
}

/** Of a job of this kind. Undefined where it has keys, or a storage that wants none. */
export function roleOf(
  kind: JobKind,
  written: WrittenDatabase,
  { cleanup }: Pick<WrittenPolicy, 'cleanup'>,
): Role | undefined {
  // Only what removes backups gets credentials that can.
  const own = kind === 'cleanup' ? cleanup : undefined;
  if (hasKeys(own)) return undefined;
  const holder: Credentials = own?.['aws-role'] !== undefined && takesRoles(written) ? own : written;
  const { 'aws-role': arn, 'aws-role-seconds': seconds } = holder;
  return arn === undefined ? undefined : { arn, seconds };
}

/** Whether the storage is Amazon's own S3: no other service knows AWS's roles. */
export function takesRoles({ storage, 's3-endpoint': endpoint }: WrittenDatabase): boolean {
  const isAmazon = /^https?:\/\/[^/?#]*\.amazonaws\.com(\.cn)?(:\d+)?([/?#]|$)/i.test(endpoint ?? '');
  return /^s3:/i.test(storage) && (endpoint === undefined || isAmazon);
}

export function hasKeys(credentials: Credentials | undefined): boolean {
  return (credentials?.['aws-access-key-id'] ?? credentials?.['aws-secret-access-key']) !== undefined;
}
