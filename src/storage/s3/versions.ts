import {
  GetBucketVersioningCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
} from '@aws-sdk/client-s3';
import { append } from '../../runtime/lists.ts';
import type { Purge, RetainedValue } from '../storage.ts';
import { deleteBatch, type S3Deletion, type Target } from './deletion.ts';
import { askOptional } from './optional.ts';
import type { S3Requests } from './requests.ts';

/**
 * Removes values with all their versions, where a bucket keeps versions and these credentials have
 * s3:GetBucketVersioning, s3:ListBucketVersions and s3:DeleteObjectVersion. Without these rights a value is
 * deleted in the usual way: a marker hides it, and its bytes stay.
 */
export class S3Versions {
  readonly #requests: S3Requests;
  readonly #deletion: S3Deletion;
  readonly #now: () => Date;
  #isKept: Promise<boolean> | undefined;

  constructor(requests: S3Requests, deletion: S3Deletion, now: () => Date) {
    this.#requests = requests;
    this.#deletion = deletion;
    this.#now = now;
  }

  async purge(keys: readonly string[]): Promise<Purge> {
    const hidden: string[] = [];
    const retained: RetainedValue[] = [];
    let versions = 0;
    this.#isKept ??= this.#learn();
    const isKept = await this.#isKept;
    for (let from = 0; from < keys.length; from += deleteBatch) {
      const batch = keys.slice(from, from + deleteBatch);
      const purge = isKept ? await this.#purgeVersions(batch) : await this.#hide(batch);
      append(hidden, purge.hidden);
      append(retained, purge.retained);
      versions += purge.versions;
    }
    return { hidden, retained, versions };
  }

  /**
   * Tells whether the bucket keeps versions, or has kept some; false when the store does not say, and then
   * delete markers show it.
   */
  async #learn(): Promise<boolean> {
    const command = new GetBucketVersioningCommand({ Bucket: this.#requests.bucket });
    const answer = await askOptional(this.#requests, '', ({ options }) =>
      this.#requests.client.send(command, options),
    );
    return answer?.Status !== undefined;
  }

  async #hide(keys: readonly string[]): Promise<Purge> {
    const { retained, hidden } = await this.#deletion.deleteTargets(keys.map((key) => ({ key })));
    return { hidden, retained: retained.map(({ key }) => ({ key, until: undefined })), versions: 0 };
  }

  async #purgeVersions(keys: readonly string[]): Promise<Purge> {
    const versions = await this.#listVersions(keys);
    if (versions === undefined) return this.#hide(keys);
    const denied: Version[] = [];
    for (let from = 0; from < versions.length; from += deleteBatch) {
      const { retained } = await this.#deletion.deleteTargets(versions.slice(from, from + deleteBatch));
      append(denied, retained);
    }
    const retained = await this.#findLocks(denied);
    const locked = new Set(retained.map(({ key }) => key));
    // Without the right to remove versions, the value can only be hidden.
    const rest = [...new Set(denied.map(({ key }) => key))].filter((key) => !locked.has(key));
    const { hidden, retained: kept } = await this.#hide(rest);
    const count = (some: readonly Version[]) => some.filter(({ isMarker }) => !isMarker).length;
    return { hidden, retained: [...retained, ...kept], versions: count(versions) - count(denied) };
  }

  /** Lists all versions of keys, including markers; undefined when these credentials may not list them. */
  async #listVersions(keys: readonly string[]): Promise<Version[] | undefined> {
    const { bucket, root } = this.#requests;
    const wanted = new Set(keys);
    const versions: Version[] = [];
    let after: Pick<ListObjectVersionsCommandOutput, 'NextKeyMarker' | 'NextVersionIdMarker'> = {};
    do {
      const command = new ListObjectVersionsCommand({
        Bucket: bucket,
        Prefix: root + findCommonStart(keys),
        ...(after.NextKeyMarker === undefined ? {} : { KeyMarker: after.NextKeyMarker }),
        ...(after.NextVersionIdMarker === undefined ? {} : { VersionIdMarker: after.NextVersionIdMarker }),
      });
      const page = await askOptional(this.#requests, keys[0] ?? '', ({ options }) =>
        this.#requests.client.send(command, options),
      );
      if (page === undefined) return undefined;
      for (const { Key = '', VersionId } of page.Versions ?? [])
        versions.push({ key: Key.slice(root.length), version: VersionId, isMarker: false });
      for (const { Key = '', VersionId } of page.DeleteMarkers ?? [])
        versions.push({ key: Key.slice(root.length), version: VersionId, isMarker: true });
      after = page.IsTruncated ? page : {};
    } while (after.NextKeyMarker !== undefined);
    return versions.filter(({ key, version }) => wanted.has(key) && version !== undefined);
  }

  /**
   * Finds the retention locks of versions whose removal was denied, the latest of each key. Without a lock on
   * the first version, the credentials lack the right, and no others are read.
   */
  async #findLocks(denied: readonly Version[]): Promise<RetainedValue[]> {
    const [first, ...others] = denied.filter(({ isMarker }) => !isMarker);
    const lock = first && (await this.#findLock(first));
    if (!lock) return [];
    const locks = new Map([[lock.key, lock]]);
    for (const found of await Promise.all(others.map((version) => this.#findLock(version)))) {
      const known = found && locks.get(found.key);
      if (found && Number(found.until ?? 0) >= Number(known?.until ?? 0)) locks.set(found.key, found);
    }
    return [...locks.values()];
  }

  async #findLock({ key, version }: Version): Promise<RetainedValue | undefined> {
    const command = new HeadObjectCommand({ ...this.#requests.address(key), VersionId: version });
    const head = await askOptional(this.#requests, key, ({ options }) =>
      this.#requests.client.send(command, options),
    );
    const until = head?.ObjectLockRetainUntilDate;
    if (head?.ObjectLockLegalHoldStatus === 'ON') return { key, until };
    return until !== undefined && until > this.#now() ? { key, until } : undefined;
  }
}

interface Version extends Target {
  /** True for a delete marker, which holds no value */
  readonly isMarker: boolean;
}

/** Returns the longest common prefix of keys: a listing with it has these keys and few others. */
function findCommonStart(keys: readonly string[]): string {
  const [first = '', ...others] = keys;
  let length = first.length;
  for (const key of others) {
    let same = 0;
    while (same < length && key[same] === first[same]) same += 1;
    length = same;
  }
  return first.slice(0, length);
}
