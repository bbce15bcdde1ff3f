import type { IntegrityError } from '../../runtime/errors.ts';
import { runTogether } from '../../runtime/workers.ts';
import { compare } from '../../values/ordering.ts';
import type { Repository } from '../open.ts';
import { type RecordContent, readRecords, type StoredRecord } from '../records.ts';
import { listManifests, type ManifestOutline } from './manifests.ts';
import { type Outlines, readOutlines } from './outlines.ts';

/** A backup in a list of many: what its manifest says, and what became known since. */
export interface BackupSummary {
  readonly id: string;
  readonly kind: ManifestOutline['kind'];
  readonly purpose: ManifestOutline['purpose'];
  readonly label: string | null;
  /** By the source's clock; the backup holds the database as of then. */
  readonly snapshotAt: Date;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly base: string | null;
  readonly fullBecause: string | null;
  readonly totals: ManifestOutline['totals'];
  /** server_version_num */
  readonly serverVersion: number;
  /** Determines which captured changes can be replayed on it: see changes/recoverable.ts. */
  readonly source: ManifestOutline['source'];
  readonly encrypted: boolean;
  readonly pinned: boolean;
  /** When all of it was last read and found intact; null when it never was, or was found damaged since. */
  readonly verifiedAt: Date | null;
  /** When it was last found damaged; null when it never was, or when all of it was found intact since. */
  readonly damagedAt: Date | null;
  /** Its newest drill; null when it never had one. */
  readonly drilled: Drilled | null;
}

export interface Catalog {
  /** Newest snapshot first. */
  readonly backups: readonly BackupSummary[];
  /** Manifests that cannot be trusted, newest id first. The objects that their backups need are unknown. */
  readonly damaged: readonly { readonly id: string; readonly message: string }[];
}

export interface CatalogOptions {
  /** Receives every manifest and record that cannot be trusted. Manifests are in `Catalog.damaged` too. */
  readonly onDamaged: (error: IntegrityError) => void;
  readonly signal?: AbortSignal;
  /** Receives the outlines that were read, for a caller that caches them: see `keepOutlines`. */
  readonly onOutlines?: (outlines: Outlines) => void;
}

/**
 * Reads what is known of every backup of a repository. A backup that is removed meanwhile is left out.
 *
 * @throws StorageError when a manifest or a record cannot be read at all: an incomplete catalog must not be
 * the basis of a decision
 */
export async function readCatalog(repository: Repository, options: CatalogOptions): Promise<Catalog> {
  const { onDamaged, signal = new AbortController().signal } = options;
  const [states, outlines] = await runTogether<[Map<string, RecordedState>, Outlines]>(signal, [
    (stop) => readRecordedStates(repository, onDamaged, stop),
    (stop) => readOutlines(repository, listManifests(repository), onDamaged, stop),
  ]);
  options.onOutlines?.(outlines);
  const backups = outlines.known.map(({ outline }) => summarize(outline, states.get(outline.id)));
  const damaged = [...outlines.damaged];
  backups.sort(
    (one, other) => other.snapshotAt.getTime() - one.snapshotAt.getTime() || compare(other.id, one.id),
  );
  damaged.sort((one, other) => compare(other.id, one.id));
  return { backups, damaged };
}

function summarize(outline: ManifestOutline, state: RecordedState = {}): BackupSummary {
  return {
    id: outline.id,
    kind: outline.kind,
    purpose: outline.purpose,
    label: outline.label,
    snapshotAt: new Date(outline.source.snapshotAt),
    startedAt: new Date(outline.startedAt),
    finishedAt: new Date(outline.finishedAt),
    base: outline.base,
    fullBecause: outline.fullBecause,
    totals: outline.totals,
    serverVersion: outline.source.serverVersion,
    source: outline.source,
    encrypted: outline.encryption.scheme !== 'none',
    pinned: state.pinned ?? outline.pin,
    verifiedAt: state.verifiedAt ?? null,
    damagedAt: state.damagedAt ?? null,
    drilled: state.drilled ?? null,
  };
}

/** What records say about a backup; a field is absent when no record says it. */
export interface RecordedState {
  pinned?: boolean;
  /** When a record last pinned or unpinned it. */
  pinnedAt?: Date;
  verifiedAt?: Date;
  damagedAt?: Date;
  /** The backup's newest drill */
  drilled?: Drilled;
}

/** The result of a drill. */
export interface Drilled {
  readonly at: Date;
  readonly passed: boolean;
  /** milliseconds until the restored database could have been used; null when it never could */
  readonly recovery: number | null;
}

/**
 * Reads what records say about each backup, by id.
 *
 * @throws StorageError when a record cannot be read at all
 */
export async function readRecordedStates(
  repository: Repository,
  onDamaged: (error: IntegrityError) => void,
  signal?: AbortSignal,
): Promise<Map<string, RecordedState>> {
  const [pins, validations, drills] = await Promise.all([
    readRecords(repository, 'pins', onDamaged, { signal }),
    readRecords(repository, 'validations', onDamaged, { signal }),
    readRecords(repository, 'drills', onDamaged, { signal }),
  ]);
  return gatherRecords(pins, validations, drills);
}

/**
 * Derives from records, oldest first, what they say about each backup. Only a validation that read everything
 * verifies a backup, or clears it of damage found before: one that read a share may have missed the damage.
 * For the same reason a share that passed does not revoke what a whole validation found.
 */
export function gatherRecords(
  pins: readonly StoredRecord<'pins'>[],
  validations: readonly StoredRecord<'validations'>[],
  drills: readonly StoredRecord<'drills'>[] = [],
): Map<string, RecordedState> {
  const states = new Map<string, RecordedState>();
  const stateOf = (id: string): RecordedState => {
    const state = states.get(id) ?? {};
    states.set(id, state);
    return state;
  };
  for (const { at, content } of pins) {
    const state = stateOf(content.backup);
    state.pinned = content.pinned;
    state.pinnedAt = at;
  }
  for (const { at, content } of validations) {
    for (const { id, outcome } of content.backups) {
      const state = stateOf(id);
      if (outcome === 'damaged') {
        state.damagedAt = at;
        delete state.verifiedAt;
      } else if (content.share === 1) {
        state.verifiedAt = at;
        delete state.damagedAt;
      }
    }
    for (const id of content.retracted?.backups ?? []) delete stateOf(id).damagedAt;
  }
  for (const { at, content } of drills) {
    const state = stateOf(content.backup);
    const passed = content.outcome === 'passed';
    // The data came back intact, and only a check of it failed: no reason to doubt an earlier proof of the
    // data.
    if (!passed && state.drilled?.passed && isAboutAnswers(content)) continue;
    state.drilled = { at, passed, recovery: content.recovery };
    // A drill reads every byte and compares what came of it with the record: it proves more than a
    // validation.
    const known = state.verifiedAt ?? state.damagedAt;
    if (passed && (known === undefined || known < at)) {
      state.verifiedAt = at;
      delete state.damagedAt;
    }
  }
  return states;
}

/**
 * Tells whether a drill restored the data correctly, and only the checks or the command failed. Records of
 * older versions do not say where a drill failed.
 */
function isAboutAnswers({ fault, parity, checks }: RecordContent<'drills'>): boolean {
  if (fault !== undefined) return parity === true && (fault === 'checks' || fault === 'command');
  return parity === true && checks.failed.length > 0;
}
