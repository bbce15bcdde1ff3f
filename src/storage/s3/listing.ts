import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { StorageError } from '../../runtime/errors.ts';
import { isKey, type StoredValue } from '../storage.ts';
import type { S3Requests } from './requests.ts';
import { hostOf } from './sentences.ts';
import { explainForeigner } from './words.ts';

/** Of a listing, one after another. Stores that skip what was deleted give some. */
const mostEmptyPages = 1000;

/** As many as a listing of a thousand keys may have: it is given the time for them */
const pageBytes = 1024 * 1024;

/** All keys that start with `prefix`, from all pages, or an error: never a part of them. */
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
    // Taking a part of a listing for the whole would make stored values look absent; one that goes in a circle has no end.
    const isBroken = page.IsTruncated && (next === undefined || tokens.has(next) || empty >= mostEmptyPages);
    if (isBroken || !isListing(page)) {
      const [, next] = explainForeigner(place);
      const message = `${hostOf(place)} gave a listing of ${location} that is not whole`;
      throw new StorageError(message, next, { configuration: !isBroken });
    }
    for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
      // What was not asked for is of somebody else, and cut short it would have another name.
      if (!Key.startsWith(root + prefix) || !Number.isSafeInteger(Size) || Size < 0) continue;
      const key = Key.slice(root.length);
      if (isKey(key)) yield { key, size: Size, modifiedAt: LastModified ?? new Date(0) };
    }
    if (next !== undefined) tokens.add(next);
    token = next;
  } while (token !== undefined);
}

/** Any page of the web is parsed as a listing without keys. */
function isListing({ Name, IsTruncated }: ListObjectsV2CommandOutput): boolean {
  return Name !== undefined || IsTruncated !== undefined;
}
