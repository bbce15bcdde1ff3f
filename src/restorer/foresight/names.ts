import type { ArchiveEntry } from '../../postgres/client/table-of-contents.ts';
import type { Session } from '../../postgres/session/connection.ts';
import type { Replacement } from '../part/replacement.ts';
import type { DefinitionIndex } from './definitions.ts';
import type { Reason } from './refusals.ts';

/** Relations and types each have unique names in a schema; a relation with columns takes one of each. */
type Space = 'relation' | 'type';

interface Claim {
  readonly entry: ArchiveEntry;
  readonly space: Space;
  readonly schema: string;
  readonly name: string;
}

interface Taken {
  readonly space: Space;
  readonly schema: string;
  readonly name: string;
  readonly what: string;
  readonly class: number;
  readonly oid: number;
  readonly member: boolean;
  readonly [column: string]: unknown;
}

const withColumns = new Set(['TABLE', 'VIEW', 'MATERIALIZED VIEW', 'FOREIGN TABLE']);

/**
 * Finds entries whose names another object of the target has and keeps. The server renames an array type that
 * it named itself.
 *
 * @param replaced what is removed before; undefined where nothing is, and only parts of extensions can be
 * there
 */
export async function findCollisions(
  session: Session,
  entries: readonly ArchiveEntry[],
  definitions: DefinitionIndex,
  replaced: Replacement | undefined,
): Promise<ReadonlyMap<ArchiveEntry, Reason>> {
  const claims = entries.flatMap((entry) => listClaims(entry, definitions, replaced === undefined));
  const taken = await session.query<Taken>(
    `WITH wanted (schema, name) AS (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]))
     SELECT 'relation' AS space, w.schema, w.name, 'pg_class'::regclass::oid AS class, c.oid,
       pg_describe_object('pg_class'::regclass, c.oid, 0) AS what,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS member
     FROM wanted w JOIN pg_namespace n ON n.nspname = w.schema
     JOIN pg_class c ON c.relnamespace = n.oid AND translate(c.relname, E'\\n\\r', '  ') = w.name
     UNION ALL
     SELECT 'type', w.schema, w.name, 'pg_type'::regclass, t.oid, pg_describe_object('pg_type'::regclass, t.oid, 0),
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
     FROM wanted w JOIN pg_namespace n ON n.nspname = w.schema
     JOIN pg_type t ON t.typnamespace = n.oid AND translate(t.typname, E'\\n\\r', '  ') = w.name
     WHERE NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)`,
    [claims.map(({ schema }) => schema), claims.map(({ name }) => name)],
  );
  const stays = (object: Taken) =>
    replaced === undefined
      ? object.member
      : !replaced.goes(object) &&
        !replaced.objects.some((gone) => gone.class === object.class && gone.oid === object.oid);
  const byName = new Map(taken.filter(stays).map((object) => [identify(object), object]));
  const found = new Map<ArchiveEntry, Reason>();
  for (const claim of claims) {
    const object = byName.get(identify(claim));
    if (object === undefined || found.has(claim.entry)) continue;
    found.set(claim.entry, {
      why: 'another object in the target has the name',
      remedy: `Rename or drop it there first, or leave out the object of the backup with exclude.`,
    });
  }
  return found;
}

function listClaims(entry: ArchiveEntry, definitions: DefinitionIndex, indexes: boolean): Claim[] {
  const { kind, schema, name } = entry;
  if (schema === undefined) return [];
  const claim = (space: Space, of = name): Claim => ({ entry, space, schema, name: of });
  if (withColumns.has(kind)) return [claim('relation'), claim('type')];
  if (kind === 'SEQUENCE') return [claim('relation')];
  if (kind === 'DOMAIN' || kind === 'SHELL TYPE') return [claim('type')];
  if (kind === 'TYPE') {
    const isComposite = definitions.find('type', schema, name)?.startsWith('composite') === true;
    return isComposite ? [claim('type'), claim('relation')] : [claim('type')];
  }
  // Indexes of a part are compared in `Fitter.findCollisions`.
  if (!indexes) return [];
  if (kind === 'INDEX') return [claim('relation')];
  if (kind !== 'CONSTRAINT' || !definitions.isIndexed(entry) || name.split(' ').length !== 2) return [];
  return [claim('relation', name.slice(name.indexOf(' ') + 1))];
}

function identify({ space, schema, name }: Pick<Claim, 'space' | 'schema' | 'name'>): string {
  return [space, schema, name].join('\0');
}
