import type { SequenceState } from '../../format/manifest.ts';
import type { ClientTools } from '../../postgres/client/find.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import type { Snapshot } from '../../source/snapshot/snapshot.ts';
import type { Destination } from './destination.ts';
import type { BackupRequest } from './request.ts';

/** What is copied, and where. */
export interface CopyRequest extends Pick<BackupRequest, 'backupType' | 'source'> {
  readonly settings: ConnectionSettings;
  readonly client: ClientTools;
  readonly snapshot: Snapshot;
  readonly destination: Destination;
  /** As the snapshot's lead session has read them */
  readonly sequences: readonly SequenceState[];
}
