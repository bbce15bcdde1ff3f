import type { Definition } from '../../format/supplement.ts';
import { splitDetail, withoutMarks } from '../../postgres/catalog/printed-text.ts';
import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';

/** The definitions of the source by entry of the archive, whose table of contents has only names. */
export class DefinitionIndex {
  readonly #details: ReadonlyMap<string, string>;
  readonly #places: ReadonlyMap<string, string>;

  constructor(definitions: readonly Definition[]) {
    const details = new Map<string, string>();
    const places = new Map<string, string>();
    for (const { kind, schema, relation, name, detail } of definitions) {
      if (kind === 'tablespace') places.set(identify(schema, name === '' ? relation : name), detail);
      else if (relation === null) details.set(identify(kind, schema, name), detail);
      else if (kind === 'constraint') details.set(identify(kind, schema, `${relation} ${name}`), detail);
    }
    this.#details = details;
    this.#places = places;
  }

  /**
   * The detail without the expressions that a server prints in its own words; undefined where the backup has
   * no such line.
   */
  find(kind: string, schema: string | undefined, name: string): string | undefined {
    const detail = this.#details.get(identify(kind, schema ?? null, name));
    return detail === undefined ? undefined : splitDetail(detail).parts.join('');
  }

  findRoutine({ kind, schema, name }: ArchiveEntry): string | undefined {
    return this.find('function', schema, kind === 'AGGREGATE' ? name.replace(/\(\*\)$/, '()') : name);
  }

  /** Whether a constraint has an index of its name. */
  isIndexed({ schema, name }: ArchiveEntry): boolean {
    const detail = this.#details.get(identify('constraint', schema ?? null, name));
    return /^(?:PRIMARY KEY|UNIQUE|EXCLUDE)/.test(withoutMarks(detail ?? ''));
  }

  /** The tablespace that a table or an index was in, where it was not that of the database. */
  findTablespace({ kind, schema, name }: ArchiveEntry): string | undefined {
    if (kind === 'TABLE' || kind === 'MATERIALIZED VIEW' || kind === 'INDEX') {
      return this.#places.get(identify(schema ?? null, name));
    }
    if (kind !== 'CONSTRAINT') return undefined;
    // The name of the table, which comes first, may contain spaces.
    const at = [...name.matchAll(/ /g)].map(({ index }) => name.slice(index + 1));
    return at
      .map((index) => this.#places.get(identify(schema ?? null, index)))
      .find((place) => place !== undefined);
  }

  /** The access method of a table, where it is not heap. */
  findAccessMethod({ kind, schema, name }: ArchiveEntry): string | undefined {
    if (kind !== 'TABLE') return undefined;
    return /(?:^|; )access method ([^;]+)/.exec(this.find('table', schema, name) ?? '')?.[1];
  }
}

/** A table of contents replaces line breaks in names by spaces. */
function identify(...parts: readonly (string | null)[]): string {
  return parts.map((part) => (part ?? '').replaceAll(/[\n\r]/g, ' ')).join('\0');
}
