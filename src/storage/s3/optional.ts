import { StorageError } from '../../runtime/errors.ts';
import { statusOf } from './failure.ts';
import type { Attempt, S3Requests } from './requests.ts';

/** Runs a request; undefined when the store does not support it, or these credentials may not make it. */
export async function askOptional<Answer>(
  requests: S3Requests,
  key: string,
  call: (attempt: Attempt) => Promise<Answer>,
): Promise<Answer | undefined> {
  try {
    return await requests.run('list', key, call);
  } catch (error) {
    const status = error instanceof StorageError ? statusOf(error.cause) : undefined;
    if (status !== undefined && (status < 500 || status === 501)) return undefined;
    throw error;
  }
}
