import type { Supplement } from '../format/supplement.ts';
import { quoteLiteral } from '../postgres/identifier.ts';
import type { Session } from '../postgres/session/connection.ts';

/**
 * How a database sorts and compares texts. It is chosen when the database is created, and cannot change
 * later.
 */
export interface DatabaseLocale {
  readonly encoding: string;
  readonly provider: 'libc' | 'icu' | 'builtin';
  /** Locale of the provider `icu` or `builtin`; undefined with libc */
  readonly locale: string | undefined;
  readonly collate: string;
  readonly ctype: string;
}

/** The columns of the locale were renamed twice, so they are read by name out of JSON. */
const localeQuery = `
  SELECT pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype,
         CASE coalesce(d.j ->> 'datlocprovider', 'c') WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END AS provider,
         CASE WHEN coalesce(d.j ->> 'datlocprovider', 'c') <> 'c' THEN coalesce(d.j ->> 'datlocale', d.j ->> 'daticulocale') END AS locale
  FROM (SELECT *, to_jsonb(b) AS j FROM pg_database b) AS d WHERE d.datname = current_database()`;

export async function readLocale(session: Session): Promise<DatabaseLocale> {
  const [row] = await session.query<{
    encoding: string;
    collate: string;
    ctype: string;
    provider: DatabaseLocale['provider'];
    locale: string | null;
  }>(localeQuery);
  if (row === undefined) throw new Error('the current database is not in pg_database');
  return { ...row, locale: row.locale ?? undefined };
}

/**
 * Finds the source's locale in the definitions of a backup; undefined in backups of versions that did not
 * record it.
 */
export function findLocale(definitions: Supplement['definitions']): DatabaseLocale | undefined {
  const read = (name: string) =>
    definitions.find((definition) => definition.kind === 'database' && definition.name === name)?.detail;
  const [encoding, collation] = [read('encoding'), read('collation')];
  const parts = new Map(
    collation?.split('; ').map((part): [string, string] => {
      const space = part.indexOf(' ');
      return [part.slice(0, space), part.slice(space + 1)];
    }),
  );
  const [provider, collate, ctype] = [parts.get('provider'), parts.get('collate'), parts.get('ctype')];
  if (encoding === undefined || collate === undefined || ctype === undefined) return undefined;
  if (provider !== 'libc' && provider !== 'icu' && provider !== 'builtin') return undefined;
  return { encoding, provider, locale: parts.get('locale'), collate, ctype };
}

/** Writes the locale as the end of a CREATE DATABASE from template0. */
export function writeLocale(locale: DatabaseLocale, serverVersion: number): string {
  const { encoding, provider, collate, ctype } = locale;
  const own = { libc: undefined, icu: 'ICU_LOCALE', builtin: 'BUILTIN_LOCALE' }[provider];
  return [
    `ENCODING ${quoteLiteral(encoding)}`,
    // Without it the provider is that of the template. PostgreSQL 14 knows only libc.
    ...(serverVersion >= 150000 ? [`LOCALE_PROVIDER ${provider}`] : []),
    `LC_COLLATE ${quoteLiteral(collate)} LC_CTYPE ${quoteLiteral(ctype)}`,
    ...(own === undefined || locale.locale === undefined ? [] : [`${own} ${quoteLiteral(locale.locale)}`]),
  ].join(' ');
}

/** Names the order of texts, for people. */
export function describeCollation({ provider, locale, collate, ctype }: DatabaseLocale): string {
  if (provider !== 'libc') return `${locale} (${provider})`;
  return collate === ctype ? collate : `${collate}, and ${ctype} for the kinds of letters`;
}

/**
 * Reports that a database sorts texts in another order than the source: bounds of partitions, checks that
 * compare texts, and the order of query results may then mean something else.
 *
 * @param session of the target
 * @returns at most one note, for people
 */
export async function compareLocales(
  session: Session,
  definitions: Supplement['definitions'],
): Promise<string[]> {
  const source = findLocale(definitions);
  if (source === undefined) return [];
  const target = await readLocale(session);
  if (isSameOrder(source, target)) return [];
  return [
    `collation: the database sorts texts by ${describeCollation(target)}, and the source by ${describeCollation(source)}; what depends on the order of texts may differ`,
  ];
}

/** Compares the names of libc's locales without their variations: en_US.UTF-8, en_US.utf8. */
function isSameOrder(one: DatabaseLocale, other: DatabaseLocale): boolean {
  const plain = (name: string) => name.toLowerCase().replace(/[-_]/g, '');
  if (one.provider !== other.provider) return false;
  if (one.provider !== 'libc') return one.locale === other.locale;
  return plain(one.collate) === plain(other.collate) && plain(one.ctype) === plain(other.ctype);
}
