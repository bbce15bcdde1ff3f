import type { IntegrityError } from '../../runtime/errors.ts';
import { runTogether } from '../../runtime/workers.ts';
import { compare } from '../../values/ordering.ts';
import type { Repository } from '../open.ts';
import { type RecordContent, readRecords, type StoredRecord } from '../records.ts';
import { listManifests, type ManifestOutline } from './manifests.ts';
import { type Outlines, readOutlines } from './outlines.ts';

/** A backup as one who chooses among many sees it: what its manifest says, and what has become known since. */
export interface ShelvedBackup {
  readonly id: string;
  readonly kind: ManifestOutline['kind'];
  readonly purpose: ManifestOutline['purpose'];
  readonly label: string | null;
  /** By the source's clock; what the backup holds is as of then. */
  readonly snapshotAt: Date;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly base: string | null;
  readonly fullBecause: string | null;
  readonly totals: ManifestOutline['totals'];
  /** server_version_num */
  readonly serverVersion: number;
  /** What tells which captured changes it can be brought forward with: see recovery.ts */
  readonly source: ManifestOutline['source'];
  readonly encrypted: boolean;
  readonly pinned: boolean;
  /** When all of it was last read and found whole; null when it never was, or was found damaged since. */
  readonly verifiedAt: Date | null;
  /** When it was last found damaged; null when it never was, or when all of it was found whole since. */
  readonly damagedAt: Date | null;
  /** Its newest drill; null when it never had one. */
  readonly drilled: Drilled | null;
}

export interface Shelf {
  /** Newest snapshot first. */
  readonly backups: readonly ShelvedBackup[];
  /** Manifests that cannot be trusted, newest id first. What their backups would need is not known. */
  readonly damaged: readonly { readonly id: string; readonly message: string }[];
}

export interface ShelfOptions {
  /** Told of every manifest and record that cannot be trusted. Manifests are in `Shelf.damaged` too. */
  readonly onDamaged: (error: IntegrityError) => void;
  readonly signal?: AbortSignal;
  /** Told what was read, for one who keeps it: see `keepOutlines` */
  readonly onOutlines?: (outlines: Outlines) => void;
}

/**
 * Reads what is known of every backup of a repository. A backup that is removed meanwhile is left out.
 *
 * @throws StorageError when a manifest or a record cannot be read at all: a shelf that is not whole is no ground for a decision
 */
export async function readShelf(repository: Repository, options: ShelfOptions): Promise<Shelf> {
  const { onDamaged, signal = new AbortController().signal } = options;
  const [standings, outlines] = await runTogether<[Map<string, Standing>, Outlines]>(signal, [
    (stop) => readStandings(repository, onDamaged, stop),
    (stop) => readOutlines(repository, listManifests(repository), onDamaged, stop),
  ]);
  options.onOutlines?.(outlines);
  const backups = outlines.known.map(({ outline }) => shelve(outline, standings.get(outline.id)));
  const damaged = [...outlines.damaged];
  backups.sort(
    (one, other) => other.snapshotAt.getTime() - one.snapshotAt.getTime() || compare(other.id, one.id),
  );
  damaged.sort((one, other) => compare(other.id, one.id));
  return { backups, damaged };
}

function shelve(outline: ManifestOutline, standing: Standing = {}): ShelvedBackup {
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
    pinned: standing.pinned ?? outline.pin,
    verifiedAt: standing.verifiedAt ?? null,
    damagedAt: standing.damagedAt ?? null,
    drilled: standing.drilled ?? null,
  };
}

/** What records say about a backup; a field is absent where none does. */
export interface Standing {
  pinned?: boolean;
  /** When a record last pinned or unpinned it. */
  pinnedAt?: Date;
  verifiedAt?: Date;
  damagedAt?: Date;
  /** The newest drill of it */
  drilled?: Drilled;
}

/** What a drill has shown. */
export interface Drilled {
  readonly at: Date;
  readonly passed: boolean;
  /** milliseconds until the restored database could have been used; null when it never could */
  readonly recovery: number | null;
}

/** @throws StorageError when a record cannot be read at all */
export async function readStandings(
  repository: Repository,
  onDamaged: (error: IntegrityError) => void,
  signal?: AbortSignal,
): Promise<Map<string, Standing>> {
  const [pins, validations, drills] = await Promise.all([
    readRecords(repository, 'pins', onDamaged, { signal }),
    readRecords(repository, 'validations', onDamaged, { signal }),
    readRecords(repository, 'drills', onDamaged, { signal }),
  ]);
  return weighRecords(pins, validations, drills);
}

/**
 * What records, oldest first, say of each backup. Only a run that read everything verifies a backup, or clears it of damage found
 * before: one that read a share may have passed over what is damaged. For the same reason it does not take back what a whole run
 * has found.
 */
export function weighRecords(
  pins: readonly StoredRecord<'pins'>[],
  validations: readonly StoredRecord<'validations'>[],
  drills: readonly StoredRecord<'drills'>[] = [],
): Map<string, Standing> {
  const standings = new Map<string, Standing>();
  const standingOf = (id: string): Standing => {
    const standing = standings.get(id) ?? {};
    standings.set(id, standing);
    return standing;
  };
  for (const { at, content } of pins) {
    const standing = standingOf(content.backup);
    standing.pinned = content.pinned;
    standing.pinnedAt = at;
  }
  for (const { at, content } of validations) {
    for (const { id, outcome } of content.backups) {
      const standing = standingOf(id);
      if (outcome === 'damaged') {
        standing.damagedAt = at;
        delete standing.verifiedAt;
      } else if (content.share === 1) {
        standing.verifiedAt = at;
        delete standing.damagedAt;
      }
    }
    for (const id of content.retracted?.backups ?? []) delete standingOf(id).damagedAt;
  }
  for (const { at, content } of drills) {
    const standing = standingOf(content.backup);
    const passed = content.outcome === 'passed';
    // The data came back as it was, and a question about it got another answer: no reason to doubt an earlier proof of the data.
    if (!passed && standing.drilled?.passed && isAboutAnswers(content)) continue;
    standing.drilled = { at, passed, recovery: content.recovery };
    // Every byte of it was read, and what came of them is what was recorded: more than a validation does.
    const known = standing.verifiedAt ?? standing.damagedAt;
    if (passed && (known === undefined || known < at)) {
      standing.verifiedAt = at;
      delete standing.damagedAt;
    }
  }
  return standings;
}

/** Older versions did not say where a drill failed. */
function isAboutAnswers({ fault, parity, checks }: RecordContent<'drills'>): boolean {
  if (fault !== undefined) return parity === true && (fault === 'checks' || fault === 'command');
  return parity === true && checks.failed.length > 0;
}
