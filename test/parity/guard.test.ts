import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runTool } from '../fixture/dump.ts';
import { createRoles } from '../fixture/seed.ts';
import {
  compareRecorded,
  linesOf,
  type Recorded,
  recordDatabase,
  runSql,
} from '../restorer/replay/recorded.ts';
import { createDatabase } from '../scenarios/shop.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { laterShapes, mutations, shapes } from './guarded-shapes.ts';

/*
 * A comparison cannot cry wolf: what pg_dump and pg_restore alone have copied is equal, and whatever is told of a database shows in what pg_dump
 * writes of it. And it cannot be deaf: whatever is changed in a copy is found.
 */

const minutes = 60_000;
let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({
    settings: { fsync: 'off', autovacuum: 'off', allow_in_place_tablespaces: 'on' },
  });
  await createRoles(cluster.superuserUrl(), 'app_owner');
  await runSql(cluster.superuserUrl(), `CREATE TABLESPACE elsewhere LOCATION ''`);
}, minutes);
afterAll(() => cluster?.stop());

/** Where a copy goes, and with what. */
interface Place {
  readonly admin: string;
  readonly bin: string;
  /** An older pg_dump where the newer one does not know the newest minor of an older server */
  readonly dumpBin?: string;
  /** What the newer server lacks, as pg_restore says it */
  readonly lacks?: RegExp;
}

async function restoreCopy(
  from: string,
  { admin, bin, dumpBin = bin, lacks }: Place,
  name: string,
): Promise<string> {
  const to = await createDatabase(admin, name);
  const file = join(cluster.folder, `${name}.dump`);
  await runTool(dumpBin, 'pg_dump', ['--format=custom', `--file=${file}`], from);
  const restored = runTool(bin, 'pg_restore', [`--dbname=${name}`, file], to);
  await restored.catch((error: Error) => expect(error.message).toMatch(lacks ?? /^$/));
  return to;
}

/** Rows too, in one order; without what differs from run to run. */
async function dump(url: string, bin: string): Promise<string> {
  const text = await runTool(bin, 'pg_dump', [], url);
  return text.replaceAll(/^\\(un)?restrict .*$/gm, '');
}

const { TESTBED_PG17_URL, TESTBED_PG17_BIN, TESTBED_PG18_URL, TESTBED_PG18_BIN } = process.env;

