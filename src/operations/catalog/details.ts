import * as v from 'valibot';
import {
  count,
  iso,
  maybeIso,
  maybeTime,
  omission,
  table,
  time,
  toOmissions,
} from '../../interface/fields.ts';
import { writePattern } from '../../values/table-patterns.ts';
import type { BackupEvent, ShownBackup } from './result.ts';

/** Everything that is known of one backup, for programs: `show --json` */
export const shownDetails = v.strictObject({
  id: v.string(),
  kind: v.picklist(['full', 'incremental', 'schema']),
  purpose: v.string(),
  label: v.pipe(v.nullable(v.string()), v.description('Written by whoever took it.')),
  base: v.pipe(v.nullable(v.string()), v.description('What an incremental backup was built upon')),
  readWholeBecause: v.nullable(v.string()),
  pinned: v.boolean(),
  snapshotAt: time,
  startedAt: time,
  finishedAt: time,
  database: v.pipe(v.string(), v.description('Its name on the server')),
  serverVersion: v.string(),
  rows: count,
  bytes: count,
  storedBytes: count,
  newBytes: v.pipe(count, v.description('Of them, stored by this backup first')),
  encryptedFor: v.pipe(v.array(v.string()), v.description('Public recipients; empty: it is not encrypted')),
  verifiedAt: maybeTime,
  damagedAt: maybeTime,
  drilledAt: maybeTime,
  tables: v.pipe(v.array(table), v.description('Those with most rows first')),
  extensions: v.array(v.strictObject({ name: v.string(), version: v.string() })),
  notCarried: v.pipe(v.array(omission), v.description('What the backup does not have, and what to do')),
  events: v.pipe(
    v.array(v.strictObject({ at: time, what: v.string(), outcome: v.string(), why: v.nullable(v.string()) })),
    v.description('What was recorded of it since, newest first'),
  ),
  writtenBy: v.string(),
});

export function tellShown(shown: ShownBackup): v.InferOutput<typeof shownDetails> {
  const { manifest, events } = shown;
  const { id, kind, purpose, label, source, totals, encryption, base, tool } = manifest;
  return {
    ...{ id, kind, purpose, label, base, readWholeBecause: manifest.fullBecause, pinned: shown.pinned },
    ...{ snapshotAt: source.snapshotAt, startedAt: manifest.startedAt, finishedAt: manifest.finishedAt },
    database: source.database,
    serverVersion: `${Math.floor(source.serverVersion / 10_000)}.${source.serverVersion % 10_000}`,
    ...{ rows: totals.rows, bytes: totals.bytes, storedBytes: totals.stored, newBytes: totals.added },
    encryptedFor: encryption.scheme === 'age' ? [...encryption.recipients] : [],
    ...{ verifiedAt: maybeIso(shown.verifiedAt), damagedAt: maybeIso(shown.damagedAt) },
    drilledAt: maybeIso(shown.drilled?.at),
    tables: manifest.tables
      .toSorted((one, other) => other.rows - one.rows)
      .map(({ schema, name, rows, bytes }) => ({ name: writePattern({ schema, name }), rows, bytes })),
    extensions: manifest.facts.extensions.map(({ name, version }) => ({ name, version })),
    notCarried: toOmissions(manifest.notCarried),
    events: events.toReversed().map(tellEvent),
    writtenBy: `${tool.name} ${tool.version}`,
  };
}

function tellEvent(event: BackupEvent) {
  const at = iso(event.at);
  switch (event.kind) {
    case 'pin':
      return { at, what: 'pin', outcome: event.pinned ? 'pinned' : 'unpinned', why: null };
    case 'validation':
      return { at, what: 'validation', outcome: event.outcome, why: null };
    case 'drill':
      return { at, what: 'drill', outcome: event.why === null ? 'passed' : 'failed', why: event.why };
    case 'restore': {
      const what = `restore${event.whole ? '' : ' of a part'} into ${event.target}`;
      return { at, what, outcome: event.outcome, why: event.why };
    }
  }
}
