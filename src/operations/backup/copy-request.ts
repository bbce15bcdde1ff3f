import type { SequenceState } from '../../format/manifest.ts';
import type { ClientTools } from '../../postgres/client/find.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import type { Snapshot } from '../../source/snapshot/snapshot.ts';
import type { Destination } from './destination.ts';
import type { BackupRequest } from './request.ts';

/** The source and the destination of a copy. */
export interface CopyRequest extends Pick<BackupRequest, 'backupType' | 'source'> {
  readonly settings: ConnectionSettings;
  readonly client: ClientTools;
  readonly snapshot: Snapshot;
  readonly destination: Destination;
  /** As the lead session of the snapshot read them */
  readonly sequences: readonly SequenceState[];
}
