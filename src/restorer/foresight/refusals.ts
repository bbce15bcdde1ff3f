import type { TableEntry } from '../../format/manifest.ts';
import { type ArchiveEntry, describeEntry } from '../../postgres/client/table-of-contents.ts';
import { writePattern } from '../../values/table-patterns.ts';

/**
 * Why the server will refuse something, and what to do about it. Entries with the same `why` are reported
 * together.
 */
export interface Reason {
  /** A clause that follows “because” */
  readonly why: string;
  /** Whole sentences */
  readonly remedy: string;
  /** Set where the rule is not certain */
  readonly uncertain?: true;
}

/** The entries that one reason prevents. */
export interface RefusedGroup {
  readonly reason: Reason;
  /** In the archive's order */
  readonly direct: readonly ArchiveEntry[];
  /** Entries that need these */
  readonly following: readonly ArchiveEntry[];
}

/** Kinds that describe another object, or come with it. */
const attached = new Set([
  ...[
    'ACL',
    'COMMENT',
    'SECURITY LABEL',
    'SEQUENCE SET',
    'SEQUENCE OWNED BY',
    'TABLE ATTACH',
    'INDEX ATTACH',
  ],
  ...['STATISTICS DATA', 'MATERIALIZED VIEW DATA', 'ROW SECURITY'],
]);
const ofRelations = new Set([
  ...['CONSTRAINT', 'CHECK CONSTRAINT', 'FK CONSTRAINT', 'DEFAULT', 'INDEX', 'POLICY', 'RULE', 'STATISTICS'],
  ...['TRIGGER', 'TABLE DATA'],
]);
const relations = new Set(['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'FOREIGN TABLE']);

/**
 * Groups refused entries by reason, and adds to each group the entries that need them, directly or
 * indirectly.
 *
 * @param staysWithout whether an entry is restored although one that it needs is not
 */
export function followRefusals(
  entries: readonly ArchiveEntry[],
  findReason: (entry: ArchiveEntry) => Reason | undefined,
  staysWithout: (entry: ArchiveEntry, need: ArchiveEntry) => boolean,
): RefusedGroup[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const servers = new Map(
    entries.filter(({ kind }) => kind === 'SERVER').map(({ name, id }) => [` SERVER ${name}`, id]),
  );
  // pg_dump does not note which server a user mapping needs.
  const needsOf = ({ kind, name, needs }: ArchiveEntry): readonly number[] => {
    if (kind !== 'USER MAPPING') return needs;
    const at = [...name.matchAll(/ SERVER /g)].map(({ index }) => servers.get(name.slice(index)));
    return [...needs, ...at.filter((id) => id !== undefined)];
  };
  const cause = new Map<number, string>();
  const groups = new Map<string, { reason: Reason; direct: ArchiveEntry[]; following: ArchiveEntry[] }>();
  const findCause = (entry: ArchiveEntry): string | undefined => {
    const lacks = needsOf(entry).find((id) => {
      const need = byId.get(id);
      return need !== undefined && cause.has(id) && !staysWithout(entry, need);
    });
    return lacks === undefined ? undefined : cause.get(lacks);
  };
  for (const entry of entries) {
    const why = findCause(entry);
    const reason = why === undefined ? findReason(entry) : undefined;
    if (reason !== undefined) {
      cause.set(entry.id, reason.why);
      const group = groups.get(reason.why) ?? { reason, direct: [], following: [] };
      groups.set(reason.why, group);
      group.direct.push(entry);
    } else if (why !== undefined) {
      cause.set(entry.id, why);
      groups.get(why)?.following.push(entry);
    }
  }
  // In a circle of dependencies an entry may precede what it needs, so one pass is not enough.
  for (let before = -1; before !== cause.size; ) {
    before = cause.size;
    for (const entry of entries) {
      const why = cause.has(entry.id) ? undefined : findCause(entry);
      if (why === undefined) continue;
      cause.set(entry.id, why);
      groups.get(why)?.following.push(entry);
    }
  }
  return [...groups.values()].map(({ reason, direct, following }) => {
    const gone = new Set(
      [...direct, ...following].filter(({ kind }) => relations.has(kind)).map(({ id }) => id),
    );
    const isTold = ({ kind, needs }: ArchiveEntry) =>
      !attached.has(kind) && !(ofRelations.has(kind) && needs.some((id) => gone.has(id)));
    // When the server refuses only grants or other attached entries, the group is about these.
    const own = direct.filter(isTold);
    return { reason, direct: own.length === 0 ? direct : own, following: following.filter(isTold) };
  });
}

/** @param tables tables whose rows are to be restored, by oid in the source */
export function describeRefused(
  { reason, direct, following }: RefusedGroup,
  tables: ReadonlyMap<number, Pick<TableEntry, 'rows'>>,
): string {
  const { why, remedy, uncertain } = reason;
  const lead = uncertain ? 'The server may refuse' : 'The server will probably refuse';
  const more =
    following.length === 0
      ? ''
      : `; then what needs ${direct.length === 1 ? 'it' : 'them'} cannot be restored either: ${describeEntries(following, tables)}`;
  return `${lead} ${describeEntries(direct, tables)}, because ${why}${more}. ${remedy}`;
}

function describeEntries(
  entries: readonly ArchiveEntry[],
  tables: ReadonlyMap<number, Pick<TableEntry, 'rows'>>,
): string {
  const made = entries.filter(({ kind }) => kind === 'TABLE');
  const rows = made.reduce((sum, { oid }) => sum + (tables.get(oid)?.rows ?? 0), 0);
  const others = [...new Set(entries.filter(({ kind }) => kind !== 'TABLE').map(name))];
  return [
    ...(made.length === 0
      ? []
      : [
          `${count(made.length, 'table')} with ${count(rows, 'row')} (${listFew(made.map(({ schema = '', name }) => writePattern({ schema, name })))})`,
        ]),
    ...(others.length === 0 ? [] : [listFew(others)]),
  ].join(' and ');
}

/** Names an entry; the name of an ACL does not say that it holds grants. */
function name(entry: ArchiveEntry): string {
  const { kind, schema, name: of, owner } = entry;
  if (kind === 'DEFAULT ACL') return `default privileges of ${owner}`;
  return kind === 'ACL' ? `grants on ${schema === undefined ? '' : `${schema}.`}${of}` : describeEntry(entry);
}

const named = 5;

export function listFew(names: readonly string[]): string {
  const rest = names.length - named;
  return `${names.slice(0, named).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

export function count(amount: number, what: string): string {
  return `${amount.toLocaleString('en-US')} ${what}${amount === 1 ? '' : 's'}`;
}
