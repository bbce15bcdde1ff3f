import { DeleteObjectCommand, DeleteObjectsCommand, type _Error as S3Error } from '@aws-sdk/client-s3';
import { StorageError } from '../../runtime/errors.ts';
import { isDenial, nameOf, statusOf } from './failure.ts';
import type { S3Requests } from './requests.ts';

/** The most keys of one DeleteObjects request */
export const deleteBatch = 1000;

/** Statuses of a store that does not support a kind of request */
export const unsupported = new Set([400, 405, 411, 501]);

/**
 * A value or a version to delete. Without a version, a bucket with versions only puts a delete marker over
 * the value.
 */
export interface Target {
  readonly key: string;
  readonly version?: string | undefined;
}

/** The outcome of a deletion; targets in neither list are gone. */
export interface Deleted<Kind extends Target> {
  readonly retained: readonly Kind[];
  /** Keys that a delete marker hides now */
  readonly hidden: readonly string[];
}

/** Deletes in batches where the store supports them, otherwise one by one. */
export class S3Deletion {
  readonly #requests: S3Requests;
  #inBatches = true;

  constructor(requests: S3Requests) {
    this.#requests = requests;
  }

  /** Deletes at most a batch of keys, and returns those that the store retains. */
  async deleteSome(keys: readonly string[]): Promise<string[]> {
    const { retained } = await this.deleteTargets(keys.map((key) => ({ key })));
    return retained.map(({ key }) => key);
  }

  /** Deletes at most a batch of values, or versions of them. */
  async deleteTargets<Kind extends Target>(targets: readonly Kind[]): Promise<Deleted<Kind>> {
    if (targets.length === 0) return { retained: [], hidden: [] };
    const retained: Kind[] = [];
    const hidden: string[] = [];
    let single = targets;
    if (this.#inBatches) {
      try {
        const { Errors = [], Deleted = [] } = await this.#deleteTogether(targets);
        const { root } = this.#requests;
        const failed = targets.map((target) => [target, findCode(Errors, root, target)] as const);
        retained.push(...failed.filter(([, code]) => isDenial(code ?? '')).map(([target]) => target));
        single = failed.filter(([, code]) => code !== undefined && !isDenial(code)).map(([target]) => target);
        for (const { Key = '', DeleteMarker, VersionId } of Deleted)
          if (DeleteMarker && !VersionId) hidden.push(Key.slice(root.length));
      } catch (error) {
        const cause = error instanceof StorageError ? error.cause : undefined;
        if (isDenial(nameOf(cause))) return { retained: [...targets], hidden: [] };
        if (!unsupported.has(statusOf(cause) ?? 0)) throw error;
        this.#inBatches = false;
      }
    }
    const outcomes = await Promise.all(single.map((target) => this.#deleteOne(target)));
    for (const [index, target] of single.entries()) {
      if (outcomes[index] === 'retained') retained.push(target);
      if (outcomes[index] === 'hidden') hidden.push(target.key);
    }
    return { retained, hidden };
  }

  #deleteTogether(targets: readonly Target[]) {
    const { bucket, root } = this.#requests;
    const command = new DeleteObjectsCommand({
      Bucket: bucket,
      Delete: {
        Objects: targets.map(({ key, version }) => ({
          Key: root + key,
          ...(version === undefined ? {} : { VersionId: version }),
        })),
      },
    });
    return this.#requests.run('delete', targets[0]?.key ?? '', ({ options }) =>
      this.#requests.client.send(command, options),
    );
  }

  async #deleteOne({ key, version }: Target): Promise<'gone' | 'hidden' | 'retained'> {
    const address = this.#requests.address(key);
    const command = new DeleteObjectCommand({
      ...address,
      ...(version === undefined ? {} : { VersionId: version }),
    });
    return this.#requests.run('delete', key, async ({ options }) => {
      try {
        const { DeleteMarker } = await this.#requests.client.send(command, options);
        return DeleteMarker && version === undefined ? 'hidden' : 'gone';
      } catch (error) {
        if (isDenial(nameOf(error))) return 'retained';
        if (nameOf(error) !== 'NoSuchKey') throw error;
        return 'gone';
      }
    });
  }
}

/**
 * Returns the code with which a target was not deleted; undefined when it was. Some stores do not name the
 * version of a failed key.
 */
function findCode(errors: readonly S3Error[], root: string, { key, version }: Target): string | undefined {
  const error = errors.find(
    ({ Key, VersionId }) => Key === root + key && (!version || !VersionId || VersionId === version),
  );
  return error && (error.Code ?? '');
}
