import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { IntegrityError } from '../../../src/runtime/errors.ts';
import { openZip } from '../../../src/storage/artifact/zip.ts';

/* Zip files that nobody packs by accident: whoever can store an artifact of a name decides every byte of it. */

const folder = mkdtempSync(join(tmpdir(), 'zip-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
let path: string;
let unpacked: string;
beforeEach(() => {
  path = join(folder, `${made}.zip`);
  unpacked = join(folder, `${made++}`);
  mkdirSync(unpacked);
});

interface Entry {
  readonly name: string;
  readonly text?: string;
  /** What the directory says of it instead of the truth */
  readonly size?: number;
  readonly packedSize?: number;
  readonly offset?: number;
  readonly method?: number;
}

/** @param change changes the end of the directory, which says how many entries there are (10), its size (12), and where it is (16) */
function pack(entries: readonly Entry[], change: (end: Buffer) => void = () => {}): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { text = 'text', method = 8, ...entry } of entries) {
    const value = Buffer.from(text);
    const packed = method === 8 ? deflateRawSync(value) : value;
    const name = Buffer.from(entry.name);
    const local = Buffer.alloc(30);
    local.write('PK\x03\x04', 'latin1');
    local.writeUInt16LE(name.length, 26);
    const header = Buffer.alloc(46);
    header.write('PK\x01\x02', 'latin1');
    header.writeUInt16LE(method, 10);
    header.writeUInt32LE(crc32(value), 16);
    header.writeUInt32LE(entry.packedSize ?? packed.length, 20);
    header.writeUInt32LE(entry.size ?? value.length, 24);
    header.writeUInt16LE(name.length, 28);
    header.writeUInt32LE(entry.offset ?? offset, 42);
    files.push(local, name, packed);
    directory.push(header, name);
    offset += local.length + name.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  change(end);
  return Buffer.concat([...files, ...directory, end]);
}

/** The long form of the end, whose numbers have 64 bits. */
function packLong(size: bigint, offset: bigint): Buffer {
  const long = Buffer.alloc(56);
  long.write('PK\x06\x06', 'latin1');
  long.writeBigUInt64LE(size, 40);
  long.writeBigUInt64LE(offset, 48);
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07', 'latin1');
  const end = pack([], (short) => short.writeUInt32LE(0xffffffff, 16));
  return Buffer.concat([long, locator, end]);
}

async function unpack(bytes: Buffer): Promise<void> {
  writeFileSync(path, bytes);
  const zip = await openZip(path);
  try {
    for (const entry of zip.entries) await zip.unpack(entry, unpacked);
  } finally {
    await zip.close();
  }
}

function isOpen(): boolean {
  return readdirSync('/proc/self/fd').some((number) => {
    try {
      return readlinkSync(`/proc/self/fd/${number}`) === path;
    } catch {
      return false;
    }
  });
}

test('a whole one is unpacked', async () => {
  await unpack(pack([{ name: 'objects/' }, { name: 'objects/a', text: 'one' }, { name: 'b', method: 0 }]));
  expect(readFileSync(join(unpacked, 'objects/a'), 'utf8')).toBe('one');
  expect(readFileSync(join(unpacked, 'b'), 'utf8')).toBe('text');
});

describe('is refused, with nothing left open, where', () => {
  const a = { name: 'a' };
  test.each<[string, Buffer, RegExp]>([
    // Node itself ends the process at a length of 2 GiB.
    [
      'its directory has 4 GiB',
      pack([a], (end) => end.writeUInt32LE(0xfffffff0, 12)),
      /ends too early|too large/,
    ],
    [
      'its directory has 2 GiB',
      pack([a], (end) => end.writeUInt32LE(0x7fffffff, 12)),
      /ends too early|too large/,
    ],
    ['its directory has half a GiB', pack([a], (end) => end.writeUInt32LE(0x20000000, 12)), /too large/],
    ['its directory has 100 MB', pack([a], (end) => end.writeUInt32LE(100_000_000, 12)), /ends too early/],
    [
      'its directory begins behind its end',
      pack([a], (end) => end.writeUInt32LE(0xfffffff0, 16)),
      /ends too early/,
    ],
    ['its directory in 64 bits is too large', packLong(2n ** 63n, 0n), /too large/],
    ['its directory in 64 bits is larger than itself', packLong(100_000n, 0n), /ends too early/],
    ['its directory in 64 bits begins anywhere', packLong(10n, 2n ** 62n), /ends too early/],
    ['its directory in 64 bits is missing', pack([a], (end) => end.writeUInt32LE(0xffffffff, 16)), /zip64/],
    ['a file is packed into 2 GiB', pack([{ ...a, packedSize: 0x7fffffff }]), /too large/],
    ['a file is packed into more than there is', pack([{ ...a, packedSize: 1_000_000 }]), /ends too early/],
    ['a file begins behind its end', pack([{ ...a, offset: 0xfffffff0 }]), /ends too early/],
    ['a file would have 4 GiB', pack([{ ...a, size: 0xfffffff0 }]), /too large/],
    ['two files have one name', pack([a, { ...a, text: 'other' }]), /holds "a" twice/],
    ['a file is a folder, too', pack([a, { name: 'a/b' }]), /"a" as a file and as a folder/],
    [
      'a folder is a file, too',
      pack([{ name: 'a/b/c' }, { name: 'a/b' }]),
      /"a\/b" as a file and as a folder/,
    ],
    ['a folder of no files is a file, too', pack([{ name: 'a/' }, a]), /"a" as a file and as a folder/],
    ['a name is longer than any can be', pack([{ name: 'a'.repeat(300) }]), /cannot be unpacked here/],
    ['a name has folders without end', pack([{ name: 'a/'.repeat(30_000) }]), /lies too deep/],
  ])('%s', async (_, bytes, says) => {
    const unpacking = unpack(bytes);
    await expect(unpacking).rejects.toThrow(IntegrityError);
    await expect(unpacking).rejects.toThrow(says);
    if (process.platform === 'linux') expect(isOpen()).toBe(false);
  });
});
