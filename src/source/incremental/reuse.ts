import type { Manifest } from '../../format/manifest.ts';
import type { TableChoice } from './range-choice.ts';

/** What a backup took over from its base. */
export interface Reuse {
  /** bytes of rows that were not read */
  readonly bytes: number;
  /** Whether the base's archive is that of the backup, too */
  readonly includesArchive: boolean;
  readonly tables: readonly TableReuse[];
}

export interface TableReuse {
  readonly schema: string;
  readonly name: string;
  /** bytes of its rows */
  readonly bytes: number;
  /** bytes of them that were not read */
  readonly reused: number;
  /** Whether anything of it was to be read, though it may have held no row */
  readonly isRead: boolean;
  /** Why it was; undefined when nothing was */
  readonly why: string | undefined;
}

/** @param manifest of the backup that was made of the choices */
export function measureReuse(manifest: Manifest, base: Manifest, choices: readonly TableChoice[]): Reuse {
  const entries = new Map(manifest.tables.map((table) => [table.oid, table]));
  const tables = choices.map((choice): TableReuse => {
    const { schema, name, oid } = choice.table;
    const reused = choice.reused
      .flatMap((slice) => slice.pieces)
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

/** pg_dump writes the time into an archive, so two of the same content are one. */
function namesOf({ archive, objects }: Manifest): string {
  return archive.objects.map((index) => objects[index]?.name).join();
}
