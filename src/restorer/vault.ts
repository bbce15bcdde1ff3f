import type { Omission } from '../parity/scope.ts';
import { about } from '../parity/subject.ts';
import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';
import type { Session } from '../postgres/session/connection.ts';
import { refusalOf } from '../postgres/session/server-error.ts';
import { copyIn } from '../postgres/wire/copy-writer.ts';
import { bringSecretsByHand, createSecret, decryptSecret } from '../supabase/vault.ts';
import type { ArchivedRows } from './extensions/parts.ts';

const stored = 'pg_temp.supabase_backup_secrets';

/** How the target stands to the secrets of the backup. */
export interface SecretsLook {
  /** Whether its server decrypts one of them, so that it has the root key that they were encrypted with */
  readonly areOpen: boolean;
  /** Whether it has secrets of its own, which open with the key that it has */
  readonly hasOwn: boolean;
}

/** Secrets that are tried. The newest were encrypted with the key that the source had at the time. */
const tried = 10;

/**
 * Asks the server whether it opens the secrets of a backup. Nothing stays of what that takes.
 *
 * @param session with the encoding of the archive
 */
export async function lookAtSecrets(session: Session, { columns, text }: ArchivedRows): Promise<SecretsLook> {
  const [own] = await session.query<{ some: boolean }>('SELECT EXISTS (SELECT FROM vault.secrets) AS some');
  await session.query('BEGIN');
  try {
    await stage(session, { columns, text });
    const ids = await session.query<{ id: string }>(
      `SELECT id::text AS id FROM ${stored} ORDER BY created_at DESC, id LIMIT ${tried}`,
    );
    let areOpen = false;
    for (const { id } of ids) areOpen ||= await opens(session, id);
    return { areOpen, hasOwn: own?.some === true };
  } finally {
    await session.query('ROLLBACK');
  }
}

async function opens(session: Session, id: string): Promise<boolean> {
  await session.query('SAVEPOINT one');
  try {
    // The secret itself does not leave the server.
    await session.query(`SELECT ${decryptSecret} IS NULL FROM ${stored} WHERE id = $1::uuid`, [id]);
    return true;
  } catch (error) {
    refusalOf(error);
    await session.query('ROLLBACK TO SAVEPOINT one');
    return false;
  }
}

/** Puts the rows where nobody else sees them. @returns how many there are */
async function stage(session: Session, { columns, text }: ArchivedRows): Promise<number> {
  await session.query(
    `CREATE TEMPORARY TABLE supabase_backup_secrets AS SELECT ${columns} FROM vault.secrets WITH NO DATA`,
  );
  return copyIn(session, `COPY ${stored} (${columns}) FROM STDIN`, text);
}

/**
 * Creates the secrets of a backup again through Vault's own function, because a project's table of secrets is
 * closed. The server decrypts them, and refuses to without the root key of the source. They get new ids.
 *
 * @param session with the encoding of the archive
 */
export async function bringSecrets(
  session: Session,
  entry: ArchiveEntry,
  { columns, text }: ArchivedRows,
): Promise<{ notes: string[]; notCarried: Omission[] }> {
  const rows = await stage(session, { columns, text });
  const refused: string[] = [];
  const ids = await session.query<{ id: string }>(
    `SELECT id::text AS id FROM ${stored} ORDER BY created_at, id`,
  );
  for (const { id } of ids) {
    try {
      await session.query(`SELECT ${createSecret} FROM ${stored} WHERE id = $1::uuid`, [id]);
    } catch (error) {
      refused.push(refusalOf(error));
    }
  }
  const made = rows - refused.length;
  return {
    notes:
      made === 0
        ? []
        : [`${made} ${made === 1 ? 'secret' : 'secrets'} of Vault: made anew, under ids of the target's own`],
    notCarried:
      refused.length === 0
        ? []
        : [
            {
              ...about({ kind: 'entry', entry }),
              why: `the server refused ${refused.length} of ${rows} ${rows === 1 ? 'secret' : 'secrets'}: ${refused[0]}; they are lost`,
              remedy: bringSecretsByHand,
              lost: true,
            },
          ],
  };
}
