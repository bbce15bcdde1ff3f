import type { Manifest } from '../../format/manifest.ts';
import type { TableChoice } from './range-choice.ts';

/** What a backup took over from its base. */
export interface Reuse {
  /** bytes of rows that were not read */
  readonly bytes: number;
  /** Whether the archive of the base is also that of the backup */
  readonly includesArchive: boolean;
  readonly tables: readonly TableReuse[];
}

export interface TableReuse {
  readonly schema: string;
  readonly name: string;
  /** bytes of all rows of the table */
  readonly bytes: number;
  /** bytes of rows that were not read */
  readonly reused: number;
  /** Whether any range was to be read, even one that may have held no row */
  readonly isRead: boolean;
  /** Why ranges were to be read; undefined when none was */
  readonly why: string | undefined;
}

/**
 * Measures what a backup took over from its base.
 *
 * @param manifest of the backup that these choices led to
 */
export function measureReuse(manifest: Manifest, base: Manifest, choices: readonly TableChoice[]): Reuse {
  const entries = new Map(manifest.tables.map((table) => [table.oid, table]));
  const tables = choices.map((choice): TableReuse => {
    const { schema, name, oid } = choice.table;
    const reused = choice.reused
      .flatMap((rowRange) => rowRange.pieces)
      .reduce((sum, piece) => sum + piece.length, 0);
    const bytes = entries.get(oid)?.bytes ?? 0;
    return { schema, name, bytes, reused, isRead: choice.read.length > 0, why: choice.why };
  });
  return {
    bytes: tables.reduce((sum, { reused }) => sum + reused, 0),
    includesArchive: namesOf(base) === namesOf(manifest),
    tables,
  };
}

/**
 * Identifies an archive by its objects. pg_dump writes the time into an archive, so equal objects mean the
 * same archive.
 */
function namesOf({ archive, objects }: Manifest): string {
  return archive.objects.map((index) => objects[index]?.name).join();
}
