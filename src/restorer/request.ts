import type { Manifest } from '../format/manifest.ts';
import type { ConnectionSettings } from '../postgres/session/settings.ts';
import type { ObjectReader } from '../repository/objects/store.ts';
import type { TargetKind } from '../supabase/target-kind.ts';
import type { OnStep } from './begun-step.ts';
import type { Recovery } from './choose.ts';

/** What is restored, and where. */
export interface RestoreRequest {
  readonly manifest: Manifest;
  readonly reader: ObjectReader;
  readonly settings: ConnectionSettings;
  readonly clientPath: string | undefined;
  readonly installClient: 'auto' | 'always' | 'never';
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly jobs: number;
  readonly verify: 'content' | 'counts' | 'none';
  /** What the target is taken for; `auto`, as without it, looks. */
  readonly targetKind?: TargetKind | 'auto';
  /** `refuse`, as without it: a target that is not empty is a configuration error. */
  readonly occupied?: 'refuse' | 'accept';
  /** `throwaway`: the target is dropped again; nothing outside of its database is altered, and no job is scheduled. */
  readonly roles?: 'throwaway';
  /** Whose default privileges a project has in the end: the narrower of both sides, as without it, or the source's */
  readonly defaultPrivileges?: 'narrower' | 'source';
  /** Whether the target is production, so that jobs may act from now on; not so without it. */
  readonly live?: boolean;
  /** What the restored database will be asked; one that cannot be answered is refused before there are rows */
  readonly checks?: readonly string[];
  /** The point in time that the backup is brought to, and what is replayed for it; as it is without it */
  readonly recovery?: Recovery | undefined;
  /** Told of each step while it is carried out */
  readonly onStep?: OnStep | undefined;
}

/** Whether all of the backup is restored, so that what belongs to the whole database is, too. */
export function isWhole({ include, exclude }: Pick<RestoreRequest, 'include' | 'exclude'>): boolean {
  return include.length === 0 && exclude.length === 0;
}

/** A drill asks what the backup holds, and not what the server of the drill has. */
export function lostUnlessDrilled({
  roles,
}: {
  readonly roles?: RestoreRequest['roles'] | undefined;
}): true | undefined {
  return roles === 'throwaway' ? undefined : true;
}
