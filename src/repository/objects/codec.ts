import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { Decrypter } from 'age-encryption';
import { ConfigurationError, IntegrityError, messageOf } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { decryptAge, encryptAge } from './age.ts';

const compress = promisify(zlib.zstdCompress);
const decompress = promisify(zlib.zstdDecompress);

/** Encodes plaintext into stored bytes: zstd, then age if there are recipients, in one call per object. */
export type Encode = (plaintext: Buffer) => Promise<Uint8Array>;

/** @param level zstd compression level, 1 to 19 */
export function createEncoder(recipients: readonly string[], level: number): Encode {
  return async (plaintext) => {
    const compressed = await compress(plaintext, {
      // One output chunk for most objects: each further chunk is a trip through the event loop.
      chunkSize: Math.max(65_536, plaintext.length >> 2),
      params: {
        [zlib.constants.ZSTD_c_compressionLevel]: level,
        [zlib.constants.ZSTD_c_checksumFlag]: 1,
      },
      pledgedSrcSize: plaintext.length,
    });
    return recipients.length === 0 ? compressed : encryptAge(recipients, compressed);
  };
}

export type Encryption = 'none' | 'age';

/** Decodes stored bytes into plaintext of a known length, and never into more, whatever the bytes say. */
export type Decode = (stored: Uint8Array, bytes: number) => Promise<Buffer>;

/**
 * @param recipients the number of recipients of the backup
 * @throws ConfigurationError when the backup is encrypted and no identity was given
 * @throws IntegrityError from the returned function, when the bytes are not what was stored
 */
export function createDecoder(
  encryption: Encryption,
  identities: readonly string[],
  recipients?: number,
): Decode {
  if (encryption === 'age' && identities.length === 0) {
    throw new ConfigurationError(
      say`${nameInput('encryption-identity')}: this backup is encrypted and no identity was given`,
      'Give the age identity (AGE-SECRET-KEY-1…) that belongs to one of the recipients it was encrypted for.',
    );
  }
  const decrypter = encryption === 'none' ? undefined : new Decrypter();
  for (const identity of identities) decrypter?.addIdentity(identity);
  return async (stored, bytes) => {
    const compressed = decrypter === undefined ? stored : await decrypt(decrypter, stored, recipients);
    try {
      const plaintext = await decompress(compressed, {
        chunkSize: Math.max(65_536, bytes + 1),
        maxOutputLength: Math.max(1, bytes),
      });
      if (plaintext.length !== bytes) throw new Error(`${plaintext.length} bytes instead of ${bytes}`);
      return plaintext;
    } catch (cause) {
      throw new IntegrityError(`it does not decompress: ${messageOf(cause)}`, 'Use another backup.', cause);
    }
  };
}

async function decrypt(decrypter: Decrypter, stored: Uint8Array, recipients?: number): Promise<Uint8Array> {
  try {
    return await decryptAge(decrypter, stored, recipients);
  } catch (cause) {
    if (/no identity matched/.test(messageOf(cause))) {
      throw new ConfigurationError(
        say`${nameInput('encryption-identity')}: the identity given does not belong to any recipient of this backup`,
        'Give the identity that belongs to a recipient in the manifest.',
        cause,
      );
    }
    throw new IntegrityError(`it does not decrypt: ${messageOf(cause)}`, 'Use another backup.', cause);
  }
}
