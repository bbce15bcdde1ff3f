import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { StorageError } from '../../runtime/errors.ts';
import { isKey, type StoredValue } from '../storage.ts';
import type { S3Requests } from './requests.ts';
import { hostOf } from './sentences.ts';
import { explainForeigner } from './words.ts';

/** The most consecutive empty pages of a listing. Stores that skip deleted keys return some. */
const mostEmptyPages = 1000;

/** Bytes of a listing of a thousand keys, for which the deadline allows time */
const pageBytes = 1024 * 1024;

/**
 * Lists all keys that start with `prefix`, from all pages. Throws when the listing is incomplete, so that a
 * caller never takes a part for the whole.
 */
export async function* listValues(requests: S3Requests, prefix: string): AsyncGenerator<StoredValue> {
  const { root, place, location } = requests;
  const tokens = new Set<string>();
  let empty = 0;
  let token: string | undefined;
  do {
    const page = await requests.run(
      'list',
      prefix,
      ({ options }) =>
        requests.client.send(
          new ListObjectsV2Command({
            Bucket: requests.bucket,
            Prefix: root + prefix,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          options,
        ),
      pageBytes,
    );
    const next = page.IsTruncated ? page.NextContinuationToken : undefined;
    empty = page.Contents?.length ? 0 : empty + 1;
    // A truncated listing taken for the whole would make stored values look absent, and one whose tokens
    // repeat would never end.
    const isBroken = page.IsTruncated && (next === undefined || tokens.has(next) || empty >= mostEmptyPages);
    if (isBroken || !isListing(page)) {
      const [, next] = explainForeigner(place);
      const message = `${hostOf(place)} gave a listing of ${location} that is not whole`;
      throw new StorageError(message, next, { configuration: !isBroken });
    }
    for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
      // A key outside of the prefix was not asked for; without the prefix's length it would get another name.
      if (!Key.startsWith(root + prefix) || !Number.isSafeInteger(Size) || Size < 0) continue;
      const key = Key.slice(root.length);
      if (isKey(key)) yield { key, size: Size, modifiedAt: LastModified ?? new Date(0) };
    }
    if (next !== undefined) tokens.add(next);
    token = next;
  } while (token !== undefined);
}

/** Tells whether a page is a listing: the SDK parses any XML or HTML page as a listing without keys. */
function isListing({ Name, IsTruncated }: ListObjectsV2CommandOutput): boolean {
  return Name !== undefined || IsTruncated !== undefined;
}
