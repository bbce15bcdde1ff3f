import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { Decrypter, Encrypter } from 'age-encryption';
import { messageOf } from '../../runtime/errors.ts';
import { Problem, patterned, patternOfList, splitList } from './values.ts';

/*
 * Parsers for recipients, identities and certificates, and for the files that hold them. Each throws
 * `Problem` and nothing else, as those of values.ts.
 */

/** Kinds of recipients that age-encryption takes, in Bech32, whose checksum a pattern cannot compute */
const recipientPattern = /^age1(?:[02-9ac-hj-np-z]{58}|(?:pq|tag|tagpq)1[02-9ac-hj-np-z]{40,4000})$/;

export const parseRecipients = patterned(patternOfList(recipientPattern), (text): readonly string[] =>
  splitList(text).map((recipient) => {
    // A user who pastes the wrong half of a key pair must not see it in a log.
    if (/AGE-SECRET-KEY-/i.test(recipient)) {
      throw new Problem(
        'contains an identity, which is the secret key',
        'Write the recipient that starts with age1; `age-keygen -y` prints it. Replace that identity if it was logged.',
      );
    }
    try {
      new Encrypter().addRecipient(recipient);
      return recipient;
    } catch (error) {
      throw new Problem(
        `${JSON.stringify(recipient)} is not an age recipient (${messageOf(error)})`,
        'Write what `age-keygen -y` prints; it starts with age1.',
      );
    }
  }),
);

export function parseIdentities(text: string): readonly string[] {
  const lines = identityLines(text);
  if (lines.length === 0) {
    throw new Problem(
      'is neither an age identity nor a file with one',
      'Write the text of the file that `age-keygen` created, or the path of a readable file.',
    );
  }
  for (const [index, line] of lines.entries()) {
    try {
      new Decrypter().addIdentity(line);
    } catch {
      // The library's message quotes the identity, so neither it nor the error as a cause is passed on.
      throw new Problem(
        `has a line that is not a valid age identity: number ${index + 1} of ${lines.length} without comments`,
        'Copy it again, with complete lines, from the file that `age-keygen` created.',
      );
    }
  }
  return lines;
}

/** The lines of a text with identities, or of the file that it names, without comments and empty lines. */
export function identityLines(text: string): readonly string[] {
  const content = text.includes('AGE-SECRET-KEY-') ? text : readIfPossible(text);
  return content
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function readIfPossible(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

export function parseFolder(path: string): string {
  if (isFolder(path)) return path;
  throw new Problem(`is not a folder: ${JSON.stringify(path)}`, 'Write the path of an existing folder.');
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/**
 * The path of a file with certificates, or the certificates in PEM form: a job without a checkout has no file
 * of its repository.
 */
export function parseCertificates(text: string): string {
  parsePem(text.includes('-----BEGIN') ? text : readFile(text));
  return text;
}

const pem = /^[\s\S]*-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----[\s\S]*$/;

export const parsePem = patterned(pem, (given): void => {
  const remedy =
    'Give the CA certificate in PEM format. Supabase offers it for download under Database settings.';
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(given)) throw new Problem('contains a private key', remedy);
  const blocks = given.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
  if (blocks.length === 0 || !blocks.every(isCertificate)) throw new Problem('is not a certificate', remedy);
});

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    // OpenSSL's message about unreadable text would not help a user.
    return false;
  }
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Problem(`cannot be read: ${JSON.stringify(path)}`, 'Write the path of a readable file.');
  }
}
