import type { Definition } from '../../format/supplement.ts';
import { readDefinitions } from '../../postgres/catalog/definitions.ts';
import { type ArchiveEntry, describeEntry } from '../../postgres/client/table-of-contents.ts';
import { quoteQualified } from '../../postgres/identifier.ts';
import type { Session } from '../../postgres/session/connection.ts';
import { applySettings } from '../../postgres/session/output-settings.ts';
import { writePattern } from '../../values/table-patterns.ts';
import type { FittedPart } from './part.ts';

/** How a target in use differs from the backup that it gets a part of. */
export interface PartDifferences {
  /**
   * Types and partitioned tables that stay as the target has them, and that rows or partitions of the backup
   * may not fit
   */
  readonly misfits: readonly string[];
  /** Sequences that columns of the part need, and that other columns own by now */
  readonly takenSequences: readonly string[];
  /**
   * What is dropped with the replaced tables and does not come back, because the backup lacks it; the gravest
   * first
   */
  readonly surplus: readonly string[];
}

/**
 * Compares with the backup what stays in the target, and what is replaced.
 *
 * @param expected the definitions of the backup
 * @param contents all of the archive
 */
export async function findDifferences(
  session: Session,
  { kept, selection, replaced }: Pick<FittedPart, 'kept' | 'selection' | 'replaced'>,
  expected: readonly Definition[],
  contents: readonly ArchiveEntry[],
  encoding: string,
): Promise<PartDifferences> {
  await applySettings(session, encoding);
  const lines = new DefinitionPair(expected, await readDefinitions(session));
  const byId = new Map(contents.map((entry) => [entry.id, entry]));
  const coming = new Set(selection.entries.map(({ id }) => id));
  const roots = new Set(
    selection.entries.flatMap(({ kind, needs }) => {
      const [child, parent] = kind === 'TABLE ATTACH' ? needs : [];
      const root = parent === undefined ? undefined : byId.get(parent);
      return child !== undefined && coming.has(child) && root && kept.includes(root) ? [root] : [];
    }),
  );
  return {
    misfits: [
      ...kept.filter((entry) => lines.isOtherType(entry)).map((entry) => describeEntry(entry)),
      ...[...roots].filter((root) => lines.isOtherRoot(root)).map((entry) => describeEntry(entry)),
    ],
    takenSequences: await findOwned(session, kept, byId, coming),
    surplus: lines.findSurplus(new Set(replaced.names)),
  };
}

async function findOwned(
  session: Session,
  kept: readonly ArchiveEntry[],
  byId: ReadonlyMap<number, ArchiveEntry>,
  coming: ReadonlySet<number>,
): Promise<string[]> {
  const sequences = kept.filter(
    ({ kind, needs }) =>
      kind === 'SEQUENCE' && needs.some((id) => coming.has(id) && byId.get(id)?.kind === 'TABLE'),
  );
  const owned: string[] = [];
  for (const sequence of sequences) {
    const [row] = await session.query(
      `SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = to_regclass($1) AND d.deptype IN ('a', 'i')
         AND d.refclassid = 'pg_class'::regclass`,
      [quoteQualified(sequence.schema ?? '', sequence.name)],
    );
    if (row !== undefined) owned.push(writePattern({ schema: sequence.schema ?? '', name: sequence.name }));
  }
  return owned;
}

/**
 * What a table can have besides its rows; row level security first, because without it more rows can be seen
 */
const belongings = [
  ...['row level security', 'policy', 'column', 'trigger', 'rule', 'constraint', 'index', 'grant'],
  ...['statistics object', 'replica identity'],
];

class DefinitionPair {
  readonly #expected: ReadonlyMap<string, Definition>;
  readonly #found: ReadonlyMap<string, Definition>;
  /** Columns in both, by relation */
  readonly #columns: Readonly<Record<'expected' | 'found', ReadonlyMap<string, readonly Definition[]>>>;

  constructor(expected: readonly Definition[], found: readonly Definition[]) {
    const index = (lines: readonly Definition[]) => new Map(lines.map((line) => [identify(line), line]));
    const columns = (lines: readonly Definition[]) =>
      Map.groupBy(
        lines.filter(({ kind }) => kind === 'column'),
        ({ schema, relation }) => `${schema}.${relation}`,
      );
    this.#expected = index(expected);
    this.#found = index(found);
    this.#columns = { expected: columns(expected), found: columns(found) };
  }

  /** Whether the target's type may not accept values of the backup's. */
  isOtherType({ kind, schema = '', name }: ArchiveEntry): boolean {
    if (kind !== 'TYPE' && kind !== 'DOMAIN') return false;
    const key = identify({ kind: 'type', schema, relation: null, name });
    const [wanted, there] = [this.#expected.get(key)?.detail, this.#found.get(key)?.detail];
    if (wanted === undefined) return false;
    if (there === undefined) return true;
    if (wanted.startsWith('enum (') && there.startsWith('enum (')) {
      const labels = new Set(readLabels(there));
      return !readLabels(wanted).every((label) => labels.has(label));
    }
    return normalize(wanted) !== normalize(there);
  }

  /** Whether the target's table may not accept a partition of the backup's. */
  isOtherRoot({ schema = '', name }: ArchiveEntry): boolean {
    const key = identify({ kind: 'table', schema, relation: null, name });
    const method = (line: Definition | undefined) =>
      /partition(?:ed)? by [^;]*/i.exec(line?.detail ?? '')?.[0];
    if (method(this.#expected.get(key)) !== method(this.#found.get(key))) return true;
    const shape = (of: 'expected' | 'found') =>
      (this.#columns[of].get(`${schema}.${name}`) ?? [])
        .map(({ name: column, detail }) => `${column} ${detail.split(';', 1)[0]}`)
        .toSorted()
        .join('\n');
    return shape('expected') !== shape('found');
  }

  /** @param replaced names of tables, `schema.name` */
  findSurplus(replaced: ReadonlySet<string>): string[] {
    const isOf = ({ schema, relation }: Definition) =>
      relation !== null && replaced.has(`${schema}.${relation}`);
    const comesBack = ({ schema, relation }: Definition) =>
      this.#expected.has(identify({ kind: 'table', schema, relation: null, name: relation ?? '' }));
    return [...this.#found.values()]
      .filter(
        (line) =>
          belongings.includes(line.kind) &&
          isOf(line) &&
          comesBack(line) &&
          !this.#expected.has(identify(line)),
      )
      .toSorted((one, other) => belongings.indexOf(one.kind) - belongings.indexOf(other.kind))
      .map(
        ({ kind, schema, relation, name }) => `${kind} ${schema}.${relation}${name === '' ? '' : ` ${name}`}`,
      );
  }
}

function identify({ kind, schema, relation, name }: Omit<Definition, 'detail'>): string {
  return JSON.stringify([kind, schema, relation, name]);
}

function readLabels(detail: string): string[] {
  return detail.match(/'(?:[^']|'')*'/g) ?? [];
}

/** Removes casts, parentheses and white space, which an expression gains on its way through a dump. */
function normalize(detail: string): string {
  const bare = detail.replaceAll(/::(?:"[^"]*"|[\w .]+)(?:\(\d+(?:,\d+)?\))?(?:\[\])*/g, '');
  return [...bare].filter((character) => character > ' ' && character !== '(' && character !== ')').join('');
}
