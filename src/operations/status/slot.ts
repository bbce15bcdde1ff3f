import type { StatusInputs } from '../../interface/inputs/types.ts';
import { openReached } from '../../postgres/session/reach.ts';
import type { Repository } from '../../repository/open.ts';
import { assertOwnDatabase } from '../../repository/own-database.ts';
import type { StoredRecord } from '../../repository/records.ts';
import type { Context } from '../../runtime/context.ts';
import { isKnownError, SourceError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { measureSlot, nameSlot } from '../../source/changes/slot.ts';
import { readIdentity } from '../../source/identity.ts';
import type { SlotLook, SlotState } from '../../values/slot-look.ts';

/** What is known of the slot that captures read. */
export interface SlotSight extends SlotLook {
  /** The operation whose run has looked; null: this one */
  readonly operation: string | null;
  /** Undefined: nothing is wrong with it */
  readonly trouble: (SlotTrouble & { /** By what runs have seen */ readonly since: Date }) | undefined;
}

/** What is wrong with a slot. */
export type SlotTrouble = { readonly slot: string } & (
  | { readonly kind: 'lost' }
  /** The server keeps as much for it as may still be written, or more: half is used. */
  | { readonly kind: 'half-used'; readonly retainedBytes: number; readonly safeBytes: number }
);

/**
 * Looks at the slot, where a database is given. A server that cannot be reached or keeps its slots to itself is
 * a warning: the rest of the status is wanted most when the server is down.
 *
 * @returns undefined when it was not measured
 * @throws ConfigurationError when the repository is of another database
 */
export async function lookAtSlot(
  inputs: Pick<StatusInputs, 'databaseUrl' | 'sslrootcert'>,
  repository: Repository,
  context: Context,
): Promise<SlotLook | undefined> {
  const attempt = async <Result>(work: () => Promise<Result>): Promise<Result | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!isKnownError(error)) throw error;
      context.log.warn(
        say`the replication slot cannot be measured now: ${error.told.message}\n→ ${error.told.next}`,
      );
      return undefined;
    }
  };
  const { databaseUrl, sslrootcert } = inputs;
  if (databaseUrl === undefined) return undefined;
  await using resources = new AsyncDisposableStack();
  const reached = await attempt(() => openReached('database-url', databaseUrl, sslrootcert, context));
  if (reached === undefined) return undefined;
  const { session } = reached;
  resources.defer(() => session.close());
  assertOwnDatabase(repository, await readIdentity(session));
  return await attempt(async () => {
    const state = await measureSlot(session, nameSlot(repository));
    if (state !== undefined) return { at: context.now(), state };
    throw new SourceError(
      say`${nameInput('database-url')}: the server is a standby, which does not know the replication slots of its primary`,
      'Use the connection string of the primary.',
    );
  });
}

/**
 * Finds the newest look: that of this run, or of the last run that has recorded one.
 *
 * @param runs records of runs, oldest first
 */
export function findSlot(
  live: SlotLook | undefined,
  runs: readonly StoredRecord<'runs'>[],
): SlotSight | undefined {
  const looks = [
    ...runs.flatMap(({ content: { slot, operation } }) =>
      slot === undefined ? [] : [{ at: new Date(slot.at), state: slot.state, operation }],
    ),
    ...(live === undefined ? [] : [{ ...live, operation: null }]),
  ];
  const last = looks.at(-1);
  if (last === undefined) return undefined;
  const trouble = findTrouble(last.state);
  const before = looks.findLastIndex(({ state }) => findTrouble(state)?.kind !== trouble?.kind);
  return { ...last, trouble: trouble && { ...trouble, since: looks[before + 1]?.at ?? last.at } };
}

function findTrouble(state: SlotState | null): SlotTrouble | undefined {
  if (state === null) return undefined;
  const { name: slot, retainedBytes, safeBytes, walStatus } = state;
  if (walStatus === 'lost') return { kind: 'lost', slot };
  if (safeBytes === null || retainedBytes < safeBytes) return undefined;
  return { kind: 'half-used', slot, retainedBytes, safeBytes };
}
