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

/** Raised when a description gains lines: what an older one lacks is no difference then. */
const version = 3;

/**
 * Describes a database for a comparison: its definitions, and in addition what replaying rows does not depend
 * on.
 *
 * @param session in a transaction with one snapshot, and as for `readDefinitions`
 * @param other the description of the database to compare with
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

/** Kinds that `readDefinitions` does not describe: rows can be replayed whatever these are. */
export const besideDefinitions: ReadonlySet<string> = new Set([
  'description',
  'large object',
  'rights',
  ...particularKinds,
]);

/** The version of a description; the first version does not state it. */
export function versionOf(description: readonly Definition[]): number {
  return Number(tellOfItself(description, '') ?? 1);
}

/** Whether the description has the first version, which does not state its version. */
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

/** Whether a line came with the second version. */
function cameSecond({ kind, name }: Definition): boolean {
  if (kind === 'owner') return laterOwner.test(name);
  const ofLargeObject = /^large object (\d+)$/.exec(name)?.[1];
  return laterKinds.has(kind) || (kind === 'comment' && Number(ofLargeObject) < firstUserOid);
}

/** Whether a line came with the third version. */
function cameThird({ kind, name }: Definition): boolean {
  return particularKinds.has(kind) || (kind === 'rights' && / to pg_\w+$/.test(name));
}

/** Keeps of two descriptions what both can hold, without the lines about the description itself. */
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

/** Kinds of lines, with the first major version of the server that has them. */
const sinceMajor: Readonly<Record<string, number>> = { maintain: 17, 'not null constraint': 18 };

/**
 * Removes the value of `streaming` where it is a default: `parallel` since 18, `off` before. pg_dump omits a
 * default, so a restore from before 18 into 18, or back, changes the value.
 */
function withoutStreaming(line: Definition): Definition {
  return line.kind === 'subscription details'
    ? { ...line, detail: line.detail.replace(/; streaming (?:off|parallel)/, '') }
    : line;
}

/**
 * Builds a filter for the first two versions. They held comments that pg_dump does not write, such as those
 * on row types, and foreign keys of partitions that repeat those of their parents.
 *
 * @returns whether a line is neither of these
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
