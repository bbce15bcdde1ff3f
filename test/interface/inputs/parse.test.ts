import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, describe, expect, test } from 'vitest';
import { listSecrets } from '../../../src/entry/process/secrets.ts';
import { parseAlarms } from '../../../src/interface/inputs/alarms.ts';
import { operations } from '../../../src/interface/inputs/operations.ts';
import { findUnused, parseInputs } from '../../../src/interface/inputs/parse.ts';
import { type InputName, inputNames, inputs } from '../../../src/interface/inputs/schema.ts';
import type { CleanupInputs, DrillInputs } from '../../../src/interface/inputs/types.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';

type Given = Partial<Record<InputName, string>>;

const url = 'postgresql://postgres.ref:s3cret@db.example.com:5432/postgres';
const identity = await generateIdentity();
const recipient = await identityToRecipient(identity);
const folder = mkdtempSync(join(tmpdir(), 'inputs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const backup: Given = { operation: 'backup', storage: './backups', 'database-url': url };
const capture: Given = { ...backup, operation: 'capture' };
const validate: Given = { operation: 'validate', storage: './backups' };
const cleanup: Given = { operation: 'cleanup', storage: './backups' };
const drill: Given = { operation: 'drill', storage: './backups', 'target-url': url };
const restore: Given = { operation: 'restore', storage: './backups', 'target-url': url };

const parse = (given: Given, env: NodeJS.ProcessEnv = {}) => {
  parseAlarms((name) => given[name]);
  return parseInputs((name) => given[name], env);
};
const gate: Given = { ...backup, operation: 'gate' };
const status: Given = { operation: 'status', storage: './backups' };
const report: Given = { operation: 'report', storage: './backups' };
const schedule: Given = { operation: 'schedule' };
const init: Given = { operation: 'init' };
const mailing: Given = { ...backup, 'mail-from': 'a@example.com', 'mail-to': 'b@example.com' };
const doctor: Given = { operation: 'doctor', 'database-url': url };
const records: Given = { operation: 'records', storage: './backups', 'records-url': url };
const project = 'abcdefghijklmnopqrst';
const managed: Given = { operation: 'managed', 'supabase-access-token': 'sbp_x', 'project-ref': project };
const back: Given = {
  ...{ ...managed, operation: 'restore', managed: 'true', storage: './backups' },
  'recovery-target-time': '2026-11-20T14:30:00Z',
};
const alarm: Given = { operation: 'alarm', storage: './backups', 'alarm-of': 'drill', needs: '{}' };

function refusalOf(given: Given, env: NodeJS.ProcessEnv = {}): ConfigurationError {
  try {
    parse(given, env);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('what is accepted', () => {
  test("the platform is asked with the token and the project that are given, or that the environment and the database's address tell", () => {
    const management = { accessToken: 'sbp_x', projectRef: project, apiUrl: 'https://api.supabase.com' };
    expect(parse(managed)).toMatchObject({ management, storage: undefined, maxAge: 26 * 3_600_000 });
    const direct = `postgresql://postgres:s3cret@db.${project}.supabase.co:5432/postgres`;
    const pooled = `postgresql://postgres.${project}:s3cret@aws-0-eu-central-1.pooler.supabase.com:5432/postgres`;
    const env = { SUPABASE_ACCESS_TOKEN: 'sbp_x' };
    for (const address of [direct, pooled]) {
      expect(parse({ operation: 'managed', 'database-url': address }, env)).toMatchObject({ management });
      expect(parse({ ...status, 'database-url': address }, env)).toMatchObject({ management });
      expect(parse({ ...back, 'project-ref': '', 'target-url': address }, env)).toMatchObject({ management });
    }
    expect(parse(status, env)).toMatchObject({ management: undefined });
    expect(parse({ ...status, 'project-ref': project })).toMatchObject({ management: undefined });
    expect(parse({ ...report, 'project-ref': project }, env)).toMatchObject({ management });
    expect(parse(managed, { SUPABASE_ACCESS_TOKEN: 'sbp_other' })).toMatchObject({ management });
    expect(listSecrets((name) => managed[name], env)).toContain('sbp_x');
  });

  test('with a policy the project may be named there, so that a token alone is enough; without one it is not', () => {
    const token = { 'supabase-access-token': 'sbp_x' };
    const access = { accessToken: 'sbp_x', isTokenGiven: true, projectRef: undefined };
    const ofPolicy = { policy: 'policy.yml', ...token };
    for (const given of [
      { ...status, ...ofPolicy },
      { operation: 'report', ...ofPolicy },
      { operation: 'report', kind: 'managed', ...ofPolicy },
      { operation: 'doctor', ...ofPolicy },
    ])
      expect(parse(given)).toMatchObject({ management: undefined, managementAccess: access });
    for (const given of [status, report, doctor])
      expect(refusalOf({ ...given, ...token }).message).toBe(
        'project-ref: is required with supabase-access-token',
      );
    expect(parse({ operation: 'doctor', 'project-ref': project, ...token })).toMatchObject({
      management: { projectRef: project },
    });
  });

  test("Vault's root key is asked for where token and project are known, and never required", () => {
    const vaultKey = { accessToken: 'sbp_x', projectRef: project, apiUrl: 'https://api.supabase.com' };
    const env = { SUPABASE_ACCESS_TOKEN: 'sbp_x' };
    const direct = `postgresql://postgres:s3cret@db.${project}.supabase.co:5432/postgres`;
    for (const operation of ['backup', 'capture', 'gate']) {
      const given = { ...backup, operation, 'database-url': direct };
      expect(parse(given, env)).toMatchObject({ vaultKey });
      expect(parse({ ...given, 'vault-key': 'false' }, env)).toMatchObject({ vaultKey: undefined });
      expect(parse(given)).toMatchObject({ vaultKey: undefined });
    }
    expect(parse({ ...backup, 'supabase-access-token': 'sbp_x' })).toMatchObject({ vaultKey: undefined });
    expect(parse({ ...backup, 'project-ref': project }, env)).toMatchObject({ vaultKey });
    const restore = { operation: 'restore', storage: './a', 'target-url': direct };
    expect(parse(restore, env)).toMatchObject({ vaultKey });
  });

  test('a restore by the platform needs no database, but a storage, in which it is noted what was asked', () => {
    expect(parse(back)).toMatchObject({
      ...{ managed: true, storage: './backups', targetUrl: undefined, confirmed: false },
      ...{ recoveryTargetTime: '2026-11-20T14:30:00.000000Z', waitAtMost: 5 * 3_600_000 },
    });
    expect(parse(restore)).toMatchObject({ managed: false });
    expect(refusalOf({ ...back, managed: 'false' }).message).toContain('target-url: is required for restore');
    for (const dryRun of ['true', 'false'])
      expect(refusalOf({ ...back, storage: '', 'dry-run': dryRun }).message).toMatch(
        /^storage: is required for restore with managed: .* a second run does not send it again$/,
      );
  });

  test('a backup with nothing but the necessary has the documented defaults', () => {
    expect(parse(backup)).toEqual({
      operation: 'backup',
      storage: './backups',
      s3Endpoint: undefined,
      s3Region: undefined,
      s3Addressing: 'auto',
      s3Sse: undefined,
      s3StorageClass: undefined,
      repositoryKey: undefined,
      encryptionIdentity: [],
      clientPath: undefined,
      installClient: 'auto',
      artifactRetentionDays: undefined,
      githubToken: undefined,
      allowUnencrypted: false,
      checks: [],
      freshness: [],
      databaseUrl: url,
      backupType: 'full',
      copies: [],
      label: null,
      pin: false,
      include: [],
      exclude: [],
      encryptionRecipients: [],
      compressionLevel: 2,
      jobs: 4,
      lockTimeoutSeconds: 30,
      recheck: 0.01,
      rollbackToken: false,
      sslrootcert: undefined,
    });
  });

  test('the default backup-id is all for validate and latest for restore', () => {
    expect(parse(validate)).toMatchObject({ backupId: 'all', share: 1 });
    expect(parse(restore)).toMatchObject({
      backupId: 'latest',
      verify: 'content',
      dryRun: false,
      targetUrl: url,
    });
  });

  test('a cleanup keeps 7 days, 5 weeks and 12 months, and removes nothing within a day', () => {
    expect(parse(cleanup)).toMatchObject({
      retention: { last: 0, hourly: 0, daily: 7, weekly: 5, monthly: 12, yearly: 0, within: 0, verified: 3 },
      timeZone: 'UTC',
      gracePeriod: 86_400_000,
      dryRun: false,
    });
  });

  test('checks are the lines that are no comments', () => {
    const { checks } = parse({
      ...drill,
      checks: '-- rows\nSELECT true\n\n# more\n  select 1 = 1',
    }) as DrillInputs;
    expect(checks).toEqual(['SELECT true', 'select 1 = 1']);
    expect(parse({ ...drill, 'backup-id': 'random:7d', 'rto-target': '30m' })).toMatchObject({
      backupId: `random:${7 * 86_400_000}`,
      rtoTarget: 1_800_000,
      fallback: 3,
      checks: [],
      command: undefined,
    });
  });

  test('where the records are is told to every operation whose runs are recorded, and records alone verifies', () => {
    for (const given of [backup, capture, validate, restore, drill, cleanup, gate, schedule])
      expect(parse({ ...given, 'records-url': url })).toMatchObject({ recordsUrl: url });
    expect(parse(backup)).toHaveProperty('recordsUrl', undefined);
    expect(parse(records)).toMatchObject({ recordsTask: 'verify', recordsUrl: url, dryRun: false });
    expect(parse({ ...records, 'records-task': 'rebuild' })).toMatchObject({ recordsTask: 'rebuild' });
    expect(listSecrets((name) => records[name], {})).toEqual(expect.arrayContaining([url, 's3cret']));
    expect(findUnused('list', (name) => records[name])).toEqual(['records-url']);
  });

  test('retention rules may be in any order and on lines of their own', () => {
    const { retention } = parse({
      ...cleanup,
      retention: 'yearly=3 within=36h,\nlast=2  hourly=24 verified=1',
    }) as CleanupInputs;
    expect(retention).toEqual({
      last: 2,
      hourly: 24,
      daily: 0,
      weekly: 0,
      monthly: 0,
      yearly: 3,
      within: 36 * 3_600_000,
      verified: 1,
    });
  });

  test('a status is told as text unless it is asked for otherwise', () => {
    expect(parse(status)).toMatchObject({
      maxAge: 26 * 3_600_000,
      format: 'text',
      metricsFile: undefined,
      database: undefined,
    });
    expect(parse(report)).toMatchObject({ kind: 'dashboard', isPublic: false, maxAge: 26 * 3_600_000 });
    expect(parse({ operation: 'report', policy: './p.yml', database: 'shop' })).toMatchObject({
      ...{ storage: undefined, policy: './p.yml', database: 'shop', output: undefined },
    });
    expect(parse({ ...status, 'price-per-gb-month': '0.023' })).toMatchObject({ pricePerGbMonth: 0.023 });
    expect(parse(status)).toMatchObject({ pricePerGbMonth: undefined });
    const given = { format: 'openmetrics', 'metrics-file': '/run/x.prom', database: 'shop' };
    expect(parse({ ...status, ...given })).toMatchObject({
      format: 'openmetrics',
      metricsFile: '/run/x.prom',
      database: 'shop',
    });
  });

  test('empty and blank texts are absent inputs', () => {
    expect(parse({ ...backup, label: '', jobs: '  ', include: '\n' })).toMatchObject({
      label: null,
      jobs: 4,
      include: [],
    });
  });

  test('lists are separated by commas and lines', () => {
    expect(parse({ ...backup, include: 'public.a, public.b\n\n auth.* ,*' })).toMatchObject({
      include: ['public.a', 'public.b', 'auth.*', '*'],
    });
  });

  test('without a database-url the variables of libpq will do', () => {
    expect(parse({ ...backup, 'database-url': '' }, { PGHOST: 'localhost' })).toMatchObject({
      databaseUrl: undefined,
    });
  });

  test.each([
    'postgres://u@h/db',
    'postgresql:///db?host=/run/postgresql',
    'postgresql://u:p@/db?host=/run/postgresql',
    'postgresql://u:p%40ss@[::1]:5433/db?sslmode=verify-full',
  ])('the URL %s', (text) => {
    expect(parse({ ...backup, 'database-url': text })).toMatchObject({ databaseUrl: text });
  });

  test.each(['./a', '../a', '/a', '.', 'file:///a', 's3://bucket', 's3://bucket/pre/fix/'])(
    'the storage %s',
    (text) => {
      expect(parse({ ...validate, storage: text })).toMatchObject({ storage: text });
    },
  );

  test.each([
    ['10%', 0.1],
    ['100%', 1],
    ['0.5 %', 0.005],
  ])('the share %s', (text, share) => {
    expect(parse({ ...validate, share: text })).toMatchObject({ share });
  });

  test('a time is handed on in UTC', () => {
    expect(parse({ ...restore, 'recovery-target-time': '2026-11-20 06:00:00.1234567+02:00' })).toMatchObject({
      backupId: 'latest',
      recoveryTargetTime: '2026-11-20T04:00:00.123456Z',
    });
    expect(parse({ ...restore, 'backup-id': 'before:2026-11-20T06:00:00+02:00' })).toMatchObject({
      backupId: 'before:2026-11-20T04:00:00.000Z',
    });
  });

  test('an identity comes from its text or from a file, with comments', () => {
    const text = `# created: today\n# public key: ${recipient}\n${identity}\n`;
    const file = join(folder, 'key.txt');
    writeFileSync(file, text);
    expect(parse({ ...validate, 'encryption-identity': text })).toMatchObject({
      encryptionIdentity: [identity],
    });
    expect(parse({ ...validate, 'encryption-identity': file })).toMatchObject({
      encryptionIdentity: [identity],
    });
  });

  test('recipients are checked and kept', () => {
    expect(parse({ ...backup, 'encryption-recipients': `${recipient}\n${recipient}` })).toMatchObject({
      encryptionRecipients: [recipient, recipient],
    });
  });
});

const refused: [Given, InputName, string][] = [
  [{ operation: '' }, 'operation', 'is required'],
  [{ operation: 'bakup' }, 'operation', 'there is none named "bakup"'],
  [{ ...backup, storage: '' }, 'storage', 'is required for backup'],
  [{ ...backup, storage: 'gs://bucket' }, 'storage', 'is neither a folder nor an S3 location'],
  [{ ...backup, storage: '~/backups' }, 'storage', 'is neither a folder'],
  [{ ...backup, storage: 's3:bucket' }, 'storage', 'is neither a folder'],
  [{ ...backup, storage: 's3://AKIA:s3cret@bucket' }, 'storage', 'must not contain credentials'],
  [{ ...backup, 's3-endpoint': 'r2.example.com' }, 's3-endpoint', 'is not the address of an S3 service'],
  [{ ...backup, 's3-endpoint': 'https://a:s3cret@r2.example.com' }, 's3-endpoint', 'is not the address'],
  [{ ...backup, copies: 'disk' }, 'copies', 'entry 1: storage is neither a folder'],
  [{ ...backup, 's3-region': 'eu central' }, 's3-region', 'is not the name of a region'],
  [{ ...backup, 's3-addressing': 'host' }, 's3-addressing', 'cannot be "host"'],
  [{ ...backup, 's3-sse': 'aws:kms:' }, 's3-sse', 'is not an S3 encryption'],
  [{ ...backup, 's3-storage-class': 'cold' }, 's3-storage-class', 'is not the name of a storage class'],
  [{ ...backup, 's3-storage-class': 'DEEP_ARCHIVE' }, 's3-storage-class', 'cannot be read immediately'],
  [{ ...backup, 'repository-key': 's3cret' }, 'repository-key', 'is not 64 hexadecimal digits'],
  [
    { ...backup, 'encryption-identity': 's3cret' },
    'encryption-identity',
    'is neither an age identity nor a file',
  ],
  [
    { ...backup, 'encryption-identity': 'AGE-SECRET-KEY-1s3cret' },
    'encryption-identity',
    'not a valid age identity',
  ],
  [{ ...backup, 'client-path': '/nowhere/bin' }, 'client-path', 'is not a folder: "/nowhere/bin"'],
  [{ ...backup, 'database-url': '' }, 'database-url', 'PGHOST is not set either'],
  [
    { ...backup, 'database-url': 'mysql://u:s3cret@h/db' },
    'database-url',
    'does not start with postgresql://',
  ],
  [{ ...backup, 'database-url': 'postgresql://u:s3cret#@h/db' }, 'database-url', 'is not a valid URL'],
  [{ ...backup, 'database-url': 'postgresql://u:s3cret%@h/db' }, 'database-url', 'is not a valid URL'],
  [{ ...backup, 'database-url': 'postgresql:///db' }, 'database-url', 'has no host'],
  [{ ...backup, 'database-url': 'postgresql://u:s3cret@h' }, 'database-url', 'has no database'],
  [{ ...backup, 'database-url': 'postgresql://u:p@ss#w/rd@h:5432/db' }, 'database-url', 'is not a valid URL'],
  [{ ...backup, 'database-url': 'postgresql://u:p@ss/w@h:5432/db' }, 'database-url', 'is not a valid URL'],
  [
    { ...backup, 'database-url': 'postgresql://u:[YOUR-PASSWORD]@h/db' },
    'database-url',
    'placeholder [YOUR-PASSWORD]',
  ],
  [{ ...backup, 'backup-type': 'weekly' }, 'backup-type', 'cannot be "weekly"'],
  [{ ...backup, label: 'a\nb' }, 'label', 'is not one line'],
  [{ ...backup, label: 'a'.repeat(201) }, 'label', 'at most 200 characters'],
  [{ ...backup, pin: 'yes' }, 'pin', 'cannot be "yes"'],
  [{ ...backup, include: 'users' }, 'include', 'cannot contain "users"'],
  [{ ...backup, exclude: '*.users' }, 'exclude', 'cannot contain "*.users"'],
  [
    { ...backup, 'encryption-recipients': 'age1nonsense' },
    'encryption-recipients',
    'is not an age recipient',
  ],
  [{ ...backup, 'encryption-recipients': identity }, 'encryption-recipients', 'contains an identity'],
  [{ ...backup, 'compression-level': '20' }, 'compression-level', 'cannot be "20"'],
  [{ ...backup, jobs: '0' }, 'jobs', 'cannot be "0"'],
  [{ ...backup, jobs: '2.5' }, 'jobs', 'cannot be "2.5"'],
  [{ ...backup, 'lock-timeout': 'soon' }, 'lock-timeout', 'cannot be "soon"'],
  [{ ...backup, sslrootcert: '/nowhere/ca.pem' }, 'sslrootcert', 'cannot be read: "/nowhere/ca.pem"'],
  [{ ...backup, sslrootcert: 'package.json' }, 'sslrootcert', 'is not a certificate'],
  [
    { ...backup, sslrootcert: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
    'sslrootcert',
    'is not a certificate',
  ],
  [
    { ...backup, sslrootcert: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----' },
    'sslrootcert',
    'contains a private key',
  ],
  [{ ...validate, 'backup-id': 'yesterday' }, 'backup-id', 'cannot be "yesterday"'],
  [{ ...validate, 'backup-id': 'before:2026-11-20' }, 'backup-id', 'cannot be before:<time> for validate'],
  [{ ...validate, share: '0%' }, 'share', 'cannot be "0%"'],
  [{ ...validate, share: '101%' }, 'share', 'cannot be "101%"'],
  [{ ...validate, share: '0.1' }, 'share', 'cannot be "0.1"'],
  [{ ...restore, 'target-url': '' }, 'target-url', 'is required for restore'],
  [{ ...restore, 'target-url': 'h/db' }, 'target-url', 'does not start with postgresql://'],
  [{ ...restore, 'backup-id': 'all' }, 'backup-id', 'cannot be all for restore'],
  [{ ...restore, 'backup-id': 'before:noon' }, 'backup-id', 'contains no time: "noon"'],
  [{ ...restore, 'backup-id': 'before:2026-11-20T06:00' }, 'backup-id', 'contains no time'],
  [{ ...restore, verify: 'all' }, 'verify', 'cannot be "all"'],
  [{ ...restore, 'dry-run': '1' }, 'dry-run', 'cannot be "1"'],
  [{ ...backup, recheck: '0%' }, 'recheck', 'cannot be "0%"'],
  [{ ...backup, 'rollback-token': 'on' }, 'rollback-token', 'cannot be "on"'],
  [{ ...cleanup, retention: 'daily' }, 'retention', 'cannot contain "daily"'],
  [{ ...cleanup, retention: 'fortnightly=2' }, 'retention', 'cannot contain "fortnightly=2"'],
  [{ ...cleanup, retention: 'daily=7 daily=8' }, 'retention', 'names daily twice'],
  [{ ...cleanup, retention: 'daily=-1' }, 'retention', 'cannot contain "daily=-1"'],
  [{ ...cleanup, retention: 'within=7' }, 'retention', 'cannot be "7"'],
  [{ ...cleanup, retention: 'daily=7 verified=0' }, 'retention', 'cannot have verified=0'],
  [{ ...cleanup, 'time-zone': 'Mars/Olympus' }, 'time-zone', 'is not a time zone: "Mars/Olympus"'],
  [{ ...cleanup, 'grace-period': '30m' }, 'grace-period', 'cannot be "30m"'],
  [{ ...cleanup, 'grace-period': '0h' }, 'grace-period', 'cannot be "0h"'],
  [{ ...cleanup, 'keep-changes': 'forever' }, 'keep-changes', 'cannot be "forever"'],
  [{ ...capture, 'unlimited-wal': 'yes' }, 'unlimited-wal', 'cannot be "yes"'],
  [{ ...capture, 'drop-slot': 'yes' }, 'drop-slot', 'cannot be "yes"'],
  [{ ...restore, 'recovery-target-time': 'now' }, 'recovery-target-time', 'is not a point in time: "now"'],
  [{ ...restore, 'recovery-target-time': '2026-11-20' }, 'recovery-target-time', 'is not a point in time'],
  [
    { ...drill, 'recovery-target-time': '2026-11-20T14:30:00' },
    'recovery-target-time',
    'is not a point in time',
  ],
  [
    { ...restore, 'backup-id': 'latest-verified', 'recovery-target-time': 'latest' },
    'backup-id',
    'cannot be latest-verified together with recovery-target-time',
  ],
  [{ ...cleanup, operation: 'pin' }, 'backup-id', 'is required for pin'],
  [{ ...drill, 'backup-id': 'random:soon' }, 'backup-id', 'cannot be "soon"'],
  [{ ...validate, 'backup-id': 'random:7d' }, 'backup-id', 'cannot be random:<interval> for validate'],
  [{ ...drill, fallback: 'all' }, 'fallback', 'cannot be "all"'],
  [{ ...drill, checks: '/nowhere/checks.sql' }, 'checks', 'is neither a SELECT nor a file that can be read'],
  [{ ...drill, checks: '-- nothing\n# yet' }, 'checks', 'contains no check'],
  [{ ...drill, command: 'x'.repeat(8001) }, 'command', 'has more than 8,000 characters'],
  [{ ...drill, 'rto-target': '30' }, 'rto-target', 'cannot be "30"'],
  [{ ...cleanup, operation: 'show', 'backup-id': 'all' }, 'backup-id', 'cannot be all for show'],
  [{ ...backup, freshness: 'orders.created_at' }, 'freshness', 'cannot contain "orders.created_at"'],
  [{ ...restore, 'target-kind': 'mysql' }, 'target-kind', 'cannot be "mysql"'],
  [{ ...restore, 'install-client': 'yes' }, 'install-client', 'cannot be "yes"'],
  [{ ...restore, 'default-privileges': 'wider' }, 'default-privileges', 'cannot be "wider"'],
  [{ ...restore, environment: 'a\nb' }, 'environment', 'is not a name'],
  [{ ...restore, confirm: 'restore production' }, 'confirm', 'is not the words that confirm it'],
  [{ ...restore, clean: 'yes' }, 'clean', 'cannot be "yes"'],
  [{ ...restore, 'safety-backup': 'yes' }, 'safety-backup', 'cannot be "yes"'],
  [{ ...restore, 'safety-storage': 'ftp://host/x' }, 'safety-storage', ''],
  [{ ...restore, image: 'evil/postgres:17' }, 'image', 'is not an image of postgres or of supabase/postgres'],
  [{ ...restore, 'staging-url': 'h/db' }, 'staging-url', 'does not start with postgresql://'],
  [{ ...restore, 'side-schema': 'a"b' }, 'side-schema', 'is not the name of a schema'],
  [{ ...restore, 'report-folder': 'a\0b' }, 'report-folder', 'is not a path'],
  [{ ...backup, 'allow-unencrypted': 'yes' }, 'allow-unencrypted', 'cannot be "yes"'],
  [{ ...backup, 'artifact-retention-days': '91' }, 'artifact-retention-days', 'cannot be "91"'],
  [{ ...gate, 'max-age': 'day' }, 'max-age', 'cannot be "day"'],
  [{ ...gate, 'verified-within': '8' }, 'verified-within', 'cannot be "8"'],
  [{ ...gate, 'drilled-within': 'never' }, 'drilled-within', 'cannot be "never"'],
  [{ ...gate, 'on-stale': 'warn' }, 'on-stale', 'cannot be "warn"'],
  [{ ...status, format: 'json' }, 'format', 'cannot be "json"'],
  [{ ...status, 'metrics-file': 'a\0b' }, 'metrics-file', 'is not a path'],
  [{ ...status, 'metrics-file': '-' }, 'metrics-file', 'is not a path'],
  [{ operation: 'report' }, 'storage', 'is required for report, unless policy is given'],
  [{ ...report, policy: './policy.yml' }, 'storage', 'cannot be given together with policy'],
  [{ ...report, kind: 'poster' }, 'kind', 'cannot be "poster"'],
  [{ ...report, output: 'a\0b' }, 'output', 'is not a path'],
  [{ ...report, output: '-' }, 'output', 'is not a path'],
  [{ ...report, period: 'autumn' }, 'period', 'cannot be "autumn"'],
  [{ ...report, kind: 'compliance', public: 'true' }, 'public', 'cannot be used for audit evidence'],
  [{ ...report, kind: 'runbook', public: 'true' }, 'public', 'cannot be used for a runbook'],
  [{ ...report, public: 'everybody' }, 'public', 'cannot be "everybody"'],
  [{ ...status, 'price-per-gb-month': '$0.02' }, 'price-per-gb-month', 'cannot be "$0.02"'],
  [{ ...status, 'price-per-gb-month': '1e9' }, 'price-per-gb-month', 'cannot be "1e9"'],
  [{ ...gate, migrations: 'a\0b' }, 'migrations', 'is not a path'],
  [{ ...gate, 'base-ref': '--output=x' }, 'base-ref', 'is not a git ref'],
  [{ ...gate, 'database-url': '' }, 'database-url', 'is required for gate'],
  [{ ...schedule, policy: 'a\0b' }, 'policy', 'is not a path'],
  [{ ...schedule, workflows: 'a\0b' }, 'workflows', 'is not a path'],
  [{ ...schedule, check: 'yes' }, 'check', 'cannot be "yes"'],
  [{ ...alarm, 'alarm-of': 'list' }, 'alarm-of', 'cannot be "list"'],
  [{ ...alarm, needs: 'success' }, 'needs', 'is not the result of `toJSON(needs)`'],
  [{ ...alarm, needs: '{"drill":"success"}' }, 'needs', 'is not the result of `toJSON(needs)`'],
  [{ ...alarm, needs: '' }, 'needs', 'is required for alarm'],
  [{ ...backup, 'github-token': 'a b' }, 'github-token', 'is not a token'],
  [{ ...backup, database: 'a\nb' }, 'database', 'is not one line'],
  [{ ...backup, 'failure-issues': 'yes' }, 'failure-issues', 'cannot be "yes"'],
  [{ ...backup, 'issue-labels': 'a'.repeat(51) }, 'issue-labels', 'at most 50 characters'],
  [{ ...backup, 'issue-assignees': 'mona lisa' }, 'issue-assignees', 'no name of a user'],
  [{ ...backup, 'issue-mentions': 'a/b/c' }, 'issue-mentions', 'no name of a user or a team'],
  [{ ...backup, 'notify-url': 'http://example.com/s3cret' }, 'notify-url', 'has the scheme http:'],
  [{ ...backup, 'slack-webhook-url': 'hooks/s3cret' }, 'slack-webhook-url', 'is not an address'],
  [{ ...backup, 'heartbeat-url': 'ftp://example.com/s3cret' }, 'heartbeat-url', 'has the scheme ftp:'],
  [{ ...backup, 'rpo-target': '1' }, 'rpo-target', 'cannot be "1"'],
  ...(
    [
      ['ntfy', 'https://ntfy.sh/', 'has no topic of ntfy'],
      ['ntfy', 'https://ntfy.sh/a/s3cret', 'has no topic of ntfy'],
      ['telegram', 'https://api.telegram.org/bots3cret/sendMessage', 'has no chat_id'],
      ['pagerduty', 'https://events.pagerduty.com/v2/enqueue', 'has no routing_key'],
    ] as const
  ).map(([format, address, message]): [Given, InputName, string] => [
    { ...backup, 'notify-format': format, 'notify-url': address },
    'notify-url',
    message,
  ]),
  [{ ...backup, 'notify-format': 'irc' }, 'notify-format', 'cannot be "irc"'],
  [{ ...backup, 'heartbeat-signals': 'start, log' }, 'heartbeat-signals', 'cannot be "log"'],
  [{ ...mailing, 'smtp-url': 'mail.example.com' }, 'smtp-url', 'is not the address of a mail server'],
  [{ ...mailing, 'smtp-url': 'https://u:s3cret@h' }, 'smtp-url', 'is not the address of a mail server'],
  [{ ...mailing, 'smtp-url': 'smtps://u:s3cret/x@h' }, 'smtp-url', 'is not the address of a mail server'],
  [{ ...mailing, 'smtp-url': 'smtps://u:pass@h?s3cret' }, 'smtp-url', 'contains a ? or a #'],
  [{ ...mailing, 'smtp-url': 'smtp://u:s3cret@h:25' }, 'smtp-url', 'has port 25'],
  [{ ...mailing, 'smtp-url': 'smtps://u:s3cret@h:25' }, 'smtp-url', 'has port 25'],
  [{ ...mailing, 'smtp-url': 'smtp://u:s3cret@h:465' }, 'smtp-url', 'has port 465 with smtp://'],
  [{ ...mailing, 'smtp-url': 'smtps://u:s3cret@h:587' }, 'smtp-url', 'has port 587 with smtps://'],
  [{ ...mailing, 'smtp-url': 'smtps://user@h' }, 'smtp-url', 'has a user without a password'],
  [
    { ...mailing, 'smtp-url': 'smtps://u:s3cret%@h' },
    'smtp-url',
    'a % that does not start a percent-encoded character',
  ],
  [{ ...mailing, 'smtp-url': 'smtps://u:s3cret%0d%0aX@h' }, 'smtp-url', 'has a control character'],
  [{ ...mailing, 'smtp-url': 'smtps://u:p@h', 'mail-from': '' }, 'mail-from', 'is required with mail-to'],
  [{ ...backup, 'mail-from': 'backups' }, 'mail-from', 'cannot be "backups"'],
  [
    { ...backup, 'mail-from': 'a\r\nBcc: b <a@example.com>' },
    'mail-from',
    'cannot be "a\\r\\nBcc: b <a@example.com>"',
  ],
  [{ ...backup, 'mail-to': 'ops@example.com, ops' }, 'mail-to', 'cannot contain "ops"'],
  [{ ...backup, 'mail-to': 'Ops <ops@example.com>' }, 'mail-to', 'that is not a mail address'],
  [{ ...init, databases: 'Shop' }, 'databases', 'cannot contain "Shop"'],
  [{ ...init, databases: 'all' }, 'databases', '`all` is taken'],
  [{ ...init, notify: 'pager' }, 'notify', 'cannot be "pager"'],
  [{ ...init, notify: 'none, issues' }, 'notify', 'cannot be none together with others'],
  [{ ...init, action: 'octo-org/supabase-backup@v1' }, 'action', 'with a commit of 40 hexadecimal digits'],
  [{ ...init, 'github-repository': 'shop' }, 'github-repository', 'is not OWNER/REPO'],
  [{ ...init, 'key-file': 'a\0b' }, 'key-file', 'is not a path'],
  [{ operation: 'keygen', 'recovery-sheet': 'a\nb' }, 'recovery-sheet', 'is not a path'],
  [{ ...status, digest: 'weekly' }, 'digest', 'cannot be "weekly"'],
  [
    { ...validate, 'records-url': 'mysql://u:s3cret@h/d' },
    'records-url',
    'does not start with postgresql://',
  ],
  [{ ...managed, 'supabase-access-token': '' }, 'supabase-access-token', 'SUPABASE_ACCESS_TOKEN is not set'],
  [{ ...managed, 'supabase-access-token': 'a s3cret' }, 'supabase-access-token', 'contains a space'],
  [{ ...managed, 'project-ref': 'shop' }, 'project-ref', 'is not the name of a project'],
  [
    { ...managed, 'project-ref': '', 'database-url': url },
    'project-ref',
    'does not lead to a hosted project',
  ],
  [{ ...managed, 'management-api-url': 'https://h/v1' }, 'management-api-url', 'is more than the root'],
  [{ ...managed, 'management-api-url': 'http://example.com' }, 'management-api-url', 'has the scheme http:'],
  [{ ...report, kind: 'managed' }, 'supabase-access-token', 'is required for report'],
  [{ ...report, kind: 'managed', public: 'true' }, 'public', 'cannot be used for a report'],
  [{ ...status, 'supabase-access-token': 'sbp_x' }, 'project-ref', 'is required with supabase-access-token'],
  [{ ...back, managed: 'yes' }, 'managed', 'cannot be "yes"'],
  [{ ...backup, 'vault-key': 'maybe' }, 'vault-key', 'cannot be "maybe"'],
  [{ ...back, 'wait-at-most': 'long' }, 'wait-at-most', 'cannot be "long"'],
  [{ ...back, 'recovery-target-time': '' }, 'recovery-target-time', 'is required with managed'],
  [{ ...back, 'recovery-target-time': 'latest' }, 'recovery-target-time', 'cannot be latest'],
  [
    { ...back, 'recovery-target-time': '2026-11-20T14:30:00.5Z' },
    'recovery-target-time',
    'has fractions of a second',
  ],
  [{ ...back, include: 'public.t' }, 'include', 'has no effect together with managed'],
  [{ ...back, storage: 'artifact://x' }, 'storage', 'cannot be an artifact together with managed'],
  [{ operation: 'records', storage: './backups' }, 'records-url', 'is required for records'],
  [{ ...records, 'records-task': 'mend' }, 'records-task', 'cannot be "mend"'],
  [
    { operation: 'doctor' },
    'database-url',
    'is not given, and neither is anything else that doctor could check',
  ],
  [{ operation: 'estimate' }, 'database-url', 'is required for estimate'],
  [{ ...doctor, 'read-only': 'yes' }, 'read-only', 'cannot be "yes"'],
  [{ ...doctor, 'test-alarm': 'yes' }, 'test-alarm', 'cannot be "yes"'],
  [{ ...doctor, 'test-alarm': 'true' }, 'test-alarm', 'has no channel to send to'],
];

describe('what is given to a look before the first backup', () => {
  test('doctor checks whichever is given: a database, a storage, keys, a policy or a channel', () => {
    const hook = 'https://example.com/hook';
    expect(parse(doctor)).toMatchObject({ hasDatabase: true, storage: undefined, channels: [] });
    expect(parse({ operation: 'doctor' }, { PGHOST: 'db' })).toMatchObject({ hasDatabase: true });
    expect(parse({ operation: 'doctor', storage: './backups' })).toMatchObject({ hasDatabase: false });
    for (const given of [{ policy: 'p.yml' }, { 'encryption-recipients': recipient }, { 'notify-url': hook }])
      expect(parse({ operation: 'doctor', ...given })).toMatchObject({ hasDatabase: false });
    expect(parse({ ...doctor, 'notify-url': hook, 'test-alarm': 'true' })).toMatchObject({
      ...{ channels: ['notify-url'], testAlarm: true, readOnly: false, lacksMailServer: false },
    });
    const mail = { 'mail-from': 'a@example.com', 'mail-to': 'b@example.com' };
    expect(parse({ ...doctor, ...mail })).toMatchObject({ channels: ['mail-to'], lacksMailServer: true });
  });

  test('estimate needs a database, and has a price', () => {
    expect(parse({ operation: 'estimate', 'database-url': url })).toMatchObject({
      ...{ databaseUrl: url, pricePerGbMonth: 0.023, policy: undefined },
    });
  });
});

describe('what is refused', () => {
  test.each(refused.map(([given, name, message]) => ({ given, name, message })))(
    '$name $message',
    ({ given, name, message }) => {
      const error = refusalOf(given);
      expect(error.message).toContain(`${name}: `);
      expect(error.message).toContain(message);
      expect(error.next).not.toBe('');
      expect(error.exitCode).toBe(2);
      expect(`${error.message} ${error.next}`).not.toContain('s3cret');
      expect(`${error.message} ${error.next}`).not.toContain(identity);
      expect(error.cause).toBeUndefined();
    },
  );

  test('every input has a way to be wrong in the table above', () => {
    expect(new Set(refused.map(([, name]) => name))).toEqual(new Set(inputNames));
  });

  test('all mistakes are told at once', () => {
    const { message } = refusalOf({ operation: 'restore', jobs: 'many', verify: 'yes' });
    expect(message).toMatch(/^4 inputs of restore are wrong\n/);
    for (const name of ['storage', 'target-url', 'jobs', 'verify']) expect(message).toContain(`- ${name}: `);
  });

  test('a misspelt operation is answered with the one that was meant', () => {
    expect(refusalOf({ operation: 'bakup' }).next).toMatch(/^Did you mean backup\? The operations are /);
    expect(refusalOf({ operation: 'postgresql://u:hunter2@h/d' }).message).not.toContain('hunter2');
  });

  test('a backup that can be none is quoted only where it is no secret', () => {
    const refuse = (id: string) => refusalOf({ operation: 'pin', storage: './b', 'backup-id': id });
    expect(refuse('lates')).toMatchObject({
      message: 'backup-id: cannot be "lates"',
      next: expect.stringContaining('Did you mean latest?'),
    });
    expect(refuse('postgresql://u:hunter2@h/d').message).toContain('26 characters, hidden');
  });

  test('an unknown operation is answered with the list of operations', () => {
    expect(refusalOf({ operation: 'frobnicate' }).next).toBe(
      'The operations are backup, capture, validate, restore, drill, cleanup, list, show, pin, unpin, gate, status, report, schedule, alarm, records, doctor, estimate, managed, mirror, repair, init or keygen.',
    );
  });
});

describe('inputs that an operation does not use', () => {
  test('are found', () => {
    expect(
      findUnused('backup', (name) => ({ ...backup, share: '10%', 'dry-run': 'true' })[name as string]),
    ).toEqual(['share', 'dry-run']);
  });

  test('do not count when they are at their default, which a runner always passes', () => {
    const defaults = (name: InputName) =>
      typeof inputs[name].default === 'string' ? inputs[name].default : '';
    for (const operation of operations) expect(findUnused(operation, defaults)).toEqual([]);
  });
});

describe('secrets', () => {
  const secretsOf = (given: Given, env: NodeJS.ProcessEnv = {}) => listSecrets((name) => given[name], env);

  test('are the URL and its password, encoded and decoded', () => {
    const secret = 'postgresql://postgres.ref:p%40ss%2Fword@h/db';
    expect(secretsOf({ 'database-url': secret })).toEqual([secret, 'p%40ss%2Fword', 'p@ss/word']);
  });

  test.each([
    ['HTTPS_PROXY', 'http://bob:s3%40cret@proxy:3128', ['s3%40cret', 's3@cret']],
    ['http_proxy', 'bob:s3cret@proxy:3128/', ['s3cret']],
    ['https_proxy', 'http://a-long-token@proxy:3128', ['a-long-token']],
    ['ALL_PROXY', 'socks5://bob:s3cret@proxy', ['s3cret']],
    ['HTTPS_PROXY', 'http://proxy:3128', []],
    ['NO_PROXY', 'user:of@example.com', []],
  ])('include what opens the proxy of %s=%s', (name, address, expected) => {
    expect(secretsOf({}, { [name]: address })).toEqual(expected);
  });

  test.each(['p@ss', 'p#ss', 'p%ss', 'p/ss:x@'])(
    'include the password %s of a URL that is no valid one',
    (password) => {
      expect(secretsOf({ 'target-url': `postgresql://u:${password}@h/db` })).toContain(password);
    },
  );

  test('include a password in the query of a URL', () => {
    expect(secretsOf({ 'database-url': 'postgresql://h/db?user=u&password=a%20b&x=y' })).toEqual(
      expect.arrayContaining(['a%20b', 'a b']),
    );
  });

  test.each([
    ["host=h user=u password='a b\\'c' dbname=x", "a b'c"],
    ['password=abcd host=h', 'abcd'],
    ['postgresql://u:abcd@h/x?sslpassword=of%20key', 'of key'],
  ])('include every password of %s', (url, password) => {
    expect(secretsOf({ 'database-url': url })).toContain(password);
  });

  test('do not include a password that is the name of the user', () => {
    const local = 'postgresql://postgres:postgres@localhost/postgres';
    expect(secretsOf({ 'database-url': local })).toEqual([local]);
  });

  test.each([
    'postgresql://supabase_admin:postgres@localhost/app',
    'postgresql://supabase_admin:throwaway@localhost:49153/postgres',
    'postgresql://someone:shop@localhost/shop?sslmode=require',
  ])('do not include an everyday word, which logs and outputs hold: %s', (url) => {
    expect(secretsOf({ 'target-url': url }, { PGPASSWORD: 'postgres' })).toEqual([url]);
  });

  test('include every line of an identity, the repository key, and those of the environment', () => {
    const given = { 'encryption-identity': `# mine\n${identity}`, 'repository-key': 'ab'.repeat(32) };
    expect(secretsOf(given, { PGPASSWORD: 'from-env', AWS_SECRET_ACCESS_KEY: 'aws' })).toEqual(
      expect.arrayContaining([identity, 'ab'.repeat(32), 'from-env', 'aws']),
    );
  });
});

test('every input has a place in a group', () => {
  expect(inputNames.filter((name) => inputs[name].group === undefined)).toEqual([]);
});
