import type { Omission } from '../../parity/scope.ts';
import { about, type OmissionSubject } from '../../parity/subject.ts';
import { type ArchiveEntry, describeEntry } from '../../postgres/client/table-of-contents.ts';
import { putOnOneLine } from '../../postgres/sql-text.ts';
import { redactDefinition } from '../../report/redact.ts';
import type { NamedConstraint } from './broken-keys.ts';
import type { MissingSetting } from './refusal.ts';

/** Remedies for entries that have no statement to show. */
const remedies: Readonly<Record<string, string>> = {
  ACL: 'Grant it as a role that may.',
  'DEFAULT ACL': 'Alter them as a role that may.',
  EXTENSION: 'Load it on the server where it needs that, and create it as a role that may.',
  'PUBLICATION TABLE': 'Add it to the publication as a role that may.',
  'ROW SECURITY': 'Enable it as a role that may.',
  'SEQUENCE SET': 'Set its value as a role that may.',
  'TABLE DATA': 'Insert them as a role that may.',
};

/**
 * Kinds whose statements a report may show, to be run later. They hold no secrets; the bodies of functions
 * and the arguments of triggers may.
 */
const shown = new Set([
  'ACCESS METHOD',
  'CHECK CONSTRAINT',
  'CONSTRAINT',
  'EVENT TRIGGER',
  'FK CONSTRAINT',
  'INDEX',
  'INDEX ATTACH',
  'MATERIALIZED VIEW',
  'MATERIALIZED VIEW DATA',
  'POLICY',
  'PUBLICATION',
  'PUBLICATION TABLE',
  'PUBLICATION TABLES IN SCHEMA',
  'ROW SECURITY',
  'RULE',
  'STATISTICS',
  'TABLE ATTACH',
  'VIEW',
]);

/** Characters of the longest statement that a table of a report shows. */
const shownText = 600;

/**
 * Kinds that describe an object which exists anyway. The target may have the same attributes without them.
 */
const attributes = new Set(['ACL', 'COMMENT', 'DEFAULT ACL', 'SECURITY LABEL', 'SEQUENCE SET']);

function lose({ kind }: ArchiveEntry): true | 'unless equal' {
  return attributes.has(kind) ? 'unless equal' : true;
}

/** @param refusal what the server said, and the statements that it refused where they are known */
export function describeRefused(
  entry: ArchiveEntry,
  { why, hint, sql }: { why: string; hint: string | undefined; sql: string | undefined },
): Omission {
  const isShown = sql !== undefined && shown.has(entry.kind) && sql.length <= shownText;
  const later = isShown
    ? `When that is fixed: ${redactDefinition(putOnOneLine(sql))}`
    : (remedies[entry.kind] ??
      `Create it as a role that can. docs/recover-by-hand.md shows how to print entry ${entry.id} of the archive.`);
  return {
    ...about({ kind: 'entry', entry }),
    why: `the server refused it: ${why}`,
    remedy: hint === undefined ? later : `${hint.replace(/\.?$/, '.')} ${later}`,
    lost: lose(entry),
  };
}

export function describeCascade(entry: ArchiveEntry, cause: ArchiveEntry): Omission {
  return {
    ...about({ kind: 'entry', entry }),
    why: `it needs ${describeEntry(cause)}, which is not restored`,
    remedy: 'Create it after that exists.',
    lost: lose(entry),
  };
}

/** Reports an object that was created, and could not be given to its owner. */
export function describeOwner(entry: ArchiveEntry, why: string): Omission {
  return {
    ...about({ kind: 'owner', entry }),
    why: `the server refused it: ${why}; it belongs to the connected role`,
    remedy: `Change its owner to ${entry.owner} with ALTER … OWNER TO, as a role that can.`,
  };
}

/** Notes that an entry was created only with other settings, which creating it again will need, too. */
export function describeSurroundings(entry: ArchiveEntry, under: string): string {
  const later =
    entry.kind === 'MATERIALIZED VIEW DATA' ? '; every later REFRESH MATERIALIZED VIEW needs that, too' : '';
  return `${describeEntry(entry)}: the server accepted it only under ${under}${later}`;
}

/** A tablespace or a table access method that entries ask for and the server lacks. */
export function describeSetting({ type, name }: MissingSetting): Omission {
  const isTablespace = type === 'tablespace';
  return {
    ...about({ kind: 'object', type, schema: null, name }),
    why: isTablespace
      ? 'the server has no such tablespace; its content is in the default one'
      : 'the server has no such access method; its tables use the default one, with their rows',
    remedy: isTablespace
      ? 'Create the tablespace and move them with ALTER … SET TABLESPACE, if you need it.'
      : 'Install it on the server and restore again, if you need it.',
  };
}

/** @param orphans how many rows violate a foreign key; undefined where they were not counted */
export function describeNotValid(
  entry: ArchiveEntry,
  { why, sql, partitions }: { why: string; sql: string; partitions: readonly OmissionSubject[] },
  constraint: NamedConstraint | undefined,
  orphans: number | undefined,
): Omission[] {
  const rows = orphans === undefined ? 'rows of the backup' : `${orphans} ${orphans === 1 ? 'row' : 'rows'}`;
  const breaks = `${rows} ${orphans === 1 ? 'breaks' : 'break'} it (${why})`;
  if (partitions.length > 0) {
    const remedy = `Fix the rows, drop the keys of the partitions, and run: ${putOnOneLine(sql)}`;
    const because = `${breaks}; its partitions have it, as NOT VALID where rows break it, and it applies to new rows`;
    const keys: readonly OmissionSubject[] = [{ kind: 'entry', entry }, ...partitions];
    return keys.map((key) => ({ ...about(key), why: because, remedy, lost: true }));
  }
  const validate =
    constraint === undefined
      ? ''
      : `, then: ALTER TABLE ${constraint.relation} VALIDATE CONSTRAINT ${constraint.name};`;
  return [
    {
      ...about({ kind: 'entry', entry }),
      why: `${breaks}; it exists as NOT VALID and applies to new rows`,
      remedy: `Fix the rows${validate}`,
      lost: true,
    },
  ];
}
