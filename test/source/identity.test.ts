import { expect, test } from 'vitest';
import { ConfigurationError } from '../../src/runtime/errors.ts';
import { assertSameServer, type SourceIdentity } from '../../src/source/identity.ts';

const one: SourceIdentity = {
  database: 'shop',
  databaseOid: 16384,
  systemIdentifier: '7400000000000000001',
  timeline: 1,
  postmasterStartedAt: '2026-11-01T00:00:00.000000Z',
  serverVersion: 170012,
  serverEncoding: 'UTF8',
};

test('two sessions on one server are taken for that', () => {
  expect(() => assertSameServer('database-url', one, { ...one })).not.toThrow();
});

test.each([
  ['a replica, which has another start', { postmasterStartedAt: '2026-11-01T00:00:07.000000Z' }],
  ['another cluster', { systemIdentifier: '7400000000000000002' }],
  ['a database that was made again', { databaseOid: 16390 }],
])('sessions that a balancer gives to several are told: %s', (_what, difference) => {
  expect(() => assertSameServer('database-url', one, { ...one, ...difference })).toThrow(ConfigurationError);
});
