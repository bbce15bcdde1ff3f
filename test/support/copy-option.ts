import type pg from 'pg';

/**
 * The last words of a CREATE DATABASE: how its template is copied. A server that has a choice (PostgreSQL 15) and need not wait for the disk
 * copies files, at a third of the cost of writing each page into its log as well.
 */
export async function copyOption(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ copies: boolean }>(
    `SELECT current_setting('server_version_num')::int >= 150000 AND NOT current_setting('fsync')::bool AS copies`,
  );
  return rows[0]?.copies ? 'STRATEGY file_copy' : '';
}
