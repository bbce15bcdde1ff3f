import type { DrillInputs } from '../../interface/inputs/types.ts';
import { describeConnection, parseConnection } from '../../postgres/session/settings.ts';
import { readFreshness } from '../../repository/backups/freshness.ts';
import { measureRecovery, type RecoveryTime } from '../../repository/backups/recovery-time.ts';
import { openRepository } from '../../repository/open.ts';
import type { Context } from '../../runtime/context.ts';
import { openStorage } from '../../storage/open.ts';
import { chooseDrilled } from './try.ts';

/** What a drill would try, before anybody starts it. */
export interface ForeseenDrill {
  /** `user@host:port/database` of the server on which the scratch database is made */
  readonly server: string;
  /** Of the storage */
  readonly location: string;
  /** The id of the backup that is tried first */
  readonly backup: string;
  readonly snapshotAt: Date;
  /** Until when changes are replayed, ISO 8601 with microseconds; undefined: none are */
  readonly until: string | undefined;
  /** How many older ones are tried at most where it fails */
  readonly fallback: number;
  readonly recovery: RecoveryTime;
}

/**
 * Says which backup a drill would try. Reads the storage alone: the server is not reached.
 *
 * @throws ConfigurationError when no backup fits, or the time cannot be reached
 */
export async function foreseeDrill(inputs: DrillInputs, context: Context): Promise<ForeseenDrill> {
  const settings = parseConnection('target-url', inputs.targetUrl, context, inputs.sslrootcert);
  await using storage = await openStorage(inputs.storage, inputs, context);
  const repository = await openRepository(storage, inputs.repositoryKey);
  const [first] = await chooseDrilled(repository, inputs, context);
  if (first === undefined) throw new Error('a choice of no backup');
  const freshness = await readFreshness(repository, context);
  return {
    ...{ server: describeConnection(settings), location: storage.location },
    ...{ backup: first.id, snapshotAt: first.snapshotAt, until: first.recovery?.until },
    fallback: inputs.fallback,
    recovery: measureRecovery(freshness, []),
  };
}
