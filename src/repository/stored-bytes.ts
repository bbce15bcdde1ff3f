import type { Storage } from '../storage/storage.ts';

/** bytes of everything that is stored, whichever backup needs it, by what it is: see docs/format.md */
export interface StoredBytes {
  /** Rows, definitions and captured changes: everything that has content */
  readonly objects: number;
  readonly manifests: number;
  /** Headers of segments */
  readonly changes: number;
  readonly records: number;
  /** Locks, marks of a cleanup, caches, and what is not of a repository */
  readonly others: number;
}

const folders: Readonly<Record<string, keyof StoredBytes>> = {
  objects: 'objects',
  backups: 'manifests',
  changes: 'changes',
  records: 'records',
};

/**
 * Measures by one listing.
 *
 * @throws StorageError when it cannot be listed
 */
export async function measureStored(storage: Storage, signal: AbortSignal): Promise<StoredBytes> {
  const stored = { objects: 0, manifests: 0, changes: 0, records: 0, others: 0 };
  for await (const { key, size } of storage.list('')) {
    signal.throwIfAborted();
    const [folder = ''] = key.split('/');
    stored[(key.includes('/') ? folders[folder] : undefined) ?? 'others'] += size;
  }
  return stored;
}

export function sumStored(stored: StoredBytes): number {
  return Object.values(stored).reduce((sum: number, bytes: number) => sum + bytes, 0);
}
