/** What a file begins with that only says where another one is kept (Git LFS, docs/spec.md) */
const pointer = 'version https://git-lfs.github.com/spec/';

/** Whether Git LFS has put it in the place of a file. */
export function isPointer(bytes: Buffer): boolean {
  return bytes.subarray(0, pointer.length).toString('latin1') === pointer;
}

/**
 * The text of a script. PowerShell writes UTF-16, with or without a mark; what is in none of these encodings is read as far as it is ASCII,
 * as all that destroys is.
 *
 * @returns undefined when it is no text: PostgreSQL takes no NUL in one
 */
export function decodeScript(bytes: Buffer): string | undefined {
  const text = new TextDecoder(guessEncoding(bytes)).decode(bytes);
  return text.includes('\0') ? undefined : text;
}

function guessEncoding(bytes: Buffer): 'utf-8' | 'utf-16le' | 'utf-16be' {
  const [first = 1, second = 1] = bytes;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  // ASCII has every other byte empty, and a script begins with some.
  if (first !== 0 && second === 0) return 'utf-16le';
  return first === 0 && second !== 0 ? 'utf-16be' : 'utf-8';
}
