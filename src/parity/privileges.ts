import type { Privilege } from '../format/supplement.ts';
import { selectRestored } from './definitions.ts';
import { type DefinitionContext, isOfPlatform, platforms } from './explanations.ts';
import { judge } from './known-differences.ts';
import { absent, type ParityLine } from './line.ts';
import type { Subject } from './subject.ts';

/** The number of objects that a role can reach, in the source and in the target */
export interface ReachBehindRls {
  readonly grantee: string;
  /** Tables and views whose rows the role can read or change */
  readonly tables: { readonly expected: number; readonly found: number };
  /** SECURITY DEFINER functions that the role may execute */
  readonly definers: { readonly expected: number; readonly found: number };
}

export interface PrivilegeComparison {
  /** Lines by which a role may do more come first. */
  readonly lines: ParityLine[];
  readonly reach: ReachBehindRls[];
}

/**
 * Compares the effective privileges of roles on each object, however they were granted. An additional
 * privilege is a difference that no reason excuses.
 */
export function comparePrivileges(
  recorded: readonly Privilege[],
  found: readonly Privilege[],
  context: DefinitionContext & {
    /** Names of the roles that the source had */
    readonly roles: ReadonlySet<string>;
    /** Roles that the source's database does not mention and the target lacks; they are not compared. */
    readonly unknown: ReadonlySet<string>;
  },
): PrivilegeComparison {
  const expected = recorded.filter(({ grantee }) => !context.unknown.has(grantee));
  const known = new Set([...context.roles, ...expected.map(({ grantee }) => grantee)]);
  const want = new Grants(expected, (grantee) => (known.has(grantee) ? grantee : everybody));
  const have = new Grants(found, (grantee) => grantee);
  const isCompared = context.scope.whole ? () => true : selectRestored(context);
  const privileges = new Map([...expected, ...found].map((privilege) => [identify(privilege), privilege]));
  const lines = [...privileges.values()]
    .filter((privilege) => subjectsOf(privilege).some((subject) => isCompared(subject, have.has(privilege))))
    .map((privilege) => compareOne(privilege, want.of(privilege), have.of(privilege), context));
  return {
    lines: [...lines.filter((line) => line.wider), ...lines.filter((line) => !line.wider)],
    reach: [...new Set(found.map(({ grantee }) => grantee))].sort().map((grantee) => ({
      grantee,
      tables: { expected: want.countTables(grantee), found: have.countTables(grantee) },
      definers: { expected: want.countDefiners(grantee), found: have.countDefiners(grantee) },
    })),
  };
}

const everybody = 'PUBLIC';

type Grant = Pick<Privilege, 'kind' | 'schema' | 'name' | 'column' | 'grantee'>;

function identify({ kind, schema, name, column, grantee }: Grant): string {
  return JSON.stringify([kind, schema, name, column, grantee]);
}

/** The privileges of all roles in one database */
class Grants {
  readonly #all: readonly Privilege[];
  readonly #byObject: ReadonlyMap<string, readonly string[]>;
  /** Returns the grantee whose privileges a role has: itself, or PUBLIC where the role does not exist. */
  readonly #actAs: (grantee: string) => string;

  constructor(all: readonly Privilege[], actAs: (grantee: string) => string) {
    this.#all = all;
    this.#byObject = new Map(all.map((privilege) => [identify(privilege), privilege.privileges]));
    this.#actAs = actAs;
  }

  has(grant: Grant): boolean {
    return this.#byObject.has(identify(grant));
  }

  /**
   * Returns the privileges of a grant. Those of a column include its table's: only additional ones are
   * recorded for a column.
   */
  of(grant: Grant): ReadonlySet<string> {
    const grantee = this.#actAs(grant.grantee);
    const own = this.#byObject.get(identify({ ...grant, grantee })) ?? [];
    if (grant.kind !== 'column') return new Set(own);
    const tables = this.#byObject.get(identify({ ...grant, kind: 'table', column: null, grantee })) ?? [];
    return new Set([...own, ...tables.filter((privilege) => ofColumns.has(privilege))]);
  }

