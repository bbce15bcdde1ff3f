import type { Manifest } from '../../format/manifest.ts';
import type { Outcome } from '../../interface/outcome.ts';
import {
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatShare,
} from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { weighRecords } from '../../repository/backups/catalog.ts';
import type { StoredRecord } from '../../repository/records.ts';
import { writePattern } from '../../values/table-patterns.ts';
import { describeNotCarried } from '../sections/omissions.ts';
import { describeVerification } from '../sections/verification.ts';
import { describeDrilled } from './list-report.ts';

/** Oldest first, of all backups */
export interface History {
  readonly pins: readonly StoredRecord<'pins'>[];
  readonly validations: readonly StoredRecord<'validations'>[];
  readonly drills: readonly StoredRecord<'drills'>[];
  readonly restores: readonly StoredRecord<'restores'>[];
}

export function describeManifest(manifest: Manifest, history: History): Outcome {
  const { totals } = manifest;
  return {
    exitCode: 0,
    outputs: {
      'backup-id': manifest.id,
      'backup-type': manifest.kind,
      tables: manifest.tables.length,
      rows: totals.rows,
      bytes: totals.bytes,
      'stored-bytes': totals.stored,
      'new-bytes': totals.added,
      objects: manifest.objects.length,
      'server-major': Math.floor(manifest.source.serverVersion / 10_000),
    },
    report: [
      { kind: 'heading', text: `Backup ${manifest.id}` },
      describePairs('what', describeBackup(manifest, history)),
      describePairs('source', describeSource(manifest)),
      describePairs(
        'phase',
        Object.entries(manifest.durations).map(([phase, elapsed]) => [phase, formatDuration(elapsed)]),
      ),
      ...describeTables(manifest),
      ...describeExtensions(manifest),
      ...describeNotCarried(manifest),
      ...describeHistory(manifest, history),
    ],
  };
}

function describeBackup(manifest: Manifest, { pins, validations, drills }: History): [string, string][] {
  const { totals, encryption } = manifest;
  const standing = weighRecords(pins, validations, drills).get(manifest.id) ?? {};
  return [
    ['kind', manifest.kind],
    ['purpose', manifest.purpose],
    ...(manifest.base === null ? [] : ([['built upon', manifest.base]] as [string, string][])),
    ...(manifest.fullBecause === null
      ? []
      : ([['read whole because', manifest.fullBecause]] as [string, string][])),
    ['label', manifest.label ?? 'none'],
    ['pinned', (standing.pinned ?? manifest.pin) ? 'yes' : 'no'],
    [
      'verified (UTC)',
      describeVerification({
        verifiedAt: standing.verifiedAt ?? null,
        damagedAt: standing.damagedAt ?? null,
      }),
    ],
    ['drilled (UTC)', describeDrilled(standing.drilled ?? null)],
    ['started', manifest.startedAt],
    ['finished', manifest.finishedAt],
    ['rows', formatCount(totals.rows)],
    ['size', formatBytes(totals.bytes)],
    ['of that, schema archive', formatBytes(manifest.archive.bytes)],
    ['of that, supplement', formatBytes(manifest.supplement.bytes)],
    ['stored', `${formatBytes(totals.stored)} in ${formatCounted(manifest.objects.length, 'object')}`],
    ['reused from other backups', formatShare(Math.max(totals.stored - totals.added, 0), totals.stored)],
    [
      'encrypted for',
      encryption.scheme === 'age' ? encryption.recipients.join(' ') : 'nobody: not encrypted',
    ],
    ['written by', `${manifest.tool.name} ${manifest.tool.version}`],
  ];
}

function describeSource({ source, facts }: Manifest): [string, string][] {
  const kinds = Object.entries(facts.objects).map(([kind, count]) => `${kind} ${formatCount(count)}`);
  return [
    ['database', source.database],
    ['database oid', String(source.databaseOid)],
    ['system identifier', source.systemIdentifier],
    ['timeline', String(source.timeline)],
    ['server started', source.postmasterStartedAt],
    ['server version', formatVersion(source.serverVersion)],
    ['encoding', source.encoding],
    ['snapshot taken', source.snapshotAt],
    ['snapshot', source.snapshot],
    ['LSN', source.lsn],
    ['rollback token', source.token ?? 'none'],
    ['roles in use', facts.roles.join(', ')],
    ['sequences', formatCount(facts.sequences.length)],
    ['objects', kinds.join(', ')],
  ];
}

/** From server_version_num: 150018 is 15.18. */
function formatVersion(version: number): string {
  return `${Math.floor(version / 10_000)}.${version % 10_000}`;
}

function describeTables({ tables }: Manifest): Section[] {
  if (tables.length === 0) return [{ kind: 'paragraph', text: 'It holds no rows of tables.' }];
  return [
    {
      kind: 'table',
      columns: [
        { title: 'table' },
        { title: 'rows', align: 'right' },
        { title: 'bytes', align: 'right' },
        { title: 'ranges', align: 'right' },
      ],
      rows: tables.map((table) => [
        writePattern(table),
        formatCount(table.rows),
        formatBytes(table.bytes),
        formatCount(table.ranges.length),
      ]),
    },
  ];
}

function describeExtensions({ facts }: Manifest): Section[] {
  if (facts.extensions.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: 'extension' }, { title: 'schema' }, { title: 'version' }],
      rows: facts.extensions.map(({ name, schema, version }) => [name, schema, version]),
    },
  ];
}

function describeHistory({ id }: Manifest, { pins, validations, drills, restores }: History): Section[] {
  const events = [
    ...pins
      .filter(({ content }) => content.backup === id)
      .map(({ at, content }) => ({ at, what: content.pinned ? 'pinned' : 'unpinned' })),
    ...validations.flatMap(({ at, content }) =>
      content.backups
        .filter((backup) => backup.id === id)
        .map(({ outcome, opened }) => ({
          at,
          what: `validated: ${outcome}; ${formatShare(content.share, 1)} of the objects ${opened ? 'read and opened' : 'read, not opened'}`,
        })),
    ),
    ...drills
      .filter(({ content }) => content.backup === id)
      .map(({ at, content }) => ({
        at,
        what:
          content.why === null
            ? `drilled: passed${content.recovery === null ? '' : `, recovered in ${formatDuration(content.recovery)}`}`
            : `drilled: FAILED, ${content.why}`,
      })),
    ...restores
      .filter(({ content }) => content.backup === id)
      .map(({ at, content: { target, actor, whole, outcome, why } }) => ({
        at,
        what: `restored${whole ? '' : ' in part'} into ${target} by ${actor}: ${outcome}${why === null ? '' : `, ${why}`}`,
      })),
  ].sort((one, other) => one.at.getTime() - other.at.getTime());
  if (events.length === 0) {
    return [
      {
        kind: 'paragraph',
        text: 'Nothing was recorded of it since: it was never validated and never restored in a drill.',
      },
    ];
  }
  return [
    {
      kind: 'table',
      columns: [{ title: 'recorded at' }, { title: 'what' }],
      rows: events.map(({ at, what }) => [at.toISOString(), what]),
    },
  ];
}

function describePairs(title: string, rows: readonly (readonly string[])[]): Section {
  return { kind: 'table', columns: [{ title }, { title: '' }], rows };
}
