import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import type { DefinitionIndex } from './definitions.ts';
import type { TargetFacts } from './facts.ts';
import type { Reason } from './refusals.ts';
import { findFunctionSettings, judgeSetting, type KnownSettings } from './settings.ts';

/**
 * Kinds that only a superuser may create (PostgreSQL manual, CREATE …). A platform lets its roles create some
 * of them.
 */
const ofSuperusers = new Set([
  'ACCESS METHOD',
  'EVENT TRIGGER',
  'FOREIGN DATA WRAPPER',
  'OPERATOR CLASS',
  'OPERATOR FAMILY',
  'PROCEDURAL LANGUAGE',
  'PUBLICATION TABLES IN SCHEMA',
  'TEXT SEARCH PARSER',
  'TEXT SEARCH TEMPLATE',
]);

/** Kinds that need CREATE on the schema. */
const inSchemas = new Set([
  ...['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'FOREIGN TABLE', 'SEQUENCE', 'STATISTICS'],
  ...['FUNCTION', 'PROCEDURE', 'AGGREGATE', 'OPERATOR', 'TYPE', 'SHELL TYPE', 'DOMAIN'],
  ...['COLLATION', 'CONVERSION', 'TEXT SEARCH CONFIGURATION', 'TEXT SEARCH DICTIONARY'],
]);

/** What the rules read. */
export interface RuleSources {
  readonly entries: readonly ArchiveEntry[];
  readonly definitions: DefinitionIndex;
  readonly facts: TargetFacts;
  readonly settings: KnownSettings;
  /** Whether PostgreSQL alone decides what a role may do; a platform lets its own roles do more */
  readonly plain: boolean;
  /** Whether all of the archive is restored, except for schemas that exist */
  readonly whole: boolean;
  /** Schemas of the target that are created again, or all of them */
  readonly renewed: ReadonlySet<string> | 'all';
  /** Whether the connected role has the rights of a role, once the restore has created its roles */
  hasRightsOf(role: string): boolean;
}

const bySuperuser: Reason = {
  why: 'only a superuser can create such an object, and the connected role is not one',
  remedy: 'Restore as a superuser, if you need it.',
};

/**
 * Makes a function that finds why the server will refuse an entry itself; undefined where no rule says that
 * it will.
 */
export function createRules(sources: RuleSources): (entry: ArchiveEntry) => Reason | undefined {
  const { entries, facts, plain, whole } = sources;
  const made = new Map(entries.filter(({ kind }) => kind === 'SCHEMA').map((entry) => [entry.name, entry]));
  const ids = new Set(entries.map(({ id }) => id));
  const isOfExtension = ({ needs }: ArchiveEntry) =>
    whole && needs.length > 0 && !needs.some((id) => ids.has(id));
  const bringers = new Set(
    entries.filter(({ kind }) => kind === 'EXTENSION' || kind === 'PROCEDURAL LANGUAGE').map(({ id }) => id),
  );
  const rules: Rule[] = [(entry, from) => judgeLanguage(entry, from, bringers), judgeFunctionSettings];
  if (!facts.superuser) {
    rules.unshift(judgeKind, (entry, from) => judgeSchema(entry, from, made));
    if (plain) rules.push((entry, from) => judgeRights(entry, from, isOfExtension));
  }
  return (entry) => {
    for (const rule of rules) {
      const reason = rule(entry, sources);
      if (reason !== undefined) return reason;
    }
    return undefined;
  };
}

type Rule = (entry: ArchiveEntry, sources: RuleSources) => Reason | undefined;

const judgeKind: Rule = (entry, { definitions, facts, plain }) => {
  const { kind, schema, name } = entry;
  if (plain && ofSuperusers.has(kind)) return bySuperuser;
  switch (kind) {
    case 'SHELL TYPE':
      return bySuperuser;
    case 'TYPE':
      return /^(?:base|shell) type/.test(definitions.find('type', schema, name) ?? '')
        ? bySuperuser
        : undefined;
    case 'FUNCTION':
    case 'PROCEDURE':
      return /; (?:leakproof|support [^;]+)(?:;|$)/.test(definitions.findRoutine(entry) ?? '')
        ? bySuperuser
        : undefined;
    case 'AGGREGATE':
      return /; stype internal(?:;|$)/.test(definitions.findRoutine(entry) ?? '') ? bySuperuser : undefined;
    case 'CAST':
      return judgeCast(/^CAST \((.*)\)$/s.exec(name)?.[1] ?? '', definitions);
    case 'TRANSFORM':
      return isBuiltIn(name.replace(/^.*?FOR (.*) LANGUAGE .*$/s, '$1')) ? bySuperuser : undefined;
    case 'PUBLICATION':
      return plain && /^all tables/.test(definitions.find('publication', undefined, name) ?? '')
        ? bySuperuser
        : undefined;
    case 'SUBSCRIPTION':
      return plain && facts.roles.get('pg_create_subscription')?.usable !== true ? bySuperuser : undefined;
    case 'EXTENSION':
      return plain ? judgeExtension(name, facts) : undefined;
    case 'SERVER':
      return plain ? judgeServer(name, definitions, facts) : undefined;
    default:
      return undefined;
  }
};

/** A role has to own one of the types to create a cast, and a superuser owns those of the server. */
function judgeCast(types: string, definitions: DefinitionIndex): Reason | undefined {
  const method = definitions.find('cast', undefined, types) ?? '';
  return isBuiltIn(types) || method.startsWith('without function') ? bySuperuser : undefined;
}

function isBuiltIn(types: string): boolean {
  return !types.replaceAll(/"(?:[^"]|"")*"/g, '""').includes('.');
}

