import { describe, expect, test } from 'vitest';
import { listSecrets } from '../../../src/entry/process/secrets.ts';
import { parseCopies } from '../../../src/interface/inputs/copies-values.ts';
import { parseInputs } from '../../../src/interface/inputs/parse.ts';
import type { InputName } from '../../../src/interface/inputs/schema.ts';
import { Problem } from '../../../src/interface/inputs/values.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';

type Given = Partial<Record<InputName, string>>;

const key = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYcopies';
const full = `
- name: Frankfurt
  storage: s3://second/production
  endpoint: https://s3.example.com
  region: eu-central-1
  addressing: path
  sse: AES256
  storage-class: STANDARD_IA
  access-key-id: AKIASECOND
  secret-access-key: ${key}
  session-token: "token: with a colon"
- ./disk   # at home
- storage: s3://third
  region:
`;

function problemOf(text: string): string {
  try {
    parseCopies(text);
  } catch (error) {
    if (error instanceof Problem) return error.message;
    throw error;
  }
  throw new Error('was accepted');
}

const mirror = (given: Given, env: NodeJS.ProcessEnv = {}) => {
  const all: Given = { operation: 'mirror', storage: 's3://first/production', ...given };
  return parseInputs((name) => all[name], env);
};
const refusalOf = (given: Given, env?: NodeJS.ProcessEnv): string => {
  try {
    mirror(given, env);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  throw new Error('was accepted');
};

describe('copies are read', () => {
  test('from a YAML list, each with settings and credentials of its own', () => {
    expect(parseCopies(full)).toEqual([
      {
        name: 'Frankfurt',
        storage: 's3://second/production',
        s3Endpoint: 'https://s3.example.com',
        s3Region: 'eu-central-1',
        s3Addressing: 'path',
        s3Sse: { algorithm: 'AES256' },
        s3StorageClass: 'STANDARD_IA',
        s3Credentials: {
          accessKeyId: 'AKIASECOND',
          secretAccessKey: key,
          sessionToken: 'token: with a colon',
        },
      },
      expect.objectContaining({ name: './disk', storage: './disk', s3Credentials: undefined }),
      expect.objectContaining({ name: 's3://third', s3Region: undefined, s3Addressing: 'auto' }),
    ]);
  });

  test.each([
    ['s3://a/b', ['s3://a/b']],
    ['s3://a/b\n./c\r\n# a comment\n/mnt/d', ['s3://a/b', './c', '/mnt/d']],
    ['- s3://a/b\n- ./c', ['s3://a/b', './c']],
    ['[s3://a/b, ./c]', ['s3://a/b', './c']],
    ['[{storage: s3://a/b}]', ['s3://a/b']],
  ])('from %j', (text, storages) => {
    expect(parseCopies(text).map(({ storage }) => storage)).toEqual(storages);
  });

  test('with digits as they are written', () => {
    const text = '- storage: s3://a\n  access-key-id: 0012\n  secret-access-key: 1e3';
    expect(parseCopies(text)[0]?.s3Credentials).toMatchObject({
      accessKeyId: '0012',
      secretAccessKey: '1e3',
    });
  });
});

describe('what is wrong is refused by the entry and the field', () => {
  test.each([
    ['storage: s3://a', 'is no list'],
    ['# nothing', 'names no storage'],
    ['- storage: s3://a\n  secret-access-key: "x', 'is not valid YAML from line 2 on'],
    ['- s3://a\n- name: b', 'entry 2: storage is missing'],
    ['- storage: s3://a\n  bucket: b', 'entry 1: bucket is not a field of a copy'],
    ['- storage: s3://a\n  s3-endpoint: https://b', 'entry 1: s3-endpoint is not a field of a copy'],
    ['- storage: [a]', 'entry 1: storage is not text'],
    ['- [a]', 'entry 1 is neither an address nor a list of fields'],
    ['backups', 'entry 1: storage is neither a folder nor an S3 location nor an artifact'],
    ['artifact://copy', 'entry 1: storage is an artifact, which cannot hold a copy'],
    ['- storage: s3://a\n  endpoint: minio:9000', 'entry 1: endpoint is not the address of an S3 service'],
    ['- storage: s3://a\n  region: Frankfurt', 'entry 1: region is not the name of a region'],
    ['- storage: s3://a\n  addressing: host', 'entry 1: addressing cannot be "host"'],
    ['- storage: s3://a\n  storage-class: GLACIER', /^entry 1: storage-class is GLACIER, whose objects/],
    ['- storage: s3://a\n  sse: yes', 'entry 1: sse is not an S3 encryption'],
    ['- storage: ./a\n  region: eu', 'entry 1: region is only for s3://, but its storage is a folder'],
    [
      `- storage: s3://a\n  secret-access-key: ${key}`,
      /^entry 1: access-key-id is missing, but there is secret-/,
    ],
    [
      '- storage: s3://a\n  access-key-id: A',
      /^entry 1: secret-access-key is missing, but there is access-key-id/,
    ],
    [
      '- {name: x, storage: s3://a}\n- {name: x, storage: s3://b}',
      'entry 2: another entry has the same name',
    ],
    [Array(9).fill('./a').join('\n'), 'has 9 entries'],
  ])('%j: %s', (text, message) => {
    expect(problemOf(text)).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
  });

  test('and no message quotes a secret', () => {
    for (const text of [`- storage: s3://a\n  ${key}: b`, `- storage: s3://a\n  session-token: [${key}]`])
      expect(problemOf(text)).not.toContain(key);
  });

  test('mirror and repair need copies; backup does not', () => {
    expect(refusalOf({})).toBe('copies: is required for mirror');
    expect(refusalOf({ operation: 'repair' })).toBe('copies: is required for repair');
    const backup = { operation: 'backup', 'database-url': 'postgresql://u:p@h/d' };
    expect(mirror(backup)).toMatchObject({ copies: [] });
  });
});

describe('a copy in the same place is refused', () => {
  test.each<[string, string, string]>([
    ['s3://first/production', 's3://first/production', 'entry 1 is the same place as storage'],
    ['s3://first/production', 's3://first/production/', 'entry 1 is the same place as storage'],
    ['s3://first', 's3://first/copy', 'entry 1 lies inside of storage'],
    ['s3://first/a/b', 's3://first/a', 'storage lies inside of entry 1'],
    ['./backups', `file://${process.cwd()}/backups`, 'entry 1 is the same place as storage'],
    ['./backups', './x/../backups/copy', 'entry 1 lies inside of storage'],
    ['./backups', './copy\n./copy', 'entry 2 is the same place as entry 1'],
  ])('%s and %s', (storage, copies, message) => {
    expect(refusalOf({ storage, copies })).toBe(`copies: ${message}`);
  });

  test.each<[string, string]>([
    ['s3://first/production', 's3://first/production2'],
    ['./backups', './backups2'],
    ['s3://first/production', '- {storage: s3://first/production, endpoint: https://s3.example.com}'],
  ])('%s and %s are two', (storage, copies) => {
    expect(mirror({ storage, copies })).toMatchObject({ copies: [{}] });
  });

  test('by the endpoint of the environment, too', () => {
    const copies = '- {storage: s3://first/production, endpoint: https://s3.example.com}';
    const env = { AWS_ENDPOINT_URL_S3: 'https://s3.example.com/' };
    expect(refusalOf({ copies }, env)).toBe('copies: entry 1 is the same place as storage');
    expect(mirror({ copies: 's3://second' }, env)).toMatchObject({
      copies: [{ s3Endpoint: 'https://s3.example.com/' }],
    });
  });

  test('and so is one beside an artifact', () => {
    expect(refusalOf({ storage: 'artifact://a', copies: './copy' })).toMatch(
      'copies: cannot be used with an artifact',
    );
  });
});

describe('credentials are masked', () => {
  const secretsOf = (copies: string) => listSecrets((name) => (name === 'copies' ? copies : undefined), {});

  test('those of each entry, and nothing else of the input', () => {
    expect(secretsOf(full)).toEqual(expect.arrayContaining([key, 'token: with a colon']));
    for (const secret of secretsOf(full)) expect(secret).not.toMatch(/second|disk/);
    expect(secretsOf('s3://a/b\n./c')).toEqual([]);
  });

  test.each([
    `- storage: s3://a\n  secret-access-key: "${key}`,
    `- storage: s3://a\n\tsecret-access-key: ${key} # mine`,
    `secret-access-key: '${key}'`,
    `[{"storage": "s3://a", "secret-access-key": "${key}"}]`,
  ])('also where the input is no YAML: %j', (copies) => {
    expect(secretsOf(copies).some((secret) => secret === key || secret === `"${key}`)).toBe(true);
  });
});
