import type {
  BackupPurpose,
  Manifest,
  Piece,
  SequenceState,
  StoredObject,
  TableEntry,
} from '../../format/manifest.ts';
import { toolName, toolVersion } from '../../runtime/version.ts';
import { compare } from '../../values/ordering.ts';

/** A piece whose object has been stored. */
interface StoredPiece {
  readonly holder: { readonly object?: { readonly name: string } };
  readonly offset: number;
  readonly length: number;
}

interface CopiedTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly relfilenode: number;
  readonly fingerprint: string;
  readonly persistence: 'permanent' | 'unlogged';
  readonly columns: readonly string[];
  readonly root: { readonly schema: string; readonly name: string } | undefined;
}

/** Everything that a run has found and stored. */
export interface ManifestParts {
  readonly id: string;
  readonly kind: Manifest['kind'];
  readonly purpose: BackupPurpose;
  readonly base: string | null;
  readonly fullBecause: string | null;
  readonly label: string | null;
  readonly pin: boolean;
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly source: Manifest['source'];
  readonly recipients: readonly string[];
  readonly archive: readonly StoredPiece[];
  readonly supplement: readonly StoredPiece[];
  /** Objects to which no other part refers (docs/format.md, extras) */
  readonly extras: readonly StoredPiece[];
  readonly rowRanges: readonly {
    readonly rowRange: { readonly table: CopiedTable; readonly from: number; readonly to: number | null };
    readonly rows: number;
    readonly places: string | null;
    readonly pieces: readonly StoredPiece[];
  }[];
  readonly facts: {
    readonly sequences: readonly SequenceState[];
    /** The same sequences, read after the archive was written */
    readonly latest: readonly SequenceState[];
    readonly objects: Manifest['facts']['objects'];
    readonly roles: readonly string[];
    readonly extensions: Manifest['facts']['extensions'];
  };
  readonly notCarried: Manifest['notCarried'];
  /** stored bytes that this run added */
  readonly added: number;
  readonly durations: Manifest['durations'];
}

/** Builds the manifest of a finished run: each object once, tables and ranges in a stable order. */
export function assembleManifest(parts: ManifestParts): Manifest {
  const { objects, place } = startPlacing();
  const archive = place(parts.archive);
  const supplement = place(parts.supplement);
  const tables = assembleTables(parts.rowRanges, place);
  place(parts.extras);
  return {
    format: 2,
    tool: { name: toolName, version: toolVersion },
    id: parts.id,
    kind: parts.kind,
    purpose: parts.purpose,
    base: parts.base,
    fullBecause: parts.fullBecause,
    label: parts.label,
    pin: parts.pin,
    startedAt: parts.startedAt.toISOString(),
    finishedAt: parts.finishedAt.toISOString(),
    source: parts.source,
    encryption:
      parts.recipients.length === 0
        ? { scheme: 'none' }
        : { scheme: 'age', recipients: [...parts.recipients] },
    totals: {
      rows: tables.reduce((sum, table) => sum + table.rows, 0),
      bytes: tables.reduce((sum, table) => sum + table.bytes, sumBytes(archive) + sumBytes(supplement)),
      stored: objects.reduce((sum, object) => sum + object.stored, 0),
      added: parts.added,
    },
    notCarried: parts.notCarried,
    durations: parts.durations,
    // Fields that a list of many backups does not read come last: see readOutline.
    objects,
    archive: { bytes: sumBytes(archive), objects: archive.map((piece) => piece.object) },
    supplement: { bytes: sumBytes(supplement), objects: supplement.map((piece) => piece.object) },
    tables,
    facts: {
      sequences: assembleSequences(parts.facts),
      objects: parts.facts.objects,
      roles: [...parts.facts.roles],
      extensions: parts.facts.extensions,
    },
  };
}

type DatabasePlace = (pieces: readonly StoredPiece[]) => Piece[];

/** The list of objects, which grows as pieces get their places in it. */
function startPlacing(): { readonly objects: StoredObject[]; readonly place: DatabasePlace } {
  const objects: StoredObject[] = [];
  const indexes = new Map<string, number>();
  const place: DatabasePlace = (pieces) =>
    pieces.map((piece) => {
      const object = piece.holder.object as StoredObject | undefined;
      if (!object) throw new Error('a piece was never stored');
      const index = indexes.get(object.name) ?? objects.push(object) - 1;
      indexes.set(object.name, index);
      return { object: index, offset: piece.offset, length: piece.length };
    });
  return { objects, place };
}

function assembleTables(all: ManifestParts['rowRanges'], place: DatabasePlace): TableEntry[] {
  const tables = [...Map.groupBy(all, ({ rowRange }) => rowRange.table.oid).values()].map(
    (rowRanges): TableEntry => {
      const ranges = rowRanges
        .toSorted((one, other) => one.rowRange.from - other.rowRange.from)
        .map(({ rowRange, rows, places, pieces }) => ({
          from: rowRange.from,
          to: rowRange.to,
          rows,
          places,
          pieces: place(pieces),
        }));
      const { oid, schema, name, relfilenode, persistence, fingerprint, columns, root } = (
        rowRanges[0] as (typeof rowRanges)[number]
      ).rowRange.table;
      return {
        schema,
        name,
        oid,
        relfilenode,
        persistence,
        fingerprint,
        columns: [...columns],
        root: root ?? null,
        rows: ranges.reduce((sum, range) => sum + range.rows, 0),
        bytes: sumBytes(ranges.flatMap((range) => range.pieces)),
        ranges,
      };
    },
  );
  return tables.sort((one, other) => compare(one.schema, other.schema) || compare(one.name, other.name));
}

/** Each sequence as the snapshot's archive has it, and how far it has come since, where it has. */
function assembleSequences(facts: ManifestParts['facts']): Manifest['facts']['sequences'] {
  const keyOf = ({ schema, name }: SequenceState) => JSON.stringify([schema, name]);
  const latest = new Map(facts.latest.map((state) => [keyOf(state), state]));
  return facts.sequences.map((state) => {
    const later = latest.get(keyOf(state));
    const moved =
      later !== undefined && (later.lastValue !== state.lastValue || later.isCalled !== state.isCalled);
    return { ...state, latest: moved ? later.lastValue : null };
  });
}

function sumBytes(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}
