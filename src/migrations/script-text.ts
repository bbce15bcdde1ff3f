/**
 * The beginning of a pointer file, which Git LFS commits in place of the content (docs/spec.md of Git LFS)
 */
const pointer = 'version https://git-lfs.github.com/spec/';

/** Tells whether the bytes are a pointer of Git LFS. */
export function isPointer(bytes: Buffer): boolean {
  return bytes.subarray(0, pointer.length).toString('latin1') === pointer;
}

/**
 * Decodes a script from UTF-8, or from UTF-16 with or without a byte order mark, which PowerShell writes. Of
 * any other encoding the ASCII characters are read, which suffices: all destructive commands are ASCII.
 *
 * @returns undefined when the bytes are no text: PostgreSQL accepts no NUL in a text
 */
export function decodeScript(bytes: Buffer): string | undefined {
  const text = new TextDecoder(guessEncoding(bytes)).decode(bytes);
  return text.includes('\0') ? undefined : text;
}

function guessEncoding(bytes: Buffer): 'utf-8' | 'utf-16le' | 'utf-16be' {
  const [first = 1, second = 1] = bytes;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  // A script begins with ASCII, in which every other byte is zero in UTF-16.
  if (first !== 0 && second === 0) return 'utf-16le';
  return first === 0 && second !== 0 ? 'utf-16be' : 'utf-8';
}
