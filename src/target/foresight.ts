import { type ArchiveEntry, describeEntry } from '../postgres/archive.ts';
import type { TargetKind } from '../supabase/target-kind.ts';

/** Only a superuser may make these (PostgreSQL manual, CREATE …); Supabase lets the role of a project make some. */
const ofSuperusers = new Set([
  'ACCESS METHOD',
  'EVENT TRIGGER',
  'FOREIGN DATA WRAPPER',
  'OPERATOR CLASS',
  'OPERATOR FAMILY',
  'PROCEDURAL LANGUAGE',
  'SUBSCRIPTION',
  'TEXT SEARCH PARSER',
  'TEXT SEARCH TEMPLATE',
]);

const named = 5;

/**
 * What the server of the target will probably refuse, for a dry run: each is tried all the same, and what is refused is told.
 *
 * @param created roles that the restore creates, and lends to itself
 * @param assumable roles that the connected one can give objects to; undefined for a superuser, to whom nothing is refused for who it is
 */
export function foresee(
  entries: readonly ArchiveEntry[],
  assumable: ReadonlySet<string> | undefined,
  created: readonly { readonly name: string }[],
  kind: TargetKind,
): string[] {
  if (assumable === undefined) return [];
  const isOurs = (role: string) => assumable.has(role) || created.some(({ name }) => name === role);
  const forbidden = kind === 'plain' ? entries.filter((entry) => ofSuperusers.has(entry.kind)) : [];
  const foreign = new Set(
    entries.filter(({ kind: of, owner }) => of === 'TABLE' && !isOurs(owner)).map(({ owner }) => owner),
  );
  return [
    ...(forbidden.length === 0
      ? []
      : [
          `The connected role is no superuser, and may probably not make ${list(forbidden.map(describeEntry))}.`,
        ]),
    ...(foreign.size === 0
      ? []
      : [
          `The connected role cannot act as ${list([...foreign].sort())}: what belongs to them will belong to the connected role.`,
        ]),
  ];
}

function list(names: readonly string[]): string {
  const rest = names.length - named;
  return `${names.slice(0, named).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
