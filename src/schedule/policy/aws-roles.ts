import { all, any, fits, fitsIfThere, has } from './facts.ts';
import type { JobKind, WrittenDatabase, WrittenPolicy } from './schema.ts';

/** An AWS role that a job assumes instead of using keys */
export interface Role {
  readonly arn: string;
  /** Seconds that the role is assumed for; the default of the reusable workflow when undefined */
  readonly seconds: number | undefined;
}

/** Returns the role of a job of this kind; undefined when it uses keys or needs no credentials. */
export function roleOf(
  kind: JobKind,
  written: WrittenDatabase,
  { cleanup }: Pick<WrittenPolicy, 'cleanup'>,
): Role | undefined {
  // Only cleanups get credentials that may delete.
  const own = (kind === 'cleanup' ? cleanup : undefined) ?? {};
  if (hasKeys.holds(own)) return undefined;
  const holder = hasRole.holds(own) && isAmazons.holds(written) ? own : written;
  const { 'aws-role': arn, 'aws-role-seconds': seconds } = holder;
  return arn === undefined ? undefined : { arn, seconds };
}

/** The storage is Amazon's own S3: no other service accepts AWS roles. */
export const isAmazons = all(
  fits('storage', /^s3:/i),
  fitsIfThere('s3-endpoint', /^https?:\/\/[^/?#]*\.amazonaws\.com(?:\.cn)?(?::\d+)?(?:[/?#]|$)/i),
);

export const hasRole = has('aws-role');
export const hasKeys = any(has('aws-access-key-id'), has('aws-secret-access-key'));
