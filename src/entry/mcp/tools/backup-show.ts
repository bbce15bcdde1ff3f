import * as v from 'valibot';
import type { BackupEvent, ShownBackup } from '../../../operations/catalog/result.ts';
import { lookUpBackup } from '../../../operations/catalog/show.ts';
import { writePattern } from '../../../values/table-patterns.ts';
import { defineTool } from '../tool.ts';
import {
  count,
  iso,
  maybeIso,
  maybeTime,
  omissionSchema,
  tableSchema,
  take,
  time,
  toOmissions,
} from './fields.ts';
import { parseFor } from './parsed-inputs.ts';

const [mostTables, mostOmissions, mostEvents, mostExtensions] = [100, 40, 20, 60];

export const backupShow = defineTool({
  name: 'backup_show',
  title: 'One backup',
  description:
    'Shows what is known of one backup: its source, its tables with their rows, what it does not carry, and what became of it since (validations, drills, restores). ' +
    'Reads the storage alone, and no rows.',
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  inputs: ['backup-id'],
  own: {},
  output: {
    id: v.string(),
    kind: v.picklist(['full', 'incremental', 'schema']),
    purpose: v.string(),
    label: v.pipe(v.nullable(v.string()), v.description('Written by whoever took it.')),
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
    base: v.pipe(v.nullable(v.string()), v.description('What an incremental backup was built upon')),
    readWholeBecause: v.nullable(v.string()),
    pinned: v.boolean(),
    verifiedAt: maybeTime,
    damagedAt: maybeTime,
    drilledAt: maybeTime,
    tables: v.pipe(v.array(tableSchema), v.description('Those with most rows first')),
    moreTables: count,
    extensions: v.array(v.strictObject({ name: v.string(), version: v.string() })),
    notCarried: v.pipe(
      v.array(omissionSchema),
      v.description('What the backup does not have, and what to do'),
    ),
    moreNotCarried: count,
    events: v.pipe(
      v.array(
        v.strictObject({ at: time, what: v.string(), outcome: v.string(), why: v.nullable(v.string()) }),
      ),
      v.description('What was recorded of it since, newest first'),
    ),
    writtenBy: v.string(),
  },
  async answer(call) {
    return { value: toFields(await lookUpBackup(parseFor('show', call), call.context)) };
  },
});

function toFields(shown: ShownBackup) {
  const { manifest, events } = shown;
  const { id, kind, purpose, label, source, totals, encryption, base, tool } = manifest;
  const tables = take(
    manifest.tables.toSorted((one, other) => other.rows - one.rows),
    mostTables,
  );
  return {
    ...{ id, kind, purpose, label, base, readWholeBecause: manifest.fullBecause, pinned: shown.pinned },
    ...{ snapshotAt: source.snapshotAt, startedAt: manifest.startedAt, finishedAt: manifest.finishedAt },
    database: source.database,
    serverVersion: `${Math.floor(source.serverVersion / 10_000)}.${source.serverVersion % 10_000}`,
    ...{ rows: totals.rows, bytes: totals.bytes, storedBytes: totals.stored, newBytes: totals.added },
    encryptedFor: encryption.scheme === 'age' ? [...encryption.recipients] : [],
    ...{ verifiedAt: maybeIso(shown.verifiedAt), damagedAt: maybeIso(shown.damagedAt) },
    drilledAt: maybeIso(shown.drilled?.at),
    tables: tables.shown.map(({ schema, name, rows, bytes }) => ({
      ...{ name: writePattern({ schema, name }), rows, bytes },
    })),
    moreTables: tables.more,
    extensions: manifest.facts.extensions
      .slice(0, mostExtensions)
      .map(({ name, version }) => ({ name, version })),
    notCarried: toOmissions(manifest.notCarried, mostOmissions),
    moreNotCarried: take(manifest.notCarried, mostOmissions).more,
    events: events.toReversed().slice(0, mostEvents).map(toEvent),
    writtenBy: `${tool.name} ${tool.version}`,
  };
}

function toEvent(event: BackupEvent) {
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
