import type { Omission } from '../parity/scope.ts';
import { about } from '../parity/subject.ts';
import type { ArchiveEntry } from '../postgres/client/table-of-contents.ts';
import type { Session } from '../postgres/session/connection.ts';
import { refusalOf } from '../postgres/session/server-error.ts';
import { copyIn } from '../postgres/wire/copy-writer.ts';
import { bringSecretsByHand, createSecret } from '../supabase/vault.ts';
import type { ArchivedRows } from './extensions/parts.ts';

const stored = 'pg_temp.supabase_backup_secrets';

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
  await session.query(
    `CREATE TEMPORARY TABLE supabase_backup_secrets AS SELECT ${columns} FROM vault.secrets WITH NO DATA`,
  );
  const rows = await copyIn(session, `COPY ${stored} (${columns}) FROM STDIN`, text);
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
