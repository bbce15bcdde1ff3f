import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Definition } from '../../../src/format/supplement.ts';
import { compareDefinitions } from '../../../src/parity/definitions.ts';
import { collectKnownDifferences } from '../../../src/parity/known-differences.ts';
import { readDefinitions } from '../../../src/postgres/catalog/definitions.ts';
import { readParticulars } from '../../../src/postgres/catalog/particulars.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { makeScope } from '../../parity/example.ts';
import { makeManifest } from '../../repository/example.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createDatabase, type Database, openDatabase } from '../database.ts';

/* That all of them are told is for test/parity/guard.test.ts; here is who may read them, and what is shown. */

let cluster: Cluster;
let database: Database;

beforeAll(async () => {
  cluster = await startCluster();
  database = await createDatabase(cluster);
  await database.run(`
    CREATE ROLE reading LOGIN PASSWORD 'reading';
    CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere OPTIONS (host 'a', password 'hunter1');
    CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS ("user" 'me', password 'hunter2');
    CREATE SUBSCRIPTION news CONNECTION 'host=nowhere password=hunter3' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false)`);
}, 60_000);
afterAll(async () => {
  await database?.run('DROP SUBSCRIPTION news');
  await database?.close();
  await cluster?.stop();
});

async function read(url: string): Promise<Definition[]> {
  const opened = await openDatabase(url);
  try {
    const session = await opened.open();
    await applySettings(session, 'UTF8');
    return [...(await readDefinitions(session)), ...(await readParticulars(session))];
  } finally {
    await opened.close();
  }
}

function readAs(user: string): Promise<Definition[]> {
  const url = new URL(cluster.superuserUrl(database.settings.database));
  [url.username, url.password] = [user, user];
  return read(url.href);
}

const compare = (expected: Definition[], found: Definition[]) =>
  compareDefinitions(expected, found, {
    scope: makeScope(),
    known: collectKnownDifferences(makeScope(), makeManifest()),
    isRestored: () => true,
    schemas: new Set(['public']),
    present: new Set(['public']),
    withRows: true,
    major: 15,
  })
    .filter(({ status }) => status !== 'equal')
    .map(({ kind, what, expected: want, found: have }) => `${kind} ${what}: ${want} → ${have}`);

describe('particulars', () => {
  it('hold no secret, and no digest of one is shown', async () => {
    const before = await read(cluster.superuserUrl(database.settings.database));
    expect(JSON.stringify(before)).not.toMatch(/hunter|nowhere pass/);
    await database.run(`
      ALTER SERVER far OPTIONS (SET password 'hunter4'); ALTER USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (SET password 'hunter4');
      ALTER SUBSCRIPTION news CONNECTION 'host=nowhere password=hunter4'`);
    expect(compare(before, await read(cluster.superuserUrl(database.settings.database)))).toEqual([
      'foreign server details far: values … → values … (others)',
      'subscription details news: connection …; streaming off → connection …; streaming off (others)',
      'user mapping details supabase_admin on far: values … → values … (others)',
    ]);
  });

  it('that one role may not read are not compared', async () => {
    const [all, some] = [
      await read(cluster.superuserUrl(database.settings.database)),
      await readAs('reading'),
    ];
    expect(some.filter(({ detail }) => detail.includes('not readable')).map(({ kind }) => kind)).toEqual([
      'subscription details',
      'user mapping details',
    ]);
    expect(compare(all, some)).toEqual([]);
    expect(compare(some, all)).toEqual([]);
  });

  it('of what is missing are not told besides', async () => {
    const all = await read(cluster.superuserUrl(database.settings.database));
    const without = all.filter(({ kind }) => !/^(subscription|user mapping)/.test(kind));
    expect(compare(all, without)).toEqual([
      'subscription news: publications p; disabled → nothing',
      'user mapping supabase_admin on far: options password, user → nothing',
    ]);
  });
});
