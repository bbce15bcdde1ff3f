import { DeleteObjectCommand, DeleteObjectsCommand } from '@aws-sdk/client-s3';
import { StorageError } from '../errors.ts';
import { isDenial, nameOf, statusOf } from './s3-failure.ts';
import type { S3Requests } from './s3-requests.ts';

/** As many keys as one DeleteObjects may name. */
export const deleteBatch = 1000;

/** Answers to a request of a kind that the store does not know. */
const unsupported = new Set([400, 405, 411, 501]);

/** Deletes by batches where the store knows them, else one by one. */
export class S3Deletion {
  readonly #requests: S3Requests;
  #inBatches = true;

  constructor(requests: S3Requests) {
    this.#requests = requests;
  }

  /** Deletes at most a batch of keys, and returns those that the store retains. */
  async deleteSome(keys: readonly string[]): Promise<string[]> {
    const { bucket, root } = this.#requests;
    if (keys.length === 0) return [];
    const retained: string[] = [];
    let single = keys;
    if (this.#inBatches) {
      try {
        const { Errors = [] } = await this.#requests.run('delete', keys[0] ?? '', ({ options }) =>
          this.#requests.client.send(
            new DeleteObjectsCommand({
              Bucket: bucket,
              Delete: { Objects: keys.map((key) => ({ Key: root + key })), Quiet: true },
            }),
            options,
          ),
        );
        const failures = new Map(Errors.map(({ Key = '', Code = '' }) => [Key.slice(root.length), Code]));
        for (const [key, code] of failures) if (isDenial(code)) retained.push(key);
        single = [...failures.keys()].filter((key) => !retained.includes(key));
      } catch (error) {
        const cause = error instanceof StorageError ? error.cause : undefined;
        if (isDenial(nameOf(cause))) return [...keys];
        if (!unsupported.has(statusOf(cause) ?? 0)) throw error;
        this.#inBatches = false;
      }
    }
    const kept = await Promise.all(single.map(async (key) => ((await this.#deleteOne(key)) ? [] : [key])));
    return retained.concat(...kept);
  }

  /** False when the store retains the value. */
  async #deleteOne(key: string): Promise<boolean> {
    return this.#requests.run('delete', key, async ({ options }) => {
      try {
        await this.#requests.client.send(new DeleteObjectCommand(this.#requests.address(key)), options);
      } catch (error) {
        if (isDenial(nameOf(error))) return false;
        if (nameOf(error) !== 'NoSuchKey') throw error;
      }
      return true;
    });
  }
}
