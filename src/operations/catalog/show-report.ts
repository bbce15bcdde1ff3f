import type { Manifest } from '../../format/manifest.ts';
import type { Outcome } from '../../interface/outcome.ts';
import {
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatShare,
} from '../../report/quantity.ts';
import type { Section, Shown } from '../../report/section.ts';
import { describeNotCarried } from '../sections/omissions.ts';
import { describePhases } from '../sections/phases.ts';
import { describeTables } from '../sections/tables.ts';
import { describeDrilled, describeVerification } from '../sections/verification.ts';
import { tellShown } from './details.ts';
import type { BackupEvent, ShownBackup } from './result.ts';

export function describeShown(shown: ShownBackup): Outcome {
  const { manifest } = shown;
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
    details: tellShown(shown),
    report: [
      {
        kind: 'heading',
        text: `Backup ${manifest.id} of ${manifest.source.database}: ${formatCounted(totals.rows, 'row')}, ${tellProof(shown)}`,
        tone: shown.damagedAt || shown.drilled?.passed === false ? 'bad' : 'good',
      },
      describePairs('what', describeBackup(shown)),
      ...describeContents(manifest),
      ...describeNotCarried(manifest),
      ...describeHistory(shown),
      {
        kind: 'details',
        title: 'The source, as it was',
        sections: [describePairs('source', describeSource(manifest)), ...describeExtensions(manifest)],
      },
      ...describePhases(manifest.durations),
    ],
  };
}

/** Whether it is proven to come back */
function tellProof({ damagedAt, drilled, verifiedAt }: ShownBackup): string {
  if (damagedAt) return 'DAMAGED';
  if (drilled) return drilled.passed ? 'restored in a drill' : 'FAILED its last drill';
  return verifiedAt ? 'verified, never restored yet' : 'neither verified nor restored yet';
}

function describeBackup(shown: ShownBackup): [string, string][] {
  const { manifest } = shown;
  const { totals, encryption } = manifest;
  return [
    ['kind', manifest.kind],
    ['purpose', manifest.purpose],
    ...(manifest.base === null ? [] : ([['built upon', manifest.base]] as [string, string][])),
    ...(manifest.fullBecause === null
      ? []
      : ([['read whole because', manifest.fullBecause]] as [string, string][])),
    ['label', manifest.label ?? 'none'],
    ['pinned', shown.pinned ? 'yes' : 'no'],
    ['verified (UTC)', describeVerification(shown)],
    ['drilled (UTC)', describeDrilled(shown.drilled)],
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

/** Formats a server_version_num: 150018 is 15.18. */
function formatVersion(version: number): string {
  return `${Math.floor(version / 10_000)}.${version % 10_000}`;
}

function describeContents({ tables }: Manifest): Section[] {
  if (tables.length === 0) return [{ kind: 'paragraph', text: 'It holds no rows of tables.' }];
  return [describeTables(tables, 'table')];
}

function describeExtensions({ facts }: Manifest): Shown[] {
  if (facts.extensions.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: 'extension' }, { title: 'schema' }, { title: 'version' }],
      rows: facts.extensions.map(({ name, schema, version }) => [name, schema, version]),
    },
  ];
}

function describeHistory({ events }: ShownBackup): Section[] {
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
      columns: [{ title: 'recorded at', code: true }, { title: 'what' }],
      rows: events.map((event) => [event.at.toISOString(), tellEvent(event)]),
    },
  ];
}

function tellEvent(event: BackupEvent): string {
  switch (event.kind) {
    case 'pin':
      return event.pinned ? 'pinned' : 'unpinned';
    case 'validation':
      return `validated: ${event.outcome}; ${formatShare(event.share, 1)} of the objects ${event.opened ? 'read and opened' : 'read, not opened'}`;
    case 'drill':
      if (event.why !== null) return `drilled: FAILED, ${event.why}`;
      return `drilled: passed${event.recovery === null ? '' : `, recovered in ${formatDuration(event.recovery)}`}`;
    case 'restore': {
      const what = `restored${event.whole ? '' : ' in part'} into ${event.target} by ${event.actor}: ${event.outcome}`;
      return event.why === null ? what : `${what}, ${event.why}`;
    }
  }
}

function describePairs(title: string, rows: readonly (readonly string[])[]): Shown {
  return { kind: 'table', columns: [{ title }, { title: 'value' }], rows };
}
