import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { type Decrypter, Encrypter } from 'age-encryption';

/*
 * The age file format, version 1 (c2sp.org/age). The age library handles headers, recipients and identities.
 * The payload, which is nearly all of the work, is encrypted with the ChaCha20-Poly1305 of Node's OpenSSL,
 * twenty times as fast as an implementation in JavaScript.
 */

const chunkSize = 64 * 1024;
const tagSize = 16;
const nonceSize = 16;
/** Bytes: for the first and last line of a header, and for the longest stanza (post-quantum recipients). */
const [headerRoom, stanzaRoom] = [1024, 4096];

/** Encrypts a plaintext into an age file for all recipients. */
export async function encryptAge(recipients: readonly string[], plaintext: Uint8Array): Promise<Buffer> {
  const { header, fileKey } = await createHeader(recipients);
  const nonce = randomBytes(nonceSize);
  const key = derivePayloadKey(fileKey, nonce);
  const parts: Buffer[] = [header, nonce];
  // An empty plaintext has one empty chunk; any other plaintext ends without an empty chunk.
  for (let at = 0, counter = 0; at === 0 || at < plaintext.length; at += chunkSize, counter++) {
    const last = at + chunkSize >= plaintext.length;
    const cipher = createCipheriv('chacha20-poly1305', key, chunkNonce(counter, last), {
      authTagLength: tagSize,
    });
    parts.push(cipher.update(plaintext.subarray(at, at + chunkSize)), cipher.final(), cipher.getAuthTag());
  }
  return Buffer.concat(parts);
}

/**
 * Decrypts an age file.
 *
 * @param recipients the most recipients that the file may have: each further one costs a millisecond per
 * identity, and a file has room for hundreds of thousands
 * @throws Error when no identity fits, or when any byte of the file has changed
 */
export async function decryptAge(
  decrypter: Decrypter,
  file: Uint8Array,
  recipients = Number.POSITIVE_INFINITY,
): Promise<Buffer> {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  const headerSize = findHeaderEnd(bytes.subarray(0, headerRoom + recipients * stanzaRoom));
  const fileKey = await decrypter.decryptHeader(bytes.subarray(0, headerSize));
  const key = derivePayloadKey(fileKey, bytes.subarray(headerSize, headerSize + nonceSize));
  const payload = bytes.subarray(headerSize + nonceSize);
  const parts: Buffer[] = [];
  for (let at = 0, counter = 0; at === 0 || at < payload.length; at += chunkSize + tagSize, counter++) {
    const chunk = payload.subarray(at, at + chunkSize + tagSize);
    const last = at + chunkSize + tagSize >= payload.length;
    if (chunk.length < tagSize || (last && at > 0 && chunk.length === tagSize))
      throw new Error('the file is truncated');
    const decipher = createDecipheriv('chacha20-poly1305', key, chunkNonce(counter, last), {
      authTagLength: tagSize,
    });
    decipher.setAuthTag(chunk.subarray(-tagSize));
    parts.push(decipher.update(chunk.subarray(0, -tagSize)), decipher.final());
  }
  return Buffer.concat(parts);
}

/** The library writes the header of an empty file, and gives the file key to a recipient without a stanza. */
async function createHeader(recipients: readonly string[]): Promise<{ header: Buffer; fileKey: Uint8Array }> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  let fileKey = new Uint8Array();
  encrypter.addRecipient({
    wrapFileKey(key) {
      fileKey = key.slice();
      return [];
    },
  });
  const empty = Buffer.from(await encrypter.encrypt(new Uint8Array()));
  return { header: empty.subarray(0, findHeaderEnd(empty)), fileKey };
}

/** The header is text up to its MAC line, `--- ` and base64. */
function findHeaderEnd(file: Buffer): number {
  const macLine = file.indexOf('\n--- ');
  const end = macLine < 0 ? -1 : file.indexOf('\n', macLine + 1);
  if (end < 0) throw new Error('it is no age file');
  return end + 1;
}

function derivePayloadKey(fileKey: Uint8Array, nonce: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32));
}

/** An 11-byte counter, and 1 for the last chunk. */
function chunkNonce(counter: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(counter, 7);
  nonce[11] = last ? 1 : 0;
  return nonce;
}
