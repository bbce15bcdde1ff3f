import type { JobKind, WrittenDatabase, WrittenPolicy } from './schema.ts';

/** An AWS role that a job assumes instead of using keys */
export interface Role {
  readonly arn: string;
  /** Seconds that the role is assumed for; the default of the reusable workflow when undefined */
  readonly seconds: number | undefined;
}

/** Keys of a policy that authenticate a job to the storage */
export interface Credentials {
  readonly 'aws-role'?: string | undefined;
  readonly 'aws-role-seconds'?: number | undefined;
  readonly 'aws-access-key-id'?: string | undefined;
  readonly 'aws-secret-access-key'?: string | undefined;
}

/** Returns the role of a job of this kind; undefined when it uses keys or needs no credentials. */
export function roleOf(
  kind: JobKind,
  written: WrittenDatabase,
  { cleanup }: Pick<WrittenPolicy, 'cleanup'>,
): Role | undefined {
  // Only cleanups get credentials that may delete.
  const own = kind === 'cleanup' ? cleanup : undefined;
  if (hasKeys(own)) return undefined;
  const holder: Credentials = own?.['aws-role'] !== undefined && takesRoles(written) ? own : written;
  const { 'aws-role': arn, 'aws-role-seconds': seconds } = holder;
  return arn === undefined ? undefined : { arn, seconds };
}

/** Tells whether the storage is Amazon's own S3: no other service accepts AWS roles. */
export function takesRoles({ storage, 's3-endpoint': endpoint }: WrittenDatabase): boolean {
  const isAmazon = /^https?:\/\/[^/?#]*\.amazonaws\.com(\.cn)?(:\d+)?([/?#]|$)/i.test(endpoint ?? '');
  return /^s3:/i.test(storage) && (endpoint === undefined || isAmazon);
}

export function hasKeys(credentials: Credentials | undefined): boolean {
  return (credentials?.['aws-access-key-id'] ?? credentials?.['aws-secret-access-key']) !== undefined;
}
