import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSession, type Session } from '../../src/postgres/session/connection.ts';
import { parseConnection } from '../../src/postgres/session/settings.ts';
import { readTargetCatalog, type TargetCatalog } from '../../src/supabase/target-catalog.ts';
import { createDatabase, query } from '../scenarios/shop.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { emptyContext } from '../support/context.ts';

const long = 'a_table_whose_name_is_nearly_as_long_as_a_name_can_be_at_all';
let cluster: Cluster;
let session: Session;
let catalog: TargetCatalog;
beforeAll(async () => {
  cluster = await startCluster();
  const url = await createDatabase(cluster.superuserUrl(), 'long_names');
  await query(
    url,
    `CREATE TABLE ${long} (id int CONSTRAINT the_key_of_it PRIMARY KEY);
     CREATE POLICY everybody_reads_it ON ${long} USING (true);
     CREATE FUNCTION search_by_timestamp(prefix text, bucket text, at timestamp with time zone, number integer)
       RETURNS int LANGUAGE sql AS 'SELECT 1'`,
  );
  session = await openSession(parseConnection('target-url', url, emptyContext));
  catalog = await readTargetCatalog(session);
});
afterAll(async () => {
  await session?.close();
  await cluster?.stop();
});

it.each([
  ['CONSTRAINT', `${long} the_key_of_it`],
  ['POLICY', `${long} everybody_reads_it`],
  ['FUNCTION', 'search_by_timestamp(text, text, timestamp with time zone, integer)'],
])('a target has the %s whose name in an archive is longer than 63 bytes', (kind, name) => {
  expect(name.length).toBeGreaterThan(63);
  expect(catalog.has({ kind, schema: 'public', name })).toBe(true);
  expect(catalog.has({ kind, schema: 'public', name: name.slice(0, 63) })).toBe(false);
});
