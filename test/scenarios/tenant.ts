import { reconnect } from '../fixture/seed.ts';
import type { Cluster } from '../support/cluster.ts';
import { createDatabase, query } from './shop.ts';

/** Who makes backups: a superuser, or a role that may read everything and nothing more */
export const reader = 'reader';

/** Makes the roles, and the database that notes who called what. */
export async function prepareServer(cluster: Cluster): Promise<void> {
  await query(
    cluster.superuserUrl(),
    `CREATE ROLE tenant LOGIN PASSWORD 'tenant'; CREATE ROLE ${reader} LOGIN PASSWORD '${reader}' BYPASSRLS IN ROLE pg_read_all_data`,
  );
  await createDatabase(cluster.superuserUrl(), 'noted');
  await query(
    cluster.superuserUrl('noted'),
    'CREATE TABLE public.calls (what text, caller text); GRANT INSERT ON public.calls TO PUBLIC',
  );
}

export interface HostileDatabase {
  /** The superuser's */
  readonly url: string;
  readonly tenant: string;
  readonly reader: string;
  /** What of the tenant's ran in a session of somebody else */
  calls(): Promise<unknown[]>;
  /** Forgets what ran. */
  forget(): Promise<void>;
}

/**
 * A database in which a tenant may make what he likes, with ext.note(text), which notes its caller by way of dblink, so that a transaction that
 * is read-only or rolled back keeps it as well.
 */
export async function createHostileDatabase(cluster: Cluster, name: string): Promise<HostileDatabase> {
  const url = await createDatabase(cluster.superuserUrl(), name);
  const noted = cluster.superuserUrl('noted');
  await query(
    url,
    `CREATE SCHEMA ext; CREATE EXTENSION dblink SCHEMA ext; GRANT USAGE ON SCHEMA ext TO PUBLIC;
     GRANT CREATE ON DATABASE ${name} TO tenant; GRANT CREATE ON SCHEMA public TO tenant;
     CREATE FUNCTION ext.note(what text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
       BEGIN PERFORM ext.dblink_exec('${noted.replaceAll("'", "''")}', pg_catalog.format('INSERT INTO public.calls VALUES (%L, %L)', what, session_user)); END $$;
     CREATE TABLE public.orders (id serial PRIMARY KEY, v text); INSERT INTO public.orders (v) SELECT 'x' FROM generate_series(1, 50)`,
  );
  const forget = async () => {
    await query(noted, 'TRUNCATE public.calls');
  };
  await forget();
  return {
    url,
    tenant: reconnect(url, { user: 'tenant', password: 'tenant' }),
    reader: reconnect(url, { user: reader, password: reader }),
    calls: () => query(noted, `SELECT DISTINCT what FROM public.calls WHERE caller <> 'tenant' ORDER BY 1`),
    forget,
  };
}
