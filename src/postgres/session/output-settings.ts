import { quoteLiteral } from '../identifier.ts';
import type { Session } from './connection.ts';

/**
 * The settings that shape how a value is written as text. They are the same for every backup and every restore, whatever a
 * role, a database or a server has set, and stand in the manifest for those who restore by hand. `DateStyle` to
 * `row_security` follow pg_dump's own set-up (setup_connection in pg_dump.c).
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
  // Names within values of type regclass and its like
  quote_all_identifiers: 'off',
  synchronize_seqscans: 'off',
};

/** Applies the settings to a session, inside or outside of a transaction. */
export async function applySettings(session: Session, encoding: string): Promise<void> {
  await session.query(writeSettings(encoding));
}

/** The same as a statement, for whoever sends more with it. */
export function writeSettings(encoding: string): string {
  const settings = { ...outputSettings, client_encoding: encoding };
  const calls = Object.entries(settings).map(
    ([name, value]) => `set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, false)`,
  );
  return `SELECT ${calls.join(', ')};`;
}

/**
 * What COPY text and statements of an archive are read back under: only what they cannot do without. Whatever functions of the database depend
 * on besides is as the database has it.
 */
const inputSettings: readonly string[] = ['lc_monetary', 'xmloption', 'row_security', 'search_path'];

/** Applies them to a session that writes what was restored. */
export async function applyInputSettings(session: Session, encoding: string): Promise<void> {
  for (const name of inputSettings) {
    await session.query(`SELECT set_config($1, $2, false)`, [name, outputSettings[name] ?? '']);
  }
  await session.query(`SELECT set_config('client_encoding', $1, false)`, [encoding]);
}

/** @param path as it stands in a catalog, each name quoted where it needs that */
export async function setSearchPath(session: Session, path: string): Promise<void> {
  await session.query(`SELECT set_config('search_path', $1, false)`, [path]);
}

/** Everything travels as UTF-8, except from SQL_ASCII, where the server cannot convert and the bytes stay as they are. */
export function copyEncoding(serverEncoding: string): string {
  return serverEncoding === 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8';
}