  countTables(grantee: string): number {
    return this.#countReached(
      grantee,
      ({ kind, privileges }) =>
        (kind === 'table' || kind === 'column') && privileges.some((privilege) => ofRows.has(privilege)),
    );
  }

  countDefiners(grantee: string): number {
    return this.#countReached(grantee, ({ kind, definer }) => kind === 'function' && definer);
  }

  /** Counts objects in schemas on which the role has USAGE; it can reach no others. */
  #countReached(grantee: string, fits: (privilege: Privilege) => boolean): number {
    const who = this.#actAs(grantee);
    const own = this.#all.filter((privilege) => privilege.grantee === who);
    const usable = new Set(
      own
        .filter(({ kind, privileges }) => kind === 'schema' && privileges.includes('USAGE'))
        .map(({ schema }) => schema),
    );
    const reached = own.filter((privilege) => usable.has(privilege.schema) && fits(privilege));
    return new Set(reached.map(({ schema, name }) => JSON.stringify([schema, name]))).size;
  }
}

const ofColumns = new Set(['INSERT', 'REFERENCES', 'SELECT', 'UPDATE']);
const ofRows = new Set(['DELETE', 'INSERT', 'SELECT', 'TRUNCATE', 'UPDATE']);

function compareOne(
  privilege: Privilege,
  want: ReadonlySet<string>,
  have: ReadonlySet<string>,
  context: DefinitionContext,
): ParityLine {
  const line = {
    kind: privilege.kind,
    what: describePrivilege(privilege),
    expected: [...want].sort().join(', ') || absent,
    found: [...have].sort().join(', ') || absent,
  };
  const subjects = subjectsOf(privilege);
  const wider = [...have].some((one) => !want.has(one));
  const equal = !wider && want.size === have.size;
  const ofPlatform = subjects.every((subject) => isOfPlatform(subject, context));
  const role = { kind: 'role', schema: null, relation: null, name: privilege.grantee };
  const why = wider
    ? undefined
    : [role, ...subjects, ...grantsOf(privilege)].map(context.known).find((reason) => reason !== undefined);
  const judged = judge(line, equal, why ?? (ofPlatform ? platforms : undefined));
  return wider ? { ...judged, wider: true } : judged;
}

const relationKinds = ['table', 'view', 'materialized view', 'foreign table'];

/** Returns the subjects under which the object of a privilege may have been left out. */
function subjectsOf({ kind, schema, name }: Privilege): Subject[] {
  if (kind === 'schema') return [{ kind, schema: null, relation: null, name: schema }];
  if (kind === 'function' || kind === 'sequence') return [{ kind, schema, relation: null, name }];
  return relationKinds.map((relation) => ({ kind: relation, schema, relation: null, name }));
}

/** Returns the archive entries that grant a privilege. */
function grantsOf({ kind, schema, name, column }: Privilege): Subject[] {
  const acl = (tag: string): Subject => ({ kind: 'acl', schema, relation: null, name: tag });
  switch (kind) {
    case 'schema':
      return [{ ...acl(`SCHEMA ${schema}`), schema: null }];
    case 'function':
      return ['FUNCTION', 'PROCEDURE', 'AGGREGATE'].map((tag) => acl(`${tag} ${name}`));
    case 'sequence':
      return [acl(`SEQUENCE ${name}`)];
    case 'column':
      return [acl(`COLUMN ${name}.${column}`), acl(`TABLE ${name}`)];
    case 'table':
      return [acl(`TABLE ${name}`)];
  }
}

function describePrivilege({ kind, schema, name, column, grantee }: Privilege): string {
  if (kind === 'schema') return `${grantee} on ${schema}`;
  return `${grantee} on ${schema}.${name}${column === null ? '' : `.${column}`}`;
}
