import { archivingClasses, parseEndpoint, type S3Encryption, s3Addressings } from '../s3-settings.ts';
import { matching, oneOf, Problem, patterned } from './values.ts';

/* Parsers for inputs about storages. Each throws `Problem` and nothing else, as those of values.ts. */

export const parseS3Addressing = oneOf(s3Addressings);

export const parseRegion = matching(
  /^[a-z0-9-]+$/,
  'is not the name of a region',
  'Write it as in `eu-central-1` or `auto`.',
);

const s3Encryption = /^(?:AES256|aws:kms(?::[A-Za-z0-9:/_-]{1,2048})?)$/;

export const parseS3Encryption = patterned(s3Encryption, (text): S3Encryption => {
  if (text === 'AES256') return { algorithm: text };
  if (s3Encryption.test(text)) {
    const keyId = text.slice('aws:kms:'.length);
    return keyId === '' ? { algorithm: 'aws:kms' } : { algorithm: 'aws:kms', keyId };
  }
  throw new Problem(
    'is not an S3 encryption',
    'Write AES256, aws:kms, or aws:kms:KEY with the id or the ARN of the key.',
  );
});

const storageClass = new RegExp(`^(?!(?:${[...archivingClasses].join('|')})$)[A-Z][A-Z0-9_]{1,40}$`);

export const parseStorageClass = patterned(storageClass, (text): string => {
  if (archivingClasses.has(text)) {
    throw new Problem(
      `is ${text}, whose objects cannot be read immediately, so backups could not be validated or restored`,
      'Write GLACIER_IR or STANDARD_IA, whose objects can, or leave it out.',
    );
  }
  if (storageClass.test(text)) return text;
  throw new Problem('is not the name of a storage class', 'Write it as in STANDARD_IA.');
});

const artifactForm = 'artifact://[^":<>|*?\\\\/\\p{Cc}]{1,200}';
/** An address that holds no @, as credentials would; a folder may hold one. */
const placeForm = '(?!(?=[\\s\\S]*://)[\\s\\S]*@)(?:(?:s3://[^/]|file:///|\\.{0,2}/)[\\s\\S]*|\\.\\.?)';
const storage = new RegExp(`^(?:${artifactForm}|${placeForm})$`, 'iu');

/**
 * Checks only the form, and early. storage/open.ts knows the rules for names of buckets, and refuses a wrong
 * one before it contacts a server.
 */
export const parseStorage = patterned(storage, (text): string => {
  if (storage.test(text)) return text;
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
  throw new Problem(
    'is neither a folder nor an S3 location nor an artifact',
    'Write a folder that starts with ./ or /, such as ./backups, s3://bucket/prefix, or artifact://name.',
  );
});

/** Narrower than a URL: a name or an address of a host, a port, and a path */
const endpointForm = [
  '[hH][tT][tT][pP][sS]?://',
  '(?:(?:[A-Za-z0-9_-]+\\.)*[A-Za-z_][A-Za-z0-9_-]*|(?:\\d{1,2}\\.|1\\d\\d\\.|2[0-4]\\d\\.){3}(?:\\d{1,2}|1\\d\\d|2[0-4]\\d)|\\[[0-9A-Fa-f:]+\\])',
  '(?::(?:[1-5]?\\d{1,4}|6[0-4]\\d{3}))?(?:/[!-~]*)?',
].join('');
const endpoint = new RegExp(`^${endpointForm}$`);

/** The form only, as of `storage`. */
export const checkEndpoint = patterned(endpoint, (text): string => {
  const url = parseEndpoint(text);
  if (url === undefined || url.username !== '' || url.password !== '') {
    throw new Problem('is not the address of an S3 service', 'Write it as in https://s3.example.com.');
  }
  return text;
});
