import { quoteLiteral } from '../identifier.ts';
import type { Session } from './connection.ts';

/**
 * Settings that shape how a value is written as text. They are the same for every backup and every restore,
 * whatever a role, a database or a server has set, and stand in the manifest for a restore by hand.
 * `DateStyle` to `row_security` follow pg_dump's own set-up (setup_connection in pg_dump.c).
 */
export const outputSettings: Readonly<Record<string, string>> = {
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
  xmlbinary: 'base64',
  xmloption: 'content',
  row_security: 'off',
  search_path: '',
  // Applies to names inside values of type regclass and similar types.
  quote_all_identifiers: 'off',
  synchronize_seqscans: 'off',
};

/** Applies the settings to a session, inside or outside of a transaction. */
export async function applySettings(session: Session, encoding: string): Promise<void> {
  await session.query(writeSettings(encoding));
}

/** The same settings as one statement, for a caller that sends more statements with it. */
export function writeSettings(encoding: string): string {
  const settings = { ...outputSettings, client_encoding: encoding };
  const calls = Object.entries(settings).map(
    ([name, value]) => `set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, false)`,
  );
  return `SELECT ${calls.join(', ')};`;
}

/**
 * Settings under which COPY text and statements of an archive are read back: only those that reading needs.
 * All other settings keep the database's values, on which its functions may depend.
 */
const inputSettings: readonly string[] = ['lc_monetary', 'xmloption', 'row_security', 'search_path'];

/** Applies the input settings to a session that writes restored content. */
export async function applyInputSettings(session: Session, encoding: string): Promise<void> {
  for (const name of inputSettings) {
    await session.query(`SELECT set_config($1, $2, false)`, [name, outputSettings[name] ?? '']);
  }
  await session.query(`SELECT set_config('client_encoding', $1, false)`, [encoding]);
}

/** @param path as a catalog holds it, with each name quoted where it needs quotes */
export async function setSearchPath(session: Session, path: string): Promise<void> {
  await session.query(`SELECT set_config('search_path', $1, false)`, [path]);
}

/**
 * The client encoding for COPY: UTF-8, except for a SQL_ASCII database, where the server cannot convert and
 * the bytes stay as they are.
 */
export function copyEncoding(serverEncoding: string): string {
  return serverEncoding === 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';
}
