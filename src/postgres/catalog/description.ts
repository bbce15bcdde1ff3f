import type { Definition } from '../../format/supplement.ts';
import { unquoteIdentifier } from '../identifier.ts';
import type { Session } from '../session/connection.ts';
import { readDefinitions } from './definitions.ts';
import { firstUserOid } from './facts.ts';
import { readLargeObjects } from './large-objects.ts';
import { laterOwner } from './ownership-queries.ts';
import { particularKinds, readParticulars } from './particulars.ts';
import { unescapeText } from './printed-text.ts';
import { readSystemRights } from './system-rights.ts';

/** Raised when more is told of a database than before: what an older description lacks is then no difference. */
const version = 3;

/**
 * All that is told of a database for a comparison: its definitions, and besides them what no change of rows depends on.
 *
 * @param session in a transaction with one snapshot, and as of `readDefinitions`
 * @param other the description of the database that it is to be compared with
 */
export async function readDescription(
  session: Session,
  other: readonly Definition[] = [],
): Promise<Definition[]> {
  const itself = { kind: 'description', schema: null, relation: null };
  const parts = await Promise.all([
    readDefinitions(session),
    readParticulars(session),
    readLargeObjects(session),
    readSystemRights(session, other),
  ]);
  return [
    { ...itself, name: '', detail: String(version) },
    { ...itself, name: 'server', detail: String(Math.trunc(session.serverVersion / 10_000)) },
    ...parts.flat(),
  ];
}

/** Kinds that `readDefinitions` does not tell: rows can be replayed on a database whatever these are. */
export const besideDefinitions: ReadonlySet<string> = new Set([
  'description',
  'large object',
  'rights',
  ...particularKinds,
]);

/** Which version it has; the first did not say so. */
export function versionOf(description: readonly Definition[]): number {
  return Number(tellOfItself(description, '') ?? 1);
}

/** Whether it was made before descriptions said which version they have. */
export function isFirstVersion(description: readonly Definition[]): boolean {
  return versionOf(description) < 2;
}

function tellOfItself(description: readonly Definition[], name: string): string | undefined {
  return description.find((line) => line.kind === 'description' && line.name === name)?.detail;
}

const laterKinds: ReadonlySet<string> = new Set([
  'description',
  'large object',
  'rights',
  'grant option',
  'column order',
  'tablespace',
  'operator family members',
  'database',
]);

/** Whether a description of the first version, which does not say that it is one, has no such line. */
function cameSecond({ kind, name }: Definition): boolean {
  if (kind === 'owner') return laterOwner.test(name);
  const ofLargeObject = /^large object (\d+)$/.exec(name)?.[1];
  return laterKinds.has(kind) || (kind === 'comment' && Number(ofLargeObject) < firstUserOid);
}

/** Whether a description of the second version has no such line. */
function cameThird({ kind, name }: Definition): boolean {
  return particularKinds.has(kind) || (kind === 'rights' && / to pg_\w+$/.test(name));
}

/** Of two descriptions what both can tell, without the lines that tell of themselves. */
export function matchDescriptions(
  expected: readonly Definition[],
  found: readonly Definition[],
): { readonly expected: readonly Definition[]; readonly found: readonly Definition[] } {
  const [isFirst, isOlder] = [versionOf(expected) < 2, versionOf(expected) < 3];
  const [major, other] = [expected, found].map((lines) => Number(tellOfItself(lines, 'server') ?? 0)) as [
    number,
    number,
  ];
  const isTold = ({ kind }: Definition) =>
    kind !== 'description' && Math.min(major, other) >= (sinceMajor[kind] ?? 0);
  const isSaid = isOlder ? findSaid(expected) : () => true;
  const match = (lines: readonly Definition[]) =>
    lines.filter(isTold).map((line) => (major < 18 === other < 18 ? line : withoutStreaming(line)));
  return {
    expected: match(expected).filter(isSaid),
    found: match(found)
      .filter((line) => !(isFirst && cameSecond(line)) && !(isOlder && cameThird(line)))
      .map((line) => (isOlder ? { ...line, detail: unescapeText(line.detail) } : line)),
  };
}

/** What servers before a major do not know */
const sinceMajor: Readonly<Record<string, number>> = { maintain: 17, 'not null constraint': 18 };

/** From 18 on it is `parallel` where nothing is said, and `off` before: so that a dump of 15 says nothing of what is off. */
function withoutStreaming(line: Definition): Definition {
  return line.kind === 'subscription details'
    ? { ...line, detail: line.detail.replace(/; streaming (?:off|parallel)/, '') }
    : line;
}

/**
 * The first two versions told comments that pg_dump passes over, on row types and the like, and keys of partitions that say what their
 * parents' say.
 *
 * @returns whether a line is none of these
 */
function findSaid(description: readonly Definition[]): (line: Definition) => boolean {
  const named = (schema: string | null, name: string) => JSON.stringify([schema, name]);
  const types = new Set(
    description.flatMap((line) => (line.kind === 'type' ? [named(line.schema, line.name)] : [])),
  );
  const parents = new Map(
    description.flatMap(({ kind, schema, name, detail }): [string, string][] => {
      const [, home = '', parent = ''] = (kind === 'table' && partitionOf.exec(detail)) || [];
      return home === ''
        ? []
        : [[named(schema, name), named(unquoteIdentifier(home), unquoteIdentifier(parent))]];
    }),
  );
  const isKey = ({ kind, detail }: Definition) => kind === 'constraint' && detail.startsWith('FOREIGN KEY ');
  const keys = new Set(
    description
      .filter(isKey)
      .map(({ schema, relation, detail }) => `${named(schema, relation ?? '')} ${detail}`),
  );
  return (line) => {
    const type = line.kind === 'comment' ? ofType.exec(line.name)?.[1] : undefined;
    if (type !== undefined) return types.has(named(line.schema, unquoteIdentifier(type)));
    if (!isKey(line)) return true;
    for (
      let at = parents.get(named(line.schema, line.relation ?? ''));
      at !== undefined;
      at = parents.get(at)
    ) {
      if (keys.has(`${at} ${line.detail}`)) return false;
    }
    return true;
  };
}

const identifier = '(?:"(?:[^"]|"")*"|[^". ]+)';
const partitionOf = new RegExp(`(?:^|; )partition of (${identifier})\\.(${identifier}) `);
const ofType = new RegExp(`^type ${identifier}\\.(${identifier}(?:\\[\\])?)$`);
