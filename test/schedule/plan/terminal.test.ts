import { describe, expect, test } from 'vitest';
import { type Operation, operations } from '../../../src/interface/inputs/operations.ts';
import { inputs } from '../../../src/interface/inputs/schema.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { readForTerminal } from '../../../src/schedule/plan/terminal.ts';

const shop = `
time-zone: Europe/Berlin
databases:
  shop:
    database-url: SHOP_URL
    storage: s3://bucket/shop
    s3-endpoint: https://store.example.com
    encryption-recipients:
      - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
    encryption-identity: SHOP_IDENTITY
    repository-key: SHOP_KEY
    copies: SHOP_COPIES
    project-ref: abcdefghijklmnopqrst
    aws-access-key-id: STORE_ID
    aws-secret-access-key: STORE_SECRET
    environment: production
    checks: SELECT destroy()
    include: [public.*, billing.*]
cleanup:
  grace-period: 48h
  aws-access-key-id: CLEANUP_ID
  aws-secret-access-key: CLEANUP_SECRET
drill:
  backup-id: random:7d
  checks: SELECT destroy()
alarms:
  notify-url: NOTIFY_URL
  mail-from: a@example.com
`;
const read = (operation: Operation, { source = shop, wanted }: { source?: string; wanted?: string } = {}) =>
  readForTerminal({ source, file: 'policy.yml', wanted }, operation);

describe('a policy at a terminal', () => {
  test('says where backups are, and names the variables with what opens them', () => {
    const { database, values, variables, storageKeys } = read('backup');
    expect(database).toBe('shop');
    expect(Object.fromEntries(values)).toMatchObject({
      storage: 's3://bucket/shop',
      's3-endpoint': 'https://store.example.com',
      'encryption-recipients': 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p',
      include: 'public.*, billing.*',
      database: 'shop',
    });
    expect(Object.fromEntries(variables)).toEqual({
      'database-url': 'SHOP_URL',
      'repository-key': 'SHOP_KEY',
      copies: 'SHOP_COPIES',
      'encryption-identity': 'SHOP_IDENTITY',
    });
    expect(storageKeys).toEqual({ id: 'STORE_ID', secret: 'STORE_SECRET' });
  });

  test('keeps what the workflows keep, by the key that may delete', () => {
    const { values, storageKeys } = read('cleanup');
    expect(Object.fromEntries(values)).toMatchObject({
      retention: 'hourly=24 daily=7 weekly=5 monthly=12',
      'keep-changes': '8d',
      'time-zone': 'Europe/Berlin',
      'grace-period': '48h',
    });
    expect(storageKeys).toEqual({ id: 'CLEANUP_ID', secret: 'CLEANUP_SECRET' });
  });

  test('says nothing of a target, and asks, runs and tells nothing', () => {
    const restore = read('restore');
    expect([...restore.values.keys()].sort()).toEqual(['database', 's3-endpoint', 'storage']);
    for (const operation of operations) {
      const { values, variables } = read(operation);
      const given = [...values.keys(), ...variables.keys()];
      const forbidden = ['checks', 'command', 'confirm', 'environment', 'clean', 'target-url', 'image'];
      expect(given.filter((name) => forbidden.includes(name) || inputs[name].group === 'alarm')).toEqual(
        given.filter((name) => name === 'database' && inputs[name].group === 'alarm'),
      );
      for (const name of given)
        expect(inputs[name].operations, `${name} of ${operation}`).toContain(operation);
      for (const name of values.keys()) expect(inputs[name].secret, name).toBeUndefined();
    }
  });

  test('needs no action, and may have a folder as its storage', () => {
    const source = 'databases: { shop: { database-url: SHOP_URL, storage: ./backups } }';
    expect(read('list', { source }).values.get('storage')).toBe('./backups');
  });

  test('is refused where it is wrong, or it is not clear which database is meant', () => {
    const both = 'databases: { a: { database-url: A, storage: ./a }, b: { database-url: B, storage: ./b } }';
    expect(read('list', { source: both, wanted: 'b' }).values.get('storage')).toBe('./b');
    const refusal = (wanted: string | undefined) => {
      try {
        return read('list', { source: both, ...(wanted === undefined ? {} : { wanted }) });
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
        return `${error.message} → ${error.next}`;
      }
    };
    expect(refusal(undefined)).toBe(
      'policy.yml has 2 databases, and none is selected → Use database: a. The policy has a and b.',
    );
    expect(refusal('c')).toContain('policy.yml has no database "c"');
    expect(() => read('list', { source: 'databases: { a: { storage: ./a } }' })).toThrow(
      'policy.yml:1:17: databases.a.database-url: is required',
    );
    expect(() => read('list', { source: `${both}\ncommand: rm` })).toThrow(
      'policy.yml:2:1: command: is an unknown key',
    );
  });
});
