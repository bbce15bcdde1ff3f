import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from './failures.ts';

/* Writes files and folders that survive a power cut, and reads files with a limit. */

/**
 * Error codes of `fsync` on a folder where the filesystem does not support it; there only the rename itself
 * is assured.
 */
const noFolderSync = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EISDIR']);

/** Tells whether a path exists, also as a dangling link. */
export async function isTaken(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Reads at most `size` bytes; `readFile` would not end while another process appends to the file. */
export async function readBytes(file: FileHandle, size: number): Promise<Buffer> {
  const value = Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file.read(value, length, size - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return value.subarray(0, length);
}

/**
 * Writes a new file with mode 0600 and flushes it. Throws when the file exists or is not written completely.
 */
export async function writeDurably(path: string, value: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(value);
    await file.sync();
    const { size } = await file.stat();
    if (size !== value.byteLength) throw new Error(`${size} of ${value.byteLength} bytes were written`);
  } finally {
    await file.close();
  }
}

/**
 * Creates a folder and its parents, and flushes each new name: a file is only as durable as its path. Node's
 * own recursive mkdir is not used: it never returns for a folder in which none can be created (/proc), and it
 * reports a read-only filesystem as ENOENT.
 */
export async function makeFolder(path: string): Promise<void> {
  if (await makeOneFolder(path, 'ENOENT')) return;
  await makeFolder(dirname(path));
  await makeOneFolder(path);
}

/**
 * Creates one folder; returns false when that fails with the code `expected`. An existing name is no failure:
 * if it is a file, writing below it fails.
 */
async function makeOneFolder(path: string, expected?: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return true;
    if (codeOf(error) === expected) return false;
    throw error;
  }
  await syncFolder(dirname(path));
  return true;
}

/** Flushes the names in a folder, where the filesystem supports it. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    const code = codeOf(error);
    if (!code || !noFolderSync.has(code)) throw error;
  } finally {
    await folder.close();
  }
}
