import { mkdir, open, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { IntegrityError } from '../../runtime/errors.ts';
import { largestValue } from '../storage.ts';

/*
 * The part of the zip format (PKWARE's APPNOTE) that GitHub's artifacts use: stored or deflated entries,
 * zip64, UTC times.
 */

const inflate = promisify(inflateRaw);

export interface ZipEntry {
  readonly name: string;
  /** Bytes, unpacked */
  readonly size: number;
  /** With a resolution of two seconds */
  readonly modifiedAt: Date;
  readonly packedSize: number;
  readonly method: number;
  readonly crc: number;
  /** Offset of the local header */
  readonly offset: number;
}

/** An open zip file */
export interface Zip {
  /** The files that the central directory lists, without folders */
  readonly entries: readonly ZipEntry[];
  /**
   * Unpacks an entry below a folder.
   *
   * @throws IntegrityError when the entry is damaged, or its name cannot be used here
   */
  unpack(entry: ZipEntry, folder: string): Promise<void>;
  close(): Promise<void>;
}

/** The most parts of a name, between slashes */
const mostParts = 64;
const endSize = 22;
const longestComment = 65_535;
/** The content of a 32-bit field whose value is in the zip64 extension */
const elsewhere = 0xffffffff;
/**
 * Bytes of the central directory: enough for a million files of a repository, and small enough for memory
 * with three million of the shortest names.
 */
const largestDirectory = 1 << 27;

/**
 * Opens a zip file.
 *
 * @throws IntegrityError when the file is no zip file, or is damaged
 */
export async function openZip(path: string): Promise<Zip> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    // Offsets and lengths in the file are untrusted: only ranges within the file are read, and memory is
    // allocated for no others.
    const read = async (offset: number, length: number): Promise<Buffer> => {
      if (offset < 0 || offset + length > size) throw damaged('it ends too early');
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      if (bytesRead < length) throw damaged('it ends too early');
      return buffer;
    };
    const entries = readDirectory(await findDirectory(read, size));
    refuseClashes(entries);
    return {
      entries: entries.filter(({ name }) => !name.endsWith('/')),
      unpack: async (entry, folder) => {
        const path = join(folder, entry.name);
        const value = await readEntry(read, entry);
        try {
          await mkdir(dirname(path), { recursive: true, mode: 0o700 });
          await writeFile(path, value, { flag: 'wx', mode: 0o600 });
          await utimes(path, entry.modifiedAt, entry.modifiedAt);
        } catch (error) {
          if (!wrongNames.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
          throw damaged(`${quote(entry.name)} cannot be unpacked here`, error);
        }
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Error codes for a name that is too long, or that this filesystem takes for the same as another */
const wrongNames = new Set(['ENAMETOOLONG', 'EEXIST', 'ENOTDIR', 'EISDIR', 'EINVAL']);

type Read = (offset: number, length: number) => Promise<Buffer>;

async function findDirectory(read: Read, size: number): Promise<Buffer> {
  const length = Math.min(size, endSize + longestComment);
  const tail = await read(size - length, length);
  const at = tail.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  if (at < 0 || tail.length - at < endSize) throw damaged('it is no zip file, or is cut off');
  const end = tail.subarray(at);
  if (end.readUInt32LE(16) !== elsewhere && end.readUInt16LE(10) !== 0xffff) {
    return readBounded(read, end.readUInt32LE(16), end.readUInt32LE(12));
  }
  const locator = await read(size - length + at - 20, 20);
  if (locator.toString('latin1', 0, 4) !== 'PK\x06\x07') throw damaged('its zip64 directory is missing');
  const long = await read(Number(locator.readBigUInt64LE(8)), 56);
  if (long.toString('latin1', 0, 4) !== 'PK\x06\x06') throw damaged('its zip64 directory is missing');
  return readBounded(read, Number(long.readBigUInt64LE(48)), Number(long.readBigUInt64LE(40)));
}

function readBounded(read: Read, offset: number, length: number): Promise<Buffer> {
  if (length > largestDirectory) throw damaged('its directory is too large');
  return read(offset, length);
}

/**
 * Refuses two files of one name, and a file in place of a folder: both cannot be unpacked, and which one is
 * meant is not known.
 */
function refuseClashes(entries: readonly ZipEntry[]): void {
  const files = new Set<string>();
  const folders = new Set<string>();
  for (const { name } of entries) {
    if (files.has(name)) throw damaged(`it holds ${quote(name)} twice`);
    if (!name.endsWith('/')) files.add(name);
    // Keys have few parts. A name with very many would create as many folders, each of which would be listed.
    if (name.split('/', mostParts + 1).length > mostParts) throw damaged(`${quote(name)} lies too deep`);
    for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) folders.add(name.slice(0, at));
  }
  for (const name of files)
    if (folders.has(name)) throw damaged(`it holds ${quote(name)} as a file and as a folder`);
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}

function readDirectory(directory: Buffer): ZipEntry[] {
  const entries: ZipEntry[] = [];
  try {
    for (let at = 0; at < directory.length; ) {
      if (directory.toString('latin1', at, at + 4) !== 'PK\x01\x02') throw damaged('its directory is');
      const nameEnd = at + 46 + directory.readUInt16LE(at + 28);
      const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
      const [size, packedSize, offset] = readSizes(directory, at, directory.subarray(nameEnd, extraEnd));
      entries.push({
        name: directory.toString('utf8', at + 46, nameEnd),
        size,
        packedSize,
        offset,
        method: directory.readUInt16LE(at + 10),
        crc: directory.readUInt32LE(at + 16),
        modifiedAt: readTime(directory.readUInt16LE(at + 14), directory.readUInt16LE(at + 12)),
      });
      at = extraEnd + directory.readUInt16LE(at + 32);
    }
  } catch (error) {
    if (error instanceof RangeError) throw damaged('its directory is cut off', error);
    throw error;
  }
  return entries;
}

/** Reads size, packed size and offset; a value that does not fit 32 bits is in the zip64 extra field. */
function readSizes(directory: Buffer, at: number, extra: Buffer): [number, number, number] {
  const short = [24, 20, 42].map((field) => directory.readUInt32LE(at + field));
  let long: Buffer = Buffer.alloc(0);
  for (let field = 0; field + 4 <= extra.length; field += 4 + extra.readUInt16LE(field + 2)) {
    if (extra.readUInt16LE(field) === 1) long = extra.subarray(field + 4);
  }
  let next = 0;
  const sizes = short.map((value) => {
    if (value !== elsewhere) return value;
    next += 8;
    return Number(long.readBigUInt64LE(next - 8));
  });
  return sizes as [number, number, number];
}

function readTime(date: number, time: number): Date {
  const [year, month, day] = [1980 + (date >> 9), (date >> 5) & 15, date & 31];
  return new Date(Date.UTC(year, month - 1, day, time >> 11, (time >> 5) & 63, (time & 31) * 2));
}

async function readEntry(read: Read, entry: ZipEntry): Promise<Buffer> {
  const { name, size, packedSize, method, crc, offset } = entry;
  if (size > largestValue || packedSize > largestValue + (1 << 20)) throw damaged(`${name} is too large`);
  const header = await read(offset, 30);
  const start = offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  const packed = await read(start, packedSize);
  const value = await unpackValue(packed, method, size, name);
  if (value.length !== size || crc32(value) !== crc) throw damaged(`the checksum of ${name} is another`);
  return value;
}

async function unpackValue(packed: Buffer, method: number, size: number, name: string): Promise<Buffer> {
  if (method === 0) return packed;
  if (method !== 8) throw damaged(`${name} is packed by the method ${method}`);
  try {
    // One byte more than declared, so that a larger entry is detected and not unpacked.
    return await inflate(packed, { maxOutputLength: size + 1 });
  } catch (error) {
    throw damaged(`${name} cannot be unpacked`, error);
  }
}

function damaged(how: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    `the artifact is damaged: ${how}`,
    'Download it from its run and inspect it. To go back to the previous artifact, delete this one there.',
    cause,
  );
}