describe('a database with one of everything', () => {
  const here = () => ({ admin: cluster.superuserUrl(), bin: cluster.binFolder });
  let source: string;
  let restored: string;
  let recorded: Recorded;
  let before: string;
  const seen = new Set<string>();
  beforeAll(async () => {
    source = await createDatabase(here().admin, 'guarded');
    await runSql(source, shapes);
    recorded = await recordDatabase(source);
    restored = await restoreCopy(source, here(), 'guarded_copy');
    before = await dump(restored, cluster.binFolder);
  }, 2 * minutes);

  it(
    'is equal to what pg_dump and pg_restore alone have made of it, and to what they make of that',
    async () => {
      expect(linesOf(await compareRecorded(restored, recorded), 'different')).toEqual([]);
      const again = await restoreCopy(restored, here(), 'guarded_again');
      expect(linesOf(await compareRecorded(again, recorded), 'different')).toEqual([]);
      expect(linesOf(await compareRecorded(source, await recordDatabase(again)), 'different')).toEqual([]);
    },
    2 * minutes,
  );

  it('is equal to a copy in which nothing was changed', async () => {
    const copy = await createDatabase(here().admin, 'guarded_changed', 'guarded_copy');
    expect(await dump(copy, cluster.binFolder)).toBe(before);
    expect(linesOf(await compareRecorded(copy, recorded), 'different')).toEqual([]);
  });

  it.each(mutations)('and another in %s, which pg_dump and the comparison see', async (_what, sql) => {
    const changed = await createDatabase(here().admin, 'guarded_changed', 'guarded_copy');
    await runSql(changed, sql);
    expect(await dump(changed, cluster.binFolder)).not.toBe(before);
    const parity = await compareRecorded(changed, recorded);
    expect(parity.equal).toBe(false);
    for (const { kind, status } of Object.values(parity.groups).flat()) {
      if (status === 'different') seen.add(kind);
    }
  });

  it('has no kind of line that none of these changes', () => {
    const told = new Set(recorded.supplement.definitions.map(({ kind }) => kind));
    const constant = new Set(['description', 'database']);
    expect([...told].filter((kind) => !seen.has(kind) && !constant.has(kind))).toEqual([]);
  });

  it('is equal to a copy whose subscriptions are not enabled, and to no other', async () => {
    const [from, to] = [
      await createDatabase(here().admin, 'subscribed'),
      await createDatabase(here().admin, 'subscribing'),
    ];
    const subscribe = (name: string, to: string) =>
      `CREATE SUBSCRIPTION ${name} CONNECTION 'host=nowhere' PUBLICATION ${to} WITH (connect = false, slot_name = NONE, enabled = false)`;
    try {
      await runSql(from, subscribe('subscription_here', 'p'));
      const subscribed = await recordDatabase(from);
      await runSql(from, 'DROP SUBSCRIPTION subscription_here');
      expect(linesOf(await compareRecorded(to, subscribed), 'different')).toEqual([
        expect.stringContaining('owner subscription subscription_here: '),
        expect.stringContaining('subscription subscription_here: '),
      ]);
      await runSql(to, subscribe('subscription_here', 'p'));
      expect(linesOf(await compareRecorded(to, subscribed), 'different')).toEqual([]);
      const enabled = subscribed.supplement.definitions.map((line) =>
        line.kind === 'subscription'
          ? { ...line, detail: line.detail.replace('; disabled', '; enabled') }
          : line,
      );
      const asEnabled = { ...subscribed, supplement: { ...subscribed.supplement, definitions: enabled } };
      expect(linesOf(await compareRecorded(to, asEnabled), 'different')).toEqual([]);
      await runSql(to, 'ALTER SUBSCRIPTION subscription_here SET PUBLICATION q WITH (refresh = false)');
      expect(linesOf(await compareRecorded(to, asEnabled), 'different')).toHaveLength(1);
    } finally {
      await runSql(to, 'DROP SUBSCRIPTION IF EXISTS subscription_here');
      await runSql(from, 'DROP SUBSCRIPTION IF EXISTS subscription_here');
    }
  });

  const subscribing = (options: string, connection = 'host=nowhere password=a') =>
    `CREATE SUBSCRIPTION subscription_there CONNECTION '${connection}' PUBLICATION p WITH (connect = false, enabled = false, ${options})`;
  const subscriptions: readonly (readonly [since: number, what: string, sql: string])[] = [
    [15, 'the connection', subscribing('slot_name = NONE', 'host=nowhere password=b')],
    [15, 'the slot', subscribing('slot_name = other')],
    [15, 'binary', subscribing('slot_name = NONE, binary = true')],
    [15, 'streaming', subscribing('slot_name = NONE, streaming = on')],
    [15, 'two_phase', subscribing('slot_name = NONE, two_phase = true')],
    [15, 'disable_on_error', subscribing('slot_name = NONE, disable_on_error = true')],
    [15, 'synchronous_commit', subscribing('slot_name = NONE, synchronous_commit = local')],
    [16, 'origin', subscribing('slot_name = NONE, origin = none')],
    [16, 'run_as_owner', subscribing('slot_name = NONE, run_as_owner = true')],
    [16, 'password_required', subscribing('slot_name = NONE, password_required = false')],
    [17, 'failover', subscribing('slot_name = NONE, failover = true')],
  ];
  const servers = [
    [17, TESTBED_PG17_URL, TESTBED_PG17_BIN],
    [18, TESTBED_PG18_URL, TESTBED_PG18_BIN],
  ] as const;
  const majors = [15, ...servers.flatMap(([major, url]) => (url ? [major] : []))];
  const placeOf = (major: number): Place => {
    const [, admin = '', bin = ''] = servers.find(([of]) => of === major) ?? [];
    return admin === '' ? here() : { admin, bin };
  };
  it.each(majors)('sees what pg_dump writes of a subscription on %s', async (major) => {
    const { admin, bin } = placeOf(major);
    const name = `subscribing_${process.pid}`;
    const url = await createDatabase(admin, name);
    const drop = `ALTER SUBSCRIPTION subscription_there SET (slot_name = NONE); DROP SUBSCRIPTION subscription_there`;
    try {
      await runSql(url, subscribing('slot_name = NONE'));
      const subscribed = await recordDatabase(url);
      const text = await dump(url, bin);
      expect(linesOf(await compareRecorded(url, subscribed), 'different')).toEqual([]);
      expect(JSON.stringify(subscribed.supplement)).not.toContain('nowhere');
      for (const [since, what, sql] of subscriptions) {
        if (since > major) continue;
        await runSql(url, drop);
        await runSql(url, sql);
        expect(await dump(url, bin), what).not.toBe(text);
        expect(linesOf(await compareRecorded(url, subscribed), 'different'), what).toEqual([
          expect.stringMatching(/^subscription( details)? subscription_there: /),
        ]);
      }
    } finally {
      await runSql(url, drop).catch(() => undefined);
      await runSql(admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    }
  });

  it.each(
    laterShapes.flatMap(([since, sql, changes]) =>
      majors.filter((major) => major >= since).map((major) => [major, since, sql, changes] as const),
    ),
  )(
    'sees on %s what came with %s',
    async (major, _since, sql, changes) => {
      const { admin, bin } = placeOf(major);
      const names = ['later', 'later_copy', 'later_changed'].map((name) => `${name}_${process.pid}`);
      const [first = '', copied = '', changed = ''] = names;
      await createRoles(admin, 'app_owner');
      try {
        const origin = await createDatabase(admin, first);
        await runSql(origin, sql);
        const of = await recordDatabase(origin);
        const copy = await restoreCopy(origin, { admin, bin }, copied);
        expect(linesOf(await compareRecorded(copy, of), 'different')).toEqual([]);
        const text = await dump(copy, bin);
        for (const [what, change] of changes) {
          const url = await createDatabase(admin, changed, copied);
          await runSql(url, change);
          expect(await dump(url, bin), what).not.toBe(text);
          expect(linesOf(await compareRecorded(url, of), 'different'), what).not.toEqual([]);
        }
      } finally {
        for (const name of names) await runSql(admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }
    },
    2 * minutes,
  );

  it.each(majors.filter((major) => major > 15))(
    'is equal to a copy on %s, and that to a copy of its own',
    async (major) => {
      const { admin, bin } = placeOf(major);
      const [first, second] = [1, 2].map((which) => `guarded_${process.pid}_${which}`) as [string, string];
      await createRoles(admin, 'app_owner');
      try {
        const copy = await restoreCopy(
          source,
          {
            admin,
            bin,
            dumpBin: cluster.binFolder,
            lacks: /pg_stat_statements_reset.*errors ignored on restore: 1/s,
          },
          first,
        );
        expect(linesOf(await compareRecorded(copy, recorded), 'different')).toEqual([]);
        const again = await restoreCopy(copy, { admin, bin }, second);
        expect(linesOf(await compareRecorded(again, await recordDatabase(copy)), 'different')).toEqual([]);
        await runSql(
          copy,
          `CREATE OR REPLACE VIEW app.seen WITH (security_barrier) AS SELECT id, s FROM app.t WHERE s IN ('a', 'c')`,
        );
        expect(linesOf(await compareRecorded(copy, recorded), 'different')).toEqual([
          expect.stringContaining('view app.seen: '),
        ]);
      } finally {
        for (const name of [first, second])
          await runSql(admin, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      }
    },
    2 * minutes,
  );
});