function judgeExtension(name: string, { extensions }: TargetFacts): Reason | undefined {
  const extension = extensions.get(name);
  if (extension === undefined || extension.installed || !extension.superuser || extension.trusted)
    return undefined;
  return {
    why: 'only a superuser can create it on that server, and the connected role is not one',
    remedy:
      'Have a superuser create it in the target first, if it does not get in the way of the restore, or restore as a superuser.',
  };
}

function judgeServer(
  name: string,
  definitions: DefinitionIndex,
  { wrappers }: TargetFacts,
): Reason | undefined {
  const wrapper = /^wrapper (.*?)(?:; (?:type|version|options) |$)/s.exec(
    definitions.find('foreign server', undefined, name) ?? '',
  )?.[1];
  if (wrapper === undefined || wrappers.get(wrapper) !== false) return undefined;
  return {
    why: `the connected role has no USAGE on the foreign data wrapper ${wrapper}`,
    remedy: 'Have its owner grant that, or restore as a superuser.',
  };
}

function judgeSchema(
  { kind, schema }: ArchiveEntry,
  { facts, renewed }: RuleSources,
  made: ReadonlyMap<string, ArchiveEntry>,
): Reason | undefined {
  if (schema === undefined || !inSchemas.has(kind) || renewed === 'all' || renewed.has(schema))
    return undefined;
  const there = facts.schemas.get(schema);
  if (there === undefined) return judgeNewSchema(made.get(schema), facts);
  if (there.mayCreate) return undefined;
  return {
    why: `the connected role has no CREATE on the schema ${schema} of the target`,
    remedy: 'Have its owner grant that, or restore as a superuser.',
  };
}

/** A new schema is given to its owner before anything is created in it. */
function judgeNewSchema(schema: ArchiveEntry | undefined, { roles }: TargetFacts): Reason | undefined {
  const owner = schema === undefined ? undefined : roles.get(schema.owner);
  if (schema === undefined || owner === undefined || !owner.assumable || owner.usable) return undefined;
  return {
    why: `the schema ${schema.name} will belong to ${schema.owner}, of which the connected role is a member without inheriting its rights`,
    remedy: `Grant the membership WITH INHERIT TRUE, or restore as a superuser.`,
  };
}

function judgeLanguage(
  entry: ArchiveEntry,
  { definitions, facts }: RuleSources,
  bringers: ReadonlySet<number>,
): Reason | undefined {
  if (entry.kind !== 'FUNCTION' && entry.kind !== 'PROCEDURE') return undefined;
  const detail = definitions.findRoutine(entry) ?? '';
  const name = /(?:^|; )language ([^;]+); (?:immutable|stable|volatile)/.exec(detail)?.[1];
  if (name === undefined) return undefined;
  const language = facts.languages.get(name);
  if (language === undefined) {
    if (entry.needs.some((id) => bringers.has(id))) return undefined;
    return {
      why: `the target has no language ${name}`,
      remedy: `Create it in the target first: CREATE EXTENSION ${name}.`,
    };
  }
  if (facts.superuser || (language.trusted && language.usable)) return undefined;
  if (!language.trusted) {
    return {
      why: `only a superuser can create functions in the language ${name}, and the connected role is not one`,
      remedy: 'Restore as a superuser, if you need it.',
    };
  }
  return {
    why: `the connected role has no USAGE on the language ${name}`,
    remedy: 'Have its owner grant that, or restore as a superuser.',
  };
}

const judgeFunctionSettings: Rule = (entry, { definitions, facts, settings, plain }) => {
  if (entry.kind !== 'FUNCTION' && entry.kind !== 'PROCEDURE') return undefined;
  const names = findFunctionSettings(definitions.findRoutine(entry) ?? '');
  return names
    .map((name) => judgeSetting(name, settings, facts, plain))
    .find((reason) => reason !== undefined);
};

/** The server ignores or refuses grants on objects of other roles. */
function judgeRights(
  entry: ArchiveEntry,
  { facts, renewed, hasRightsOf }: RuleSources,
  isOfExtension: (entry: ArchiveEntry) => boolean,
): Reason | undefined {
  const { kind, schema, name, owner } = entry;
  if (kind === 'DEFAULT ACL') {
    if (owner === '' || hasRightsOf(owner)) return undefined;
    return {
      why: 'only a member of that role can alter them, and the connected role is not one',
      remedy: 'Grant it the membership first, or restore as a superuser.',
    };
  }
  if (kind !== 'ACL') return undefined;
  const remedy = 'Have their owner grant them after the restore, or restore as a superuser.';
  const [, of, object = ''] = /^(SCHEMA|LANGUAGE) (.*)$/s.exec(name) ?? [];
  const there = of === 'SCHEMA' && renewed !== 'all' ? facts.schemas.get(object) : undefined;
  if (schema === 'pg_catalog' || (there !== undefined && !there.owned && !there.mayGrant)) {
    return { why: 'the connected role does not have the right to grant or revoke it', remedy };
  }
  // The object is a part of an extension, and so has no entry.
  if (of === undefined && isOfExtension(entry)) {
    const why = 'it is about a part of an extension, which may belong to a superuser';
    return { why, remedy, uncertain: true };
  }
  return undefined;
}
