import type { Supplement } from '../../format/supplement.ts';
import { commandEnvironment } from '../../postgres/client/environment.ts';
import { passLines, startTool, ToolError } from '../../postgres/client/process.ts';
import { connectionVariables } from '../../postgres/session/client-variables.ts';
import { letRead, openSession } from '../../postgres/session/connection.ts';
import { writeRootCertificates } from '../../postgres/session/root-certificates.ts';
import type { ConnectionSettings } from '../../postgres/session/settings.ts';
import { formatCounted } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import type { Context } from '../../runtime/context.ts';
import { writeSet } from '../roles/stored-settings.ts';
import { type CheckResult, refuseUnanswerable, runChecks } from './checks.ts';

/**
 * Refuses checks that a database with these definitions cannot answer, before it has rows.
 *
 * @param complete as of `refuseUnanswerable`
 * @throws ConfigurationError naming the check
 */
export async function tryChecks(
  settings: ConnectionSettings,
  checks: readonly string[],
  { database }: Pick<Supplement, 'database'>,
  complete: boolean,
  context: Context,
): Promise<void> {
  if (checks.length === 0) return;
  await using session = await openSession(settings, context.signal);
  await letRead(session);
  // The database gets its settings last of all, and checks may rely on its search_path.
  const path = database.settings.find(({ name }) => name.toLowerCase() === 'search_path');
  await session.query(path === undefined ? 'RESET search_path' : writeSet(path));
  await refuseUnanswerable(session, checks, complete);
}

/** Runs the user's checks on a restored database. */
export async function askChecks(
  settings: ConnectionSettings,
  checks: readonly string[],
  context: Context,
): Promise<CheckResult[]> {
  if (checks.length === 0) return [];
  await using session = await openSession(settings, context.signal);
  await letRead(session);
  await session.query('RESET search_path');
  return await runChecks(session, checks);
}

export function describeChecks(checks: readonly CheckResult[]): Section[] {
  const failed = checks.filter((check) => !check.passed);
  if (checks.length === 0) return [];
  const passed = checks.length - failed.length;
  const summary: Section = {
    kind: 'paragraph',
    text: `${passed} of ${formatCounted(checks.length, 'check')} passed.`,
  };
  if (failed.length === 0) return [summary];
  return [
    summary,
    {
      kind: 'table',
      columns: [{ title: 'check that failed' }, { title: 'answer' }],
      rows: failed.map((check) => [check.sql, check.answer ?? '']),
    },
  ];
}

/** What is left to a command's own children, which may be services that never end */
const lingerMs = 5000;

/**
 * Runs the user's command in a shell, with the restored database in the PG… variables. Its environment holds
 * none of our secrets, so none of its dependencies can find them. Processes that it leaves running are ended.
 *
 * @returns why it failed; undefined when it did not
 */
export async function runCommand(
  settings: ConnectionSettings,
  command: string | undefined,
  context: Context,
): Promise<string | undefined> {
  if (command === undefined) return undefined;
  const env = commandEnvironment(
    context.env,
    connectionVariables(settings, () => writeRootCertificates(context)),
  );
  const tell = (line: string) => {
    if (line !== '') context.log.info(line);
  };
  try {
    const run = startTool('/bin/sh', ['-c', command], {
      env,
      signal: context.signal,
      onErrorLine: tell,
      lingerMs,
    });
    passLines(run.stdout, tell);
    await run.done;
    return undefined;
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof ToolError) return error.message;
    throw error;
  }
}
