import type { Setting, Supplement } from '../format/supplement.ts';
import type { Omission } from '../parity/scope.ts';
import { readSurroundings, surroundingSettings } from '../postgres/catalog/globals.ts';
import { quoteIdentifier } from '../postgres/identifier.ts';
import type { Session } from '../postgres/session/connection.ts';
import { tryStatement, tryStatements } from './omission.ts';
import { writeSet } from './roles/stored-settings.ts';

/*
 * An index, a check, a partition key or a generated column of the source may call a function that depends on
 * a setting, although it declares that it does not: on the time zone, on a configuration of text search, on a
 * custom setting. In the target such functions find what they found in the source, as far as the role may
 * alter the database.
 */

const isNamedByUser = ({ name }: Setting) => name.includes('.');

/** Settings that a database has for the duration of a restore. */
export interface Surroundings {
  /**
   * Resets them. The settings of the source come at the end, with all others.
   *
   * @returns what the server refused to reset
   */
  end(session: Session): Promise<Omission[]>;
}

/**
 * Gives the database the settings that its source had, where a new session would have others. Sessions that
 * begin afterwards have them.
 *
 * @param session in the target database
 */
export async function surround(session: Session, database: Supplement['database']): Promise<Surroundings> {
  const named = database.settings.filter(isNamedByUser);
  const [target] = await session.query<{ name: string }>('SELECT current_database() AS name');
  const alter = `ALTER DATABASE ${quoteIdentifier(target?.name ?? '')}`;
  const before = await readStored(session);
  const wanted = [...(await findOther(session, database.surroundings ?? readBuiltIn(database))), ...named];
  const given: Setting[] = [];
  for (const setting of wanted) {
    // A role that may not alter the database restores without them, as pg_restore does.
    if ((await tryStatement(session, `${alter} ${writeSet(setting)}`)) === undefined) given.push(setting);
  }
  return {
    end(session) {
      const statements = given.map(({ name }) => {
        const old = before.get(name.toLowerCase());
        const reset =
          old === undefined ? `RESET ${name.split('.').map(quoteIdentifier).join('.')}` : writeSet(old);
        return { what: `setting ${name} of the database, as it was before`, sql: `${alter} ${reset}` };
      });
      return tryStatements(session, statements);
    },
  };
}

/** Backups of older versions hold only what was set for the database. */
function readBuiltIn({ settings }: Supplement['database']): Setting[] {
  const names = new Set(surroundingSettings.map((name) => name.toLowerCase()));
  return settings.filter(({ name }) => names.has(name.toLowerCase()));
}

/** Finds the settings that a new session of the target would not have by itself. */
async function findOther(session: Session, wanted: readonly Setting[]): Promise<Setting[]> {
  const there = await readSurroundings(session);
  const values = new Map(there.map(({ name, value }) => [name.toLowerCase(), value]));
  return wanted.filter(({ name, value }) => (values.get(name.toLowerCase()) ?? value) !== value);
}

async function readStored(session: Session): Promise<Map<string, Setting>> {
  const rows = await session.query<{ entry: string }>(`
    SELECT unnest(setconfig) AS entry FROM pg_db_role_setting
    WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())`);
  return new Map(
    rows.map(({ entry }) => {
      const at = entry.indexOf('=');
      const name = entry.slice(0, at);
      return [name.toLowerCase(), { name, value: entry.slice(at + 1) }];
    }),
  );
}
