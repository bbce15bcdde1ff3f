import { openSession, type Session } from '../../src/postgres/session/connection.ts';
import { parseConnection } from '../../src/postgres/session/settings.ts';
import { type Delivery, deliverRecords } from '../../src/records/delivery.ts';
import type { Repository } from '../../src/repository/open.ts';
import { appendRecord, appendRun, type RecordContent } from '../../src/repository/records.ts';
import { query } from '../scenarios/shop.ts';
import { emptyContext, presentContext } from '../support/context.ts';

export const minute = 60_000;
export const day = 24 * 60 * minute;

/** A time so long ago, to the second */
export const ago = (ms: number) => new Date(Math.floor((Date.now() - ms) / 1000) * 1000);

type Run = RecordContent<'runs'>;

/** The record of a backup that ended at a time; a test names only what it is about. */
export function makeRun(endedAt: Date, changes: Partial<Run> & { readonly lastedMs?: number } = {}): Run {
  const { lastedMs = 2 * minute, ...others } = changes;
  return {
    operation: 'backup',
    startedAt: new Date(endedAt.getTime() - lastedMs).toISOString(),
    endedAt: endedAt.toISOString(),
    ...{ outcome: 'done', exitCode: 0, failure: null, backup: '20261120T021700Z-7f3a', backupType: 'full' },
    ...{ rows: 100, bytes: 1000, storedBytes: 300, newBytes: 50, objects: 3 },
    ...{ actor: 'octocat', run: { url: 'https://github.com/o/r/actions/runs/7', attempt: 1 } },
    ...{ version: '1.0.0', host: 'github-hosted' },
    ...others,
  };
}

export async function addRun(
  repository: Repository,
  endedAt: Date,
  changes: Parameters<typeof makeRun>[1] = {},
): Promise<Run> {
  const run = makeRun(endedAt, changes);
  await appendRun(repository, endedAt, run);
  return run;
}

export async function addRestore(
  repository: Repository,
  at: Date,
  changes: Partial<RecordContent<'restores'>> = {},
): Promise<RecordContent<'restores'>> {
  const restore: RecordContent<'restores'> = {
    ...{ backup: '20261120T021700Z-7f3a', target: 'postgres@db.example.com:5432/postgres', actor: 'mona' },
    ...{ run: 'https://github.com/o/r/actions/runs/8', whole: true, kind: 'plain', confirmed: true },
    ...{ outcome: 'equal', why: null, phases: { rows: 4000, total: 9000 } },
    ...changes,
  };
  await appendRecord(repository, 'restores', at, restore);
  return restore;
}

export async function addDrill(
  repository: Repository,
  at: Date,
  changes: Partial<RecordContent<'drills'>> = {},
): Promise<RecordContent<'drills'>> {
  const drill: RecordContent<'drills'> = {
    ...{ backup: '20261120T021700Z-7f3a', outcome: 'passed', why: null, fault: null, recovery: 7500 },
    ...{ phases: { rows: 4000, total: 9000 }, parity: true, recoveredTo: null },
    checks: { asked: 0, failed: [] },
    ...changes,
  };
  await appendRecord(repository, 'drills', at, drill);
  return drill;
}

/** Drops the role of the readers, where no other database of this server has records. */
export async function dropReader(superuserUrl: string): Promise<void> {
  await query(
    superuserUrl,
    `DO $$ BEGIN DROP ROLE IF EXISTS supabase_backup_reader;
     EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $$`,
  );
}

export function open(url: string): Promise<Session> {
  return openSession(parseConnection('records-url', url, emptyContext));
}

/** Brings what is missing, as the end of a run does. */
export async function deliver(
  repository: Repository,
  url: string,
  context = presentContext,
): Promise<Delivery> {
  await using session = await open(url);
  return await deliverRecords(repository, session, context);
}
