import pg from 'pg';
import type { Manifest } from '../../../src/format/manifest.ts';
import type { Supplement } from '../../../src/format/supplement.ts';
import { compareWithBackup, type Parity } from '../../../src/parity/compare.ts';
import type { ParityScope } from '../../../src/parity/scope.ts';
import { readFacts } from '../../../src/postgres/catalog/facts.ts';
import { askQuestions, readFreshness } from '../../../src/postgres/catalog/questions.ts';
import { readTables } from '../../../src/postgres/catalog/tables.ts';
import { openSession } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { type Questions, readThrough } from '../../../src/source/archive/describe.ts';
import { makeScope } from '../../parity/example.ts';
import { makeManifest } from '../../repository/example.ts';
import { emptyContext } from '../../support/context.ts';

/** Any number of statements, on a connection of their own. */
export async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

export interface Recorded {
  readonly manifest: Manifest;
  readonly supplement: Supplement;
}

/** What a backup of the database would have recorded. */
export async function recordDatabase(url: string, questions: Partial<Questions> = {}): Promise<Recorded> {
  const session = await openSession(parseConnection('database-url', url, emptyContext));
  try {
    await applySettings(session, 'UTF8');
    await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { sequences, ...facts } = await readFacts(session);
    const { checks = [], freshness = [] } = questions;
    const supplement = {
      ...(await readThrough(session)),
      answers: await askQuestions(session, checks),
      freshness: await readFreshness(session, freshness),
    };
    const tables: Manifest['tables'] = [];
    for (const { oid, schema, name, root = null } of await readTables(session)) {
      const [row] = await session.query<{ rows: number }>(
        `SELECT count(*) AS rows FROM ONLY ${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`,
      );
      const [example] = makeManifest().tables;
      if (example) tables.push({ ...example, oid, schema, name, root, rows: row?.rows ?? 0 });
    }
    const manifest = makeManifest({
      tables,
      facts: { ...facts, sequences: sequences.map((state) => ({ ...state, latest: null })) },
    });
    return { manifest, supplement };
  } finally {
    await session.close();
  }
}

export function compareRecorded(
  url: string,
  { manifest, supplement }: Recorded,
  scope: Partial<ParityScope> = {},
): Promise<Parity> {
  return compareWithBackup(
    parseConnection('target-url', url, emptyContext),
    manifest,
    supplement,
    makeScope({ tables: manifest.tables, ...scope }),
    { workers: 2, signal: new AbortController().signal, onProgress: () => undefined },
  );
}

export const linesOf = ({ groups }: Parity, wanted: string) =>
  Object.values(groups).flatMap((lines) =>
    lines
      .filter(({ status }) => status === wanted)
      .map(({ kind, what, expected, found, wider }) =>
        [wider ? 'WIDER ' : '', `${kind} ${what}: ${expected} → ${found}`].join(''),
      ),
  );
