import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Finished, runCli, succeed } from '../support/run-cli.ts';
import { createDatabase, query } from './shop.ts';

/*
 * What the server of the target refuses is left out and told, and everything else comes: as with pg_restore alone, and with more where the
 * surroundings of the source help. Each table below has one thing that cannot be as it was; the others show that nothing else is missing.
 */

let cluster: Cluster;
let other: Cluster;
let folder: string;
let databases = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'refused-'));
  [cluster, other] = await Promise.all([
    startCluster({ settings: { allow_in_place_tablespaces: 'on', max_slot_wal_keep_size: '1GB' } }),
    startCluster(),
  ]);
  await query(cluster.superuserUrl(), `CREATE TABLESPACE fast LOCATION ''`);
});
afterAll(async () => {
  await Promise.all([cluster?.stop(), other?.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

interface Restored {
  readonly url: string;
  readonly run: Finished;
  readonly storage: string;
}

/** Backs up a database made by `sql`, and restores it on the other server. */
async function restoreFrom(sql: string, words: readonly string[] = []): Promise<Restored> {
  databases += 1;
  const source = await createDatabase(cluster.superuserUrl(), `source_${databases}`);
  await query(source, sql);
  const storage = join(folder, String(databases));
  await succeed(['backup', '--storage', storage], { env: { SUPABASE_BACKUP_DATABASE_URL: source } });
  const url = await createDatabase(other.superuserUrl(), `target_${databases}`);
  const env = { SUPABASE_BACKUP_TARGET_URL: url };
  return { url, storage, run: await runCli(['restore', '--storage', storage, ...words], { env }) };
}

function drill(storage: string): Promise<Finished> {
  const env = { SUPABASE_BACKUP_TARGET_URL: other.superuserUrl() };
  return runCli(['drill', '--storage', storage], { env });
}

async function read(url: string, sql: string): Promise<unknown> {
  const [row] = await query(url, `SELECT ${sql} AS value`);
  return (row as { value: unknown }).value;
}

/** A table with everything that has to come whatever happens to another one. */
const sound = `
  CREATE TABLE public.sound (id int PRIMARY KEY, v text UNIQUE CHECK (v <> ''));
  INSERT INTO public.sound VALUES (1, 'one'), (2, 'two');
  ALTER TABLE public.sound ENABLE ROW LEVEL SECURITY;
  CREATE POLICY mine ON public.sound FOR SELECT USING (id = 1);
  CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
  CREATE TRIGGER touch BEFORE UPDATE ON public.sound FOR EACH ROW EXECUTE FUNCTION public.touch();
  GRANT SELECT ON public.sound TO PUBLIC;
  CREATE MATERIALIZED VIEW public.counted AS SELECT count(*) AS n FROM public.sound;
  CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION public.watch();`;
const watch = `
  CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;`;

/** `sound` as it has to be: rows, keys, row security, policy, trigger, grant, materialized view, event trigger */
async function describeSound(url: string): Promise<unknown> {
  return read(
    url,
    `concat_ws(' ', (SELECT count(*) FROM public.sound), (SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.sound'::regclass),
       (SELECT relrowsecurity FROM pg_class WHERE oid = 'public.sound'::regclass),
       (SELECT count(*) FROM pg_policy WHERE polrelid = 'public.sound'::regclass),
       (SELECT count(*) FROM pg_trigger WHERE tgname = 'touch'), has_table_privilege('pg_monitor', 'public.sound', 'SELECT'),
       (SELECT n FROM public.counted), (SELECT count(*) FROM pg_event_trigger))`,
  );
}

const whole = '2 3 t 1 1 t 2 1';

describe('everything else comes', () => {
  const refusals = `
    ${watch}
    CREATE TABLE public.parent (id int PRIMARY KEY); INSERT INTO public.parent VALUES (1);
    CREATE TABLE public.child (id int PRIMARY KEY, parent int CONSTRAINT child_parent REFERENCES public.parent);
    SET session_replication_role = replica; INSERT INTO public.child VALUES (1, 1), (2, 99), (3, 98); RESET session_replication_role;
    CREATE TABLE public.member (email text NOT NULL);
    INSERT INTO public.member VALUES ('a'), ('a'), ('b');
    CREATE INDEX member_email ON public.member (email);
    UPDATE pg_index SET indisunique = true WHERE indexrelid = 'public.member_email'::regclass;
    CREATE TABLE public.coupon (until timestamptz CONSTRAINT still_valid CHECK (until > now()));
    INSERT INTO public.coupon VALUES (now() + interval '0.3 seconds');
    CREATE DOMAIN public.later AS timestamptz CONSTRAINT in_future CHECK (VALUE > now());
    CREATE TABLE public.meeting (at public.later[]); INSERT INTO public.meeting VALUES (ARRAY[now() + interval '0.3 seconds']::public.later[]);
    CREATE TABLE public.patient (id int PRIMARY KEY, note text); INSERT INTO public.patient VALUES (1, 'n');
    INSERT INTO pg_seclabel (objoid, classoid, objsubid, provider, label)
      VALUES ('public.patient'::regclass, 'pg_class'::regclass, 2, 'nobody', 'secret');
    CREATE TABLE public.hot (id int PRIMARY KEY) TABLESPACE fast; INSERT INTO public.hot VALUES (1);
    CREATE TABLE public.shrunk AS SELECT 1 AS n;
    CREATE MATERIALIZED VIEW public.ratio AS SELECT 1 / count(*) AS n FROM public.shrunk;
    DELETE FROM public.shrunk;
    ${sound}
`;
  let restored: Restored;
  beforeAll(async () => {
    restored = await restoreFrom(refusals);
  });

  test('where seven things are refused', async () => {
    const { url, run } = restored;
    expect(run.exitCode, run.stderr).toBe(3);
    expect(await describeSound(url)).toBe(whole);
    const rows = `(SELECT count(*) FROM public.child) || ' ' || (SELECT count(*) FROM public.member) || ' ' ||
      (SELECT count(*) FROM public.coupon) || ' ' || (SELECT count(*) FROM public.meeting) || ' ' || (SELECT count(*) FROM public.hot)`;
    expect(await read(url, rows)).toBe('3 3 1 1 1');
  });

  test.each([
    [
      'a foreign key that rows break',
      'child_parent',
      "convalidated FROM pg_constraint WHERE conname = 'child_parent'",
    ],
    [
      'a check that rows do not fulfil',
      'still_valid',
      "convalidated FROM pg_constraint WHERE conname = 'still_valid'",
    ],
    [
      'a domain that values do not fulfil',
      'in_future',
      "convalidated FROM pg_constraint WHERE conname = 'in_future'",
    ],
    [
      'a unique index over duplicates',
      'member_email',
      "count(*) > 0 FROM pg_indexes WHERE indexname = 'member_email'",
    ],
    ['a label without its provider', 'patient', 'count(*) > 0 FROM pg_seclabel'],
    ['a materialized view that fails', 'ratio', "relispopulated FROM pg_class WHERE relname = 'ratio'"],
  ])('and %s is told', async (_what, name, state) => {
    const { url, run } = restored;
    expect(run.stdout).toContain(name);
    expect(await read(url, `(SELECT ${state})`)).toBe(false);
  });

  test('with the statement that brings it later, and how many rows are in its way', () => {
    const { stdout } = restored.run;
    expect(stdout).toMatch(/2 rows break it .*ALTER TABLE public\.child VALIDATE CONSTRAINT child_parent;/);
    expect(stdout).toContain('CREATE UNIQUE INDEX member_email ON public.member USING btree (email);');
    expect(stdout).toContain('ALTER DOMAIN public.later VALIDATE CONSTRAINT in_future;');
    expect(stdout).toContain('REFRESH MATERIALIZED VIEW public.ratio;');
    expect(stdout).toMatch(/tablespace public\.hot +fast +nothing +the server has no such tablespace/);
  });

  test('and a new row is checked', async () => {
    await expect(query(restored.url, `INSERT INTO public.child VALUES (4, 97)`)).rejects.toThrow(
      /child_parent/,
    );
    await expect(query(restored.url, `INSERT INTO public.coupon VALUES ('2000-01-01')`)).rejects.toThrow(
      /still_valid/,
    );
  });

  test('in a drill, which does not pass', async () => {
    const run = await drill(restored.storage);
    expect(run.exitCode, run.stderr).toBe(3);
    for (const name of ['child_parent', 'member_email', 'still_valid', 'in_future', 'ratio']) {
      expect(run.stdout).toContain(name);
    }
    // The server of the drill said no: that says nothing about what is stored.
    expect(run.stdout).toContain('That says nothing about what is stored');
    expect(run.stdout).not.toContain('Run validate');
  });
});

describe('what the surroundings of the source had', () => {
  test('is given: the search path, for generated columns, indexes, checks and views; memory, for an index', async () => {
    const { url, run } = await restoreFrom(`
      ${watch}
      CREATE SCHEMA extensions; CREATE EXTENSION unaccent WITH SCHEMA extensions;
      SET search_path = public, extensions;
      CREATE FUNCTION public.slugify(v text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT lower(unaccent(v)) $$;
      CREATE FUNCTION public.need(v int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
        IF pg_size_bytes(current_setting('maintenance_work_mem')) < 134217728 THEN RAISE EXCEPTION 'memory required is 128 MB'; END IF;
        RETURN v; END $$;
      CREATE TABLE public.post (id int PRIMARY KEY, title text CHECK (public.slugify(title) <> ''),
        slug text GENERATED ALWAYS AS (public.slugify(title)) STORED);
      INSERT INTO public.post (id, title) VALUES (1, 'Été'), (2, 'Señor');
      CREATE UNIQUE INDEX post_slug ON public.post (public.slugify(title));
      CREATE VIEW public.slugs AS SELECT slug FROM public.post;
      CREATE TABLE public.doc (body tsvector); INSERT INTO public.doc VALUES (to_tsvector('simple', 'one two'));
      CREATE MATERIALIZED VIEW public.words AS SELECT * FROM ts_stat('SELECT body FROM doc');
      SET maintenance_work_mem = '256MB'; CREATE INDEX post_need ON public.post (public.need(id));
      ${sound}`);
    expect(run.exitCode, run.stdout + run.stderr).toBe(0);
    expect(await describeSound(url)).toBe(whole);
    expect(
      await query(
        url,
        `SET search_path = public, extensions; SELECT string_agg(slug, ' ' ORDER BY slug) AS slugs, (SELECT count(*) FROM words) AS words FROM slugs`,
      ),
    ).toEqual([{ slugs: 'ete senor', words: '2' }]);
    expect(
      await read(url, `(SELECT count(*) FROM pg_indexes WHERE indexname IN ('post_slug', 'post_need'))`),
    ).toBe('2');
    expect(run.stdout).toMatch(/materialized view data public\.words: .*REFRESH MATERIALIZED VIEW/);
  });

  test('is not needed to read a large table, whose index would keep the server from planning anything else than a COPY', async () => {
    const source = await createDatabase(cluster.superuserUrl(), 'unplannable');
    await query(
      source,
      `CREATE SCHEMA extensions; CREATE EXTENSION unaccent WITH SCHEMA extensions; SET search_path = public, extensions;
       CREATE FUNCTION public.slugify(v text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT lower(unaccent(v)) $$;
       CREATE TABLE public.page (id serial PRIMARY KEY, title text);
       INSERT INTO public.page (title) SELECT 'Crème ' || n || repeat('x', 500) FROM generate_series(1, 20000) n;
       CREATE INDEX page_slug ON public.page (public.slugify(title));`,
    );
    const storage = join(folder, 'unplannable');
    const env = { SUPABASE_BACKUP_DATABASE_URL: source };
    await succeed(['backup', '--storage', storage], { env });
    await query(source, `SET search_path = public, extensions; UPDATE page SET title = 'é' WHERE id = 7`);
    await succeed(['backup', '--storage', storage, '--backup-type', 'incremental'], { env });
    for (const verify of ['content', 'counts']) {
      const url = await createDatabase(other.superuserUrl(), `planned_${verify}`);
      const words = ['restore', '--storage', storage, '--verify', verify];
      const run = await runCli(words, { env: { SUPABASE_BACKUP_TARGET_URL: url } });
      expect(run.exitCode, run.stdout + run.stderr).toBe(0);
      expect(run.stdout).toContain('Parity: equal');
    }
  });

  test('is left: a definition that needs a key comes after it, with what stands on it', async () => {
    const { url, run } = await restoreFrom(`
      ${watch}
      CREATE TABLE public.account (id int PRIMARY KEY, label text NOT NULL);
      INSERT INTO public.account SELECT n, 'account ' || n FROM generate_series(1, 50) n;
      CREATE FUNCTION public.labels() RETURNS TABLE (id int, label text) LANGUAGE sql STABLE
        BEGIN ATOMIC SELECT a.id, a.label FROM public.account a GROUP BY a.id; END;
      CREATE FUNCTION public.label_count() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM public.labels(); END;
      CREATE VIEW public.all_labels AS SELECT * FROM public.labels();
      CREATE MATERIALIZED VIEW public.kept AS SELECT * FROM public.all_labels;
      CREATE UNIQUE INDEX kept_id ON public.kept (id);
      CREATE TABLE public.late (id int, n bigint DEFAULT public.label_count());
      INSERT INTO public.late VALUES (1);
      ${sound}`);
    expect(run.exitCode, run.stdout + run.stderr).toBe(0);
    expect(await describeSound(url)).toBe(whole);
    expect(await read(url, `(SELECT count(*) FROM public.kept) || ' ' || (SELECT n FROM public.late)`)).toBe(
      '50 50',
    );
  });
});

test('a check of partitions that are loaded side by side comes back as it was said in the source, though they needed its search path', async () => {
  const { url, run } = await restoreFrom(`
    ${watch}
    CREATE SCHEMA extensions; CREATE EXTENSION unaccent WITH SCHEMA extensions; SET search_path = public, extensions;
    CREATE FUNCTION public.slugify(v text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT lower(unaccent(v)) $$;
    CREATE TABLE public.visit (day int, until timestamptz CONSTRAINT still_valid CHECK (until > now()), title text,
      slug text GENERATED ALWAYS AS (public.slugify(title)) STORED) PARTITION BY LIST (day);
    DO $$ BEGIN FOR n IN 0..7 LOOP
      EXECUTE format('CREATE TABLE public.visit_%s PARTITION OF public.visit FOR VALUES IN (%s)', n, n);
    END LOOP; END $$;
    INSERT INTO public.visit SELECT n % 8, now() + interval '0.5 seconds', 'É' || n FROM generate_series(1, 4000) n; SELECT pg_sleep(0.6);
    ${sound}`);
  expect(run.exitCode, run.stdout + run.stderr).toBe(3);
  expect(await describeSound(url)).toBe(whole);
  expect(await read(url, `(SELECT count(*) || ' ' || min(slug) FROM public.visit)`)).toBe('4000 e1');
  const check = `FROM pg_constraint WHERE conname = 'still_valid'`;
  expect(await read(url, `(SELECT count(*) || ' ' || bool_or(convalidated) ${check})`)).toBe('9 false');
});

test('an event trigger that forbids to drop anything does not keep the restore from its end', async () => {
  const { url, run } = await restoreFrom(`
    CREATE TABLE public.kept (id int PRIMARY KEY);
    CREATE FUNCTION public.forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'nothing is dropped here'; END $$;
    CREATE EVENT TRIGGER forbid ON sql_drop EXECUTE FUNCTION public.forbid();
    CREATE EVENT TRIGGER forbid_tables ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.forbid();`);
  expect(run.exitCode, run.stdout + run.stderr).toBe(0);
  expect(await read(url, `(SELECT count(*) FROM pg_event_trigger)`)).toBe('2');
});

test('a key whose triggers are disabled comes enforced, which is told and no difference', async () => {
  const { run } = await restoreFrom(`
    CREATE TABLE public.parent (id int PRIMARY KEY); CREATE TABLE public.child (parent int REFERENCES public.parent);
    ALTER TABLE public.child DISABLE TRIGGER ALL;`);
  expect(run.exitCode, run.stdout + run.stderr).toBe(0);
  expect(run.stdout).toMatch(/child_parent_fkey.*the key is enforced/);
});

test('changes come to their point in time, whatever their checks say by then, and what they count on is found', async () => {
  const source = await createDatabase(cluster.superuserUrl(), 'captured');
  const storage = join(folder, 'captured');
  await query(
    source,
    `CREATE SCHEMA extensions; CREATE EXTENSION unaccent WITH SCHEMA extensions; SET search_path = public, extensions;
     CREATE FUNCTION public.slugify(v text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT lower(unaccent(v)) $$;
     CREATE TABLE public.post (id int PRIMARY KEY, title text, slug text GENERATED ALWAYS AS (public.slugify(title)) STORED);
     CREATE INDEX post_slug ON public.post (public.slugify(title));
     CREATE TABLE public.coupon (id int PRIMARY KEY, until timestamptz CONSTRAINT still_valid CHECK (until > now()),
       size int CONSTRAINT small CHECK (size < 10));`,
  );
  const env = { SUPABASE_BACKUP_DATABASE_URL: source };
  await succeed(['capture', '--storage', storage], { env });
  await query(
    source,
    `SET search_path = public, extensions; INSERT INTO post (id, title) VALUES (1, 'Été');
     INSERT INTO coupon VALUES (1, now() + interval '0.2 seconds', 1)`,
  );
  await succeed(['capture', '--storage', storage], { env });
  const url = await createDatabase(other.superuserUrl(), 'recovered');
  const words = ['restore', '--storage', storage, '--recovery-target-time', 'latest'];
  const run = await runCli(words, { env: { SUPABASE_BACKUP_TARGET_URL: url } });
  expect(run.exitCode, run.stdout + run.stderr).toBe(3);
  const joined = 'SET search_path = public, extensions; SELECT slug, size FROM post JOIN coupon USING (id)';
  expect(await query(url, joined)).toEqual([{ slug: 'ete', size: 1 }]);
  expect(
    await query(
      url,
      `SELECT conname, convalidated FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 ORDER BY 1`,
    ),
  ).toEqual([
    { conname: 'small', convalidated: true },
    { conname: 'still_valid', convalidated: false },
  ]);
  expect(run.stdout).toContain('ALTER TABLE public.coupon VALIDATE CONSTRAINT still_valid;');
});

test('a dry run foresees what a role that is no superuser may not make', async () => {
  const source = await createDatabase(cluster.superuserUrl(), 'foreseen');
  await query(source, `${watch} ${sound}`);
  const storage = join(folder, 'foreseen');
  await succeed(['backup', '--storage', storage], { env: { SUPABASE_BACKUP_DATABASE_URL: source } });
  const target = await createDatabase(other.superuserUrl(), 'foreseen_there');
  await query(
    target,
    `CREATE ROLE plain_owner LOGIN CREATEROLE PASSWORD 'plain'; ALTER DATABASE foreseen_there OWNER TO plain_owner`,
  );
  const url = target.replace(/\/\/[^@]*@/, '//plain_owner:plain@');
  const run = await runCli(['restore', '--storage', storage, '--dry-run'], {
    env: { SUPABASE_BACKUP_TARGET_URL: url },
  });
  expect(run.exitCode, run.stderr).toBe(0);
  expect(run.stdout).toMatch(/will probably refuse event trigger watch, because only a superuser/);
  expect(run.stdout).toContain('cannot act as supabase_admin');
  const done = await runCli(['restore', '--storage', storage], { env: { SUPABASE_BACKUP_TARGET_URL: url } });
  expect(done.exitCode, done.stdout + done.stderr).toBe(3);
  expect(done.stdout).toMatch(/event trigger watch +the server refused it: /);
});

test('a table without its row security, or a policy that restricts, is granted to nobody', async () => {
  const { url, run } = await restoreFrom(`
    ${watch}
    CREATE EXTENSION hstore;
    -- The extension of the source has a function that the target's version of it lacks.
    CREATE FUNCTION public.may_see(int) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';
    ALTER EXTENSION hstore ADD FUNCTION public.may_see(int);
    CREATE TABLE public."the secret" (id int PRIMARY KEY); INSERT INTO public."the secret" VALUES (1);
    ALTER TABLE public."the secret" ENABLE ROW LEVEL SECURITY;
    CREATE POLICY open ON public."the secret" USING (true);
    CREATE POLICY only_some ON public."the secret" AS RESTRICTIVE USING (public.may_see(id));
    GRANT SELECT ON public."the secret" TO PUBLIC;
    ${sound}`);
  expect(run.exitCode, run.stdout + run.stderr).toBe(1);
  expect(run.stderr).toMatch(
    /policy public\.the secret only_some could not be created .*no privileges were granted/,
  );
  expect(run.stderr).toContain("--exclude 'public.the secret'.");
  expect(
    await read(
      url,
      `(SELECT count(*) FROM public."the secret") || ' ' || (SELECT count(*) FROM public.sound)`,
    ),
  ).toBe('1 2');
  expect(await read(url, `has_table_privilege('pg_monitor', 'public."the secret"', 'SELECT')`)).toBe(false);
});

test('rows whose check looks into a table that comes after theirs keep it, and wait for that', async () => {
  const { run } = await restoreFrom(`
    CREATE TABLE public.z_codes (code text PRIMARY KEY); INSERT INTO public.z_codes VALUES ('a');
    CREATE FUNCTION public.known(text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM public.z_codes WHERE code = $1)';
    CREATE DOMAIN public.code AS text CHECK (public.known(VALUE));
    CREATE TABLE public.a_first (codes public.code[], one text CHECK (public.known(one)));
    INSERT INTO public.a_first VALUES ('{a}', 'a')`);
  expect(run, run.stdout + run.stderr).toMatchObject({ exitCode: 0 });
});

test('a key that rows break, of partitions that have something of its name, is left to those that have not', async () => {
  const { url, run } = await restoreFrom(`
    CREATE TABLE public.accounts (id int PRIMARY KEY); INSERT INTO public.accounts VALUES (1);
    CREATE TABLE public.log (id int, account int) PARTITION BY RANGE (id);
    CREATE TABLE public.log_1 PARTITION OF public.log FOR VALUES FROM (0) TO (10);
    CREATE TABLE public.log_2 PARTITION OF public.log FOR VALUES FROM (10) TO (20);
    ALTER TABLE public.log_1 ADD CONSTRAINT account_ok CHECK (account > 0);
    INSERT INTO public.log VALUES (1, 1), (11, 1);
    ALTER TABLE public.log ADD CONSTRAINT account_ok FOREIGN KEY (account) REFERENCES public.accounts;
    SET session_replication_role = replica; UPDATE public.log SET account = 2 WHERE id = 11;
    ALTER TABLE public.log ENABLE ROW LEVEL SECURITY; GRANT SELECT ON public.log TO PUBLIC`);
  expect(run.exitCode, run.stdout + run.stderr).toBe(3);
  expect(run.stdout).toMatch(/fk constraint public\.log account_ok /);
  expect(await read(url, `(SELECT count(*)::int FROM public.log)`)).toBe(2);
  expect(await read(url, `(SELECT relrowsecurity FROM pg_class WHERE oid = 'public.log'::regclass)`)).toBe(
    true,
  );
});

test('of a key with MATCH FULL the rows are counted that are null in part', async () => {
  const { run } = await restoreFrom(`
    CREATE TABLE public.pairs (a int, b int, PRIMARY KEY (a, b)); INSERT INTO public.pairs VALUES (1, 1);
    CREATE TABLE public.refs (a int, b int, CONSTRAINT both_of FOREIGN KEY (a, b) REFERENCES public.pairs MATCH FULL);
    SET session_replication_role = replica; INSERT INTO public.refs VALUES (1, 1), (1, NULL), (NULL, NULL), (2, 2)`);
  expect(run.exitCode, run.stdout + run.stderr).toBe(3);
  expect(run.stdout).toMatch(/fk constraint public\.refs both_of +2 rows break it/);
});
