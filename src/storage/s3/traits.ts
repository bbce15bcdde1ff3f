import {
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  type GetObjectLockConfigurationCommandOutput,
} from '@aws-sdk/client-s3';
import type { PlaceTraits } from '../storage.ts';
import { askOptional } from './optional.ts';
import type { S3Requests } from './requests.ts';

/** Asks how the bucket is set: needs s3:GetBucketVersioning and s3:GetBucketObjectLockConfiguration. */
export async function readBucketTraits(requests: S3Requests): Promise<PlaceTraits> {
  const [versions, defaultRetention] = await Promise.all([readVersions(requests), readRetention(requests)]);
  return { versions, defaultRetention };
}

async function readVersions(requests: S3Requests): Promise<PlaceTraits['versions']> {
  const command = new GetBucketVersioningCommand({ Bucket: requests.bucket });
  const answer = await askOptional(requests, '', ({ options }) => requests.client.send(command, options));
  if (answer === undefined) return 'unknown';
  if (answer.Status === undefined) return 'none';
  return answer.Status === 'Enabled' ? 'kept' : 'suspended';
}

/** What S3 answers for a bucket without object lock, as an error */
const withoutLock = 'ObjectLockConfigurationNotFoundError';

async function readRetention(requests: S3Requests): Promise<PlaceTraits['defaultRetention']> {
  const command = new GetObjectLockConfigurationCommand({ Bucket: requests.bucket });
  const answer = await askOptional(
    requests,
    '',
    async ({ options }): Promise<Partial<GetObjectLockConfigurationCommandOutput>> => {
      try {
        return await requests.client.send(command, options);
      } catch (error) {
        if (error instanceof Error && error.name === withoutLock) return {};
        throw error;
      }
    },
  );
  if (answer === undefined) return 'unknown';
  const {
    Mode: mode,
    Days: days,
    Years: years = 0,
  } = answer.ObjectLockConfiguration?.Rule?.DefaultRetention ?? {};
  return mode === undefined ? 'none' : { mode, days: days || 365 * years };
}
