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
  /** The kind of the target; `auto`, the default, detects it */
  readonly targetKind?: TargetKind | 'auto';
  /** `refuse`, the default: a target that is not empty is a configuration error */
  readonly occupied?: 'refuse' | 'accept';
  /**
   * `scratch`: the target is dropped again; nothing outside of its database is altered, and no job is
   * scheduled.
   */
  readonly roles?: 'scratch';
  /**
   * Default privileges that a project has in the end: the narrower of both sides, which is the default, or
   * the source's
   */
  readonly defaultPrivileges?: 'narrower' | 'source';
  /** Whether the target is production, so that jobs may act from now on; false by default */
  readonly live?: boolean;
  /** Checks of the restored database. One that cannot be answered is refused before rows are loaded */
  readonly checks?: readonly string[];
  /** The recovery target and the changes to replay; undefined to restore the backup as it is */
  readonly recovery?: Recovery | undefined;
  /** Called before each step begins */
  readonly onStep?: OnStep | undefined;
}

/** Whether all of the backup is restored, so that what belongs to the whole database is, too. */
export function isWhole({ include, exclude }: Pick<RestoreRequest, 'include' | 'exclude'>): boolean {
  return include.length === 0 && exclude.length === 0;
}

/**
 * How an omission counts that the server is the reason for: as lost, except in a drill, which tests the
 * backup and not its server.
 */
export function lostUnlessDrilled({
  roles,
}: {
  readonly roles?: RestoreRequest['roles'] | undefined;
}): true | undefined {
  return roles === 'scratch' ? undefined : true;
}
