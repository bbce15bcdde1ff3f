import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CopyPlace } from './copies-values.ts';

/** Where a storage is, as far as its address tells. */
interface Address {
  readonly storage: string;
  readonly s3Endpoint: string | undefined;
}

/**
 * Says which copy is no copy: one that is the first storage, or another copy, or lies inside of one of them.
 *
 * @param storage undefined where the first storage is wrong by itself
 * @returns the problem as the end of a sentence; undefined when all are places of their own
 */
export function findSharedPlace(
  storage: Address | undefined,
  copies: readonly CopyPlace[],
): string | undefined {
  const places = copies.map((copy, index) => ({ what: `entry ${index + 1}`, root: rootOf(copy) }));
  if (storage !== undefined) places.unshift({ what: 'storage', root: rootOf(storage) });
  for (const [index, { what, root }] of places.entries()) {
    for (const other of places.slice(0, index)) {
      if (root === other.root) return `${what} is the same place as ${other.what}`;
      if (root.startsWith(other.root)) return `${what} lies inside of ${other.what}`;
      if (other.root.startsWith(root)) return `${other.what} lies inside of ${what}`;
    }
  }
  return undefined;
}

/** A text that ends with a slash, and begins with that of a place around it. Links are not followed. */
function rootOf({ storage, s3Endpoint }: Address): string {
  if (!/^s3:/i.test(storage)) return `folder ${path.resolve(pathOf(storage))}/`.replace(/\/+$/, '/');
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]*)\/?(.*)$/i.exec(storage) ?? [];
  return `s3 ${hostOf(s3Endpoint)}/${bucket}/${prefix.replace(/\/*$/, '/').replace(/^\/$/, '')}`;
}

function pathOf(storage: string): string {
  if (!/^file:/i.test(storage)) return storage;
  try {
    return fileURLToPath(storage);
  } catch {
    // A wrong URL is refused where the storage is opened; it is no other place.
    return storage;
  }
}

/** Names of buckets are the same for all of Amazon's regions. */
function hostOf(endpoint: string | undefined): string {
  const url = endpoint !== undefined && URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || /\.amazonaws\.com$/i.test(url.hostname)) return 'amazon';
  return `${url.host}${url.pathname.replace(/\/+$/, '')}`;
}
