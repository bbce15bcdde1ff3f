import { archivingClasses, parseEndpoint, type S3Encryption, s3Addressings } from '../s3-settings.ts';
import { matching, oneOf, Problem } from './values.ts';

/* Parsers for inputs about storages. Each throws `Problem` and nothing else, as those of values.ts. */

export const parseS3Addressing = oneOf(s3Addressings);

export const parseRegion = matching(
  /^[a-z0-9-]+$/,
  'is not the name of a region',
  'Write it as in `eu-central-1` or `auto`.',
);

export function parseS3Encryption(text: string): S3Encryption {
  if (text === 'AES256' || text === 'aws:kms') return { algorithm: text };
  const [, keyId] = /^aws:kms:([A-Za-z0-9:/_-]{1,2048})$/.exec(text) ?? [];
  if (keyId !== undefined) return { algorithm: 'aws:kms', keyId };
  throw new Problem(
    'is not an S3 encryption',
    'Write AES256, aws:kms, or aws:kms:KEY with the id or the ARN of the key.',
  );
}

export function parseStorageClass(text: string): string {
  if (archivingClasses.has(text)) {
    throw new Problem(
      `is ${text}, whose objects cannot be read immediately, so backups could not be validated or restored`,
      'Write GLACIER_IR or STANDARD_IA, whose objects can, or leave it out.',
    );
  }
  if (/^[A-Z][A-Z0-9_]{1,40}$/.test(text)) return text;
  throw new Problem('is not the name of a storage class', 'Write it as in STANDARD_IA.');
}

/**
 * Checks only the form, and early. storage/open.ts knows the rules for names of buckets, and refuses a wrong
 * one before it contacts a server.
 */
export function parseStorage(text: string): string {
  if (/^artifact:\/\/[^":<>|*?\\/\p{Cc}]{1,200}$/iu.test(text)) return text;
  if (/^artifact:/i.test(text)) {
    throw new Problem(
      'has an invalid artifact name',
      'Write artifact://name, without any of " : < > | * ? \\ and / in the name, at most 200 characters.',
    );
  }
  if (text.includes('://') && text.includes('@')) {
    throw new Problem(
      'must not contain credentials',
      'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead.',
    );
  }
  if (/^(s3:\/\/[^/]|file:\/\/\/|\.{0,2}\/|\.\.?$)/i.test(text)) return text;
  throw new Problem(
    'is neither a folder nor an S3 location nor an artifact',
    'Write a folder that starts with ./ or /, such as ./backups, s3://bucket/prefix, or artifact://name.',
  );
}

/** The form only, as of `storage`. */
export function checkEndpoint(text: string): string {
  const url = parseEndpoint(text);
  if (url === undefined || url.username !== '' || url.password !== '') {
    throw new Problem('is not the address of an S3 service', 'Write it as in https://s3.example.com.');
  }
  return text;
}
