import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from './failures.ts';

/* Files and folders that are there after a power cut, and reads that end. */

/** What `fsync` of a folder answers where the filesystem has no such thing; there the rename itself is all one can have. */
const noFolderSync = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EISDIR']);

/** Also by a link that leads nowhere. */
export async function isTaken(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Not `readFile`, which goes on for as long as somebody makes the file longer. */
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
 * Makes a folder and those above it; each new name is flushed, for a file is only as durable as the path to it. Not by the
 * `recursive` of Node's own mkdir, which never returns where a folder exists but takes no folders (/proc), and calls a
 * read-only filesystem ENOENT.
 */
export async function makeFolder(path: string): Promise<void> {
  if (await makeOneFolder(path, 'ENOENT')) return;
  await makeFolder(dirname(path));
  await makeOneFolder(path);
}

/** False when it failed with `expected`. A name that exists is no failure; if it is a file, what is put under it fails. */
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
