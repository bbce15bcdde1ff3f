import type { Manifest } from '../format/manifest.ts';
import { outputSettings } from '../postgres/session/output-settings.ts';
import { parseLsn } from '../values/lsn.ts';
import { parseSnapshot } from '../values/pg-snapshot.ts';
import type { SourceIdentity } from './identity.ts';
import type { RollbackToken } from './rollback-token.ts';

/** Where the history of a database stands, as a snapshot sees it. */
export interface Position {
  readonly identity: SourceIdentity;
  readonly encoding: string;
  /** pg_current_snapshot() */
  readonly visible: string;
  readonly lsn: string;
}

/**
 * What an incremental backup may reuse of its base: nothing (`broken`: the base's history is not, or not
 * provably, that of this database), everything (`idle`: no transaction has written since), or all rows not
 * written by a transaction numbered `since` or later (`active`).
 */
export type Lineage =
  | { readonly kind: 'broken'; readonly why: string }
  | { readonly kind: 'idle' }
  | { readonly kind: 'active'; readonly since: bigint };

/**
 * A row holds only the lower 32 bits of the transaction that wrote it, so its age is certain only within half
 * of that range (PostgreSQL manual 25.1.5). The margin is for transactions that start while the backup runs.
 */
const widestWindow = 2n ** 31n - 2n ** 24n;

/**
 * Decides whether this database, on the same history, has been in the state that `base` recorded.
 *
 * @param tokens the tokens found in the database; undefined when it keeps none
 * @param records the transactions that wrote nothing but records of ours
 */
export function followLineage(
  base: Manifest['source'],
  now: Position,
  tokens: readonly RollbackToken[] | undefined,
  records: readonly bigint[] = [],
): Lineage {
  const why = findBreak(base, now, tokens);
  if (why !== undefined) return { kind: 'broken', why };
  const [then, present] = [parseSnapshot(base.snapshot), parseSnapshot(now.visible)];
  if (present.xmax - then.xmin >= widestWindow) {
    return { kind: 'broken', why: 'two billion transactions were assigned since' };
  }
  // Tokens left by backups, and records of ours, are the only writes that do not count.
  const ours = new Set([...(tokens ?? []).map(({ xid }) => xid), ...records]);
  const own = [...ours].filter((xid) => xid >= then.xmax && xid < present.xmax).length;
  const idle =
    then.xmin === then.xmax && present.xmin === present.xmax && present.xmax - then.xmax === BigInt(own);
  return idle ? { kind: 'idle' } : { kind: 'active', since: then.xmin };
}

function findBreak(
  base: Manifest['source'],
  { identity, encoding, visible, lsn }: Position,
  tokens: readonly RollbackToken[] | undefined,
): string | undefined {
  if (base.systemIdentifier !== identity.systemIdentifier) return 'it is another server';
  if (base.databaseOid !== identity.databaseOid) return 'the database was made anew';
  if (base.serverVersion !== identity.serverVersion) return 'the server has another version';
  if (base.timeline !== identity.timeline) return 'the server has begun a new timeline';
  if (base.postmasterStartedAt !== identity.postmasterStartedAt) {
    return `the server was started again at ${identity.postmasterStartedAt}`;
  }
  if (base.encoding !== encoding || !isEqual(base.settings, outputSettings)) {
    return 'the text of rows is written with other settings';
  }
  if (parseLsn(lsn) < parseLsn(base.lsn))
    return 'the write-ahead log is behind the base: the database was rolled back';
  const [then, present] = [parseSnapshot(base.snapshot), parseSnapshot(visible)];
  if (present.xmax < then.xmax || present.xmin < then.xmin) {
    return 'transaction numbers are behind the base: the database was rolled back';
  }
  if (base.token !== null && !tokens?.some((entry) => entry.token === base.token)) {
    return 'the database lacks the rollback token of the base: it was rolled back, or its tokens were deleted';
  }
  return undefined;
}

function isEqual(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key]);
}
