import type { Basis, Estimate } from '../../../interface/estimate.ts';
import type { DoctorInputs } from '../../../interface/inputs/types.ts';
import { readTables } from '../../../postgres/catalog/tables.ts';
import { findDumpClient } from '../../../postgres/client/find.ts';
import { mayInstall } from '../../../postgres/client/places.ts';
import { openSession, type Session } from '../../../postgres/session/connection.ts';
import { countSessions } from '../../../postgres/session/room.ts';
import { type ConnectionSettings, describeConnection } from '../../../postgres/session/settings.ts';
import { findSupportEnd } from '../../../postgres/support-end.ts';
import { formatCounted } from '../../../report/quantity.ts';
import type { Context, Log } from '../../../runtime/context.ts';
import { ConfigurationError } from '../../../runtime/errors.ts';
import { nameInput, say } from '../../../runtime/wording.ts';
import { checkSlotPossible } from '../../../source/changes/slot.ts';
import { readIdentity, type SourceIdentity } from '../../../source/identity.ts';
import { checkServer, findUnreadable } from '../../../source/preflight.ts';
import { refuseUnmatched } from '../../../source/unmatched.ts';
import { createSelection } from '../../../values/table-patterns.ts';
import { readBasis, usualBasis } from '../../estimate/basis.ts';
import { estimateBackups } from '../../estimate/measure.ts';
import { summarizeEstimate } from '../../sections/estimate.ts';
import { type Examination, type Finding, failed, ok, warning } from '../examination.ts';

export interface ExaminedDatabase {
  readonly identity: SourceIdentity | undefined;
  readonly estimate: Estimate | undefined;
}

/**
 * Checks what a backup needs of the database. Each check has a session of its own, which ends with its time: one
 * that does not come back holds up no other.
 *
 * @param settings undefined where the database was not reached: the checks are then told as not carried out
 */
export async function checkDatabase(
  examination: Examination,
  settings: ConnectionSettings | undefined,
  inputs: DoctorInputs,
  context: Context,
): Promise<ExaminedDatabase> {
  const needs = ['login'] as const;
  const ask = <Value>(body: (session: Session) => Promise<Finding<Value>>) => {
    return (signal: AbortSignal) => inSession(settings, signal, body);
  };
  const identity = await examination.run(
    'server',
    ask((session) => judgeServer(session, context.now())),
    { needs },
  );
  await examination.run(
    'client',
    (signal) => judgeClient(identity?.serverVersion ?? 0, inputs, { ...context, signal }),
    { needs: ['server'] },
  );
  await examination.run(
    'privileges',
    ask((session) => judgePrivileges(session, inputs)),
    { needs: ['server'] },
  );
  await examination.run('sessions', (signal) => judgeSessions(settings, inputs.jobs, signal), { needs });
  await examination.run(
    'captures',
    ask((session) => judgeCaptures(session, inputs.unlimitedWal)),
    { needs: ['server'] },
  );
  const estimate = await examination.run(
    'size',
    ask(async (session) => {
      const basis = await chooseBasis(inputs, context);
      const found = await estimateBackups(session, nameOf(settings), basis, inputs);
      return ok(summarizeEstimate(found), found);
    }),
    { needs: ['server'], limitMs: 120_000 },
  );
  return { identity, estimate };
}

/** What is wrong with a policy is a finding of its own, and sizes are told all the same. */
async function chooseBasis(inputs: DoctorInputs, context: Context): Promise<Basis> {
  try {
    return await readBasis(inputs, context);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return usualBasis(inputs);
  }
}

const nameOf = (settings: ConnectionSettings | undefined): string =>
  settings === undefined ? '' : describeConnection(settings);

async function inSession<Result>(
  settings: ConnectionSettings | undefined,
  signal: AbortSignal,
  body: (session: Session) => Promise<Result>,
): Promise<Result> {
  if (settings === undefined) throw new Error('a check ran before the database was reached');
  const session = await openSession(settings, signal);
  try {
    return await body(session);
  } finally {
    session.destroy();
  }
}

