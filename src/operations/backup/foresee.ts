import type { BackupInputs } from '../../interface/inputs/types.ts';
import { describeConnection, parseConnection } from '../../postgres/session/settings.ts';
import { type BackupSummary, readCatalog } from '../../repository/backups/catalog.ts';
import { findRepository } from '../../repository/open.ts';
import type { Context } from '../../runtime/context.ts';
import { openStorage } from '../../storage/open.ts';

/** What a backup would be, before anybody takes it. */
export interface ForeseenBackup {
  /** `user@host:port/database` */
  readonly database: string;
  /** Of the storage */
  readonly location: string;
  readonly type: BackupInputs['backupType'];
  readonly label: string | null;
  readonly pin: boolean;
  /** How many can open it; 0: it is stored unencrypted */
  readonly recipients: number;
  /** The names of the copies that are written behind it */
  readonly copies: readonly string[];
  /** Undefined: it would be the first */
  readonly newest: BackupSummary | undefined;
  /** The newest of the same type, which tells how long it takes; undefined: nothing tells it */
  readonly alike: BackupSummary | undefined;
}

/** Says what a backup would be. Reads the storage alone: the database is not reached. */
export async function foreseeBackup(inputs: BackupInputs, context: Context): Promise<ForeseenBackup> {
  const settings = parseConnection('database-url', inputs.databaseUrl, context, inputs.sslrootcert);
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await findRepository(storage, inputs.repositoryKey);
  const onDamaged = (error: Error) => context.log.warn(`${error.message}; skipped`);
  const { backups } =
    repository === undefined
      ? { backups: [] }
      : await readCatalog(repository, { onDamaged, signal: context.signal });
  const { backupType: type, label, pin, encryptionRecipients, copies } = inputs;
  return {
    ...{ database: describeConnection(settings), location: storage.location },
    ...{ type, label, pin, recipients: encryptionRecipients.length },
    copies: copies.map(({ name }) => name),
    newest: backups[0],
    alike: backups.find(({ kind }) => kind === type),
  };
}
