import { randomBytes } from 'node:crypto';
import {
  Decrypter,
  Encrypter,
  generateHybridIdentity,
  generateX25519Identity,
  identityToRecipient,
} from 'age-encryption';
import { describe, expect, it } from 'vitest';
import { decryptAge, encryptAge } from '../../../src/repository/objects/age.ts';

/* Compared with the age library, which writes and reads whole files of its own; codec.test.ts asks the age command line. */

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
const other = await identityToRecipient(await generateX25519Identity());

function openDecrypter(): Decrypter {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return decrypter;
}

const chunk = 65_536;

it('is read for as many recipients as it was written for, of the longest kind, too', async () => {
  const hybrid = await generateHybridIdentity();
  const recipients = [await identityToRecipient(hybrid), recipient, ...Array<string>(20).fill(other)];
  const file = await encryptAge(recipients, randomBytes(10));
  expect(await decryptAge(openDecrypter(), file, recipients.length)).toHaveLength(10);
  const only = await encryptAge([await identityToRecipient(hybrid)], randomBytes(10));
  const decrypter = new Decrypter();
  decrypter.addIdentity(hybrid);
  expect(await decryptAge(decrypter, only, 1)).toHaveLength(10);
});

describe.each([0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 5 * chunk + 17])('%i bytes', (size) => {
  const plaintext = randomBytes(size);

  it('are read by the library', async () => {
    const file = await encryptAge([other, recipient], plaintext);
    expect(Buffer.from(await openDecrypter().decrypt(file)).equals(plaintext)).toBe(true);
  });

  it('are read when the library wrote them', async () => {
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    const file = await encrypter.encrypt(plaintext);
    expect((await decryptAge(openDecrypter(), file)).equals(plaintext)).toBe(true);
  });

  it('never make the same file twice', async () => {
    const [one, two] = [await encryptAge([recipient], plaintext), await encryptAge([recipient], plaintext)];
    expect(one.equals(two)).toBe(false);
  });

  it('are refused when the file was cut anywhere, or a bit of it was turned', async () => {
    const file = await encryptAge([recipient], plaintext);
    const cuts = [
      0,
      1,
      40,
      file.length - 1,
      file.length - 16,
      file.length - chunk - 16,
      file.length - 2 * (chunk + 16),
    ];
    for (const end of cuts.filter((at) => at >= 0 && at < file.length)) {
      await expect(decryptAge(openDecrypter(), file.subarray(0, end)), `cut at ${end}`).rejects.toThrow();
    }
    for (const at of [30, file.length - 40, file.length - 1].filter((place) => place >= 0)) {
      const turned = Buffer.from(file);
      turned.writeUInt8(turned.readUInt8(at) ^ 1, at);
      await expect(decryptAge(openDecrypter(), turned), `turned at ${at}`).rejects.toThrow();
    }
  });
});

it('a file for somebody else is refused', async () => {
  await expect(decryptAge(openDecrypter(), await encryptAge([other], Buffer.from('x')))).rejects.toThrow(
    /no identity matched/,
  );
});