async function judgeServer(session: Session, now: Date): Promise<Finding<SourceIdentity>> {
  checkServer(session);
  const identity = await readIdentity(session);
  const version = nameVersion(identity.serverVersion);
  const ended = findSupportEnd(identity.serverVersion, now);
  if (ended !== undefined)
    return warning(
      `PostgreSQL ${version}: its major version had its last release on ${ended} and gets no more security fixes`,
      'Upgrade the server to a newer major version (Supabase: Infrastructure settings).',
      identity,
    );
  if (!session.guarded)
    return warning(
      `PostgreSQL ${version} is older than the releases of August 2024: somebody who can create objects could make a backup run their code (CVE-2024-7348)`,
      'Upgrade the server to the newest release of its major version (Supabase: Infrastructure settings).',
      identity,
    );
  return ok(`PostgreSQL ${version}, database ${identity.database}, ${identity.serverEncoding}`, identity);
}

const nameVersion = (number: number): string => `${Math.floor(number / 10000)}.${number % 10000}`;

/** Looks for pg_dump and installs nothing: says where a backup would. */
async function judgeClient(
  serverVersion: number,
  { clientPath, installClient }: Pick<DoctorInputs, 'clientPath' | 'installClient'>,
  context: Context,
): Promise<Finding> {
  const source = { clientPath, installClient: 'never' as const };
  const server = { major: Math.floor(serverVersion / 10000), minor: serverVersion % 10000 };
  try {
    // What it warns of is told here.
    const tools = await findDumpClient(serverVersion, { ...context, log: silence(context.log) }, source);
    const minor = Number(/^\d+\.(\d+)/.exec(tools.version)?.[1] ?? 0);
    const isBehind = tools.major === server.major && minor > server.minor;
    const behind = isBehind
      ? `; the server, ${nameVersion(serverVersion)}, lacks the releases up to that one`
      : '';
    const newer = tools.major > server.major ? `, newer than the server's major ${server.major}` : '';
    return ok(`pg_dump ${tools.version}${newer}${behind}`);
  } catch (error) {
    if (!(error instanceof ConfigurationError) || clientPath !== undefined) throw error;
    if (!mayInstall(installClient, context.env)) throw error;
    return ok(
      say`pg_dump ${server.major} is not installed; a backup installs it, as ${nameInput('install-client')} allows`,
    );
  }
}

function silence(log: Log): Log {
  return {
    debug: (message) => log.debug(message),
    info: (message) => log.debug(message),
    warn: (message) => log.debug(String(message)),
    error: (message) => log.error(message),
    group: (title, body) => log.group(title, body),
    progress: (line) => log.progress(line),
  };
}

/** Finds all that pg_dump and COPY would be refused, where a backup stops at the first. */
async function judgePrivileges(
  session: Session,
  { include, exclude }: Pick<DoctorInputs, 'include' | 'exclude'>,
): Promise<Finding> {
  const tables = await readTables(session);
  refuseUnmatched('include', include, tables);
  refuseUnmatched('exclude', exclude, tables);
  const chosen = tables.filter(createSelection(include, exclude));
  const obstacles = await findUnreadable(session, chosen);
  if (obstacles.length > 0)
    return failed(
      obstacles.map(({ message }) => message).join('; '),
      [...new Set(obstacles.map(({ next }) => next))].join(' '),
    );
  return ok(
    `all rows of ${formatCounted(chosen.length, 'table')} can be read, all sequences and large objects`,
  );
}

/** Sessions of a backup or a capture beside those that carry rows */
const sessionsBesideJobs = 4;

async function judgeSessions(
  settings: ConnectionSettings | undefined,
  jobs: number,
  signal: AbortSignal,
): Promise<Finding> {
  if (settings === undefined) throw new Error('a check ran before the database was reached');
  const wanted = jobs + sessionsBesideJobs;
  const found = await countSessions(settings, wanted, signal);
  const enough = `${wanted} sessions, for ${formatCounted(jobs, 'job')}`;
  if (found >= wanted) return ok(`${enough}, are to be had at once`);
  return warning(
    `a backup opens up to ${enough}, and ${found} are to be had`,
    `Set jobs to ${Math.max(1, found - sessionsBesideJobs)}, end other clients, or raise the pool size (Supabase: Database settings, Connection pooling).`,
  );
}

/** Captures are for recovery to any point in time; a backup needs nothing of it. */
async function judgeCaptures(session: Session, unlimitedWal: boolean): Promise<Finding> {
  try {
    await checkSlotPossible(session, unlimitedWal);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return warning(
      error.message,
      say`${error.told.next} Backups do not need this. It is for point-in-time recovery.`,
    );
  }
  const [row] = await session.query<{ text: string }>(
    `SELECT current_setting('max_slot_wal_keep_size') AS text`,
  );
  return ok(`a slot can be made; the server keeps ${row?.text ?? 'some'} of write-ahead log for it`);
}
