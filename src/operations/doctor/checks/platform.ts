import { partNames } from '../../../interface/findings/managed-tellings.ts';
import { tellFinding } from '../../../interface/findings/telling.ts';
import type { DoctorInputs } from '../../../interface/inputs/types.ts';
import { type Fact, factNames, isPassing, type ManagedFacts, readValue } from '../../../management/facts.ts';
import type { ManagementFailure } from '../../../management/failure.ts';
import { formatCounted } from '../../../report/quantity.ts';
import { formatTime, formatTimeWithZone } from '../../../report/time.ts';
import type { Context } from '../../../runtime/context.ts';
import { isKnownError } from '../../../runtime/errors.ts';
import { hour } from '../../../values/duration.ts';
import { judgeManaged } from '../../managed/judge.ts';
import type { askPlatform } from '../../managed/read.ts';
import type { Managed } from '../../managed/result.ts';
import { type Examination, type Finding, failed, ok, unchecked, warning } from '../examination.ts';
import { chooseProject, type DatabaseChoice, type ProjectChoice } from '../project.ts';

/** As `max-age` is where nobody says it */
const maxAge = 26 * hour;

/** Six requests, at most one a second, of which each may be asked again */
const limitMs = 180_000;

/**
 * Checks the project at Supabase and what Supabase keeps of it, where the inputs or the policy name a project.
 * Without a token it is not looked at, which is no warning: no backup needs one.
 */
export async function checkPlatform(
  examination: Examination,
  inputs: DoctorInputs,
  database: DatabaseChoice,
  ask: typeof askPlatform,
  context: Context,
): Promise<void> {
  const choice = await choose(examination, inputs, database, context);
  if (choice === undefined || choice.kind === 'none') return;
  if (choice.kind === 'unknown') {
    await examination.run('platform-token', async () => unchecked(choice.why));
    return;
  }
  let managed: Managed | undefined;
  await examination.run(
    'platform-token',
    async (signal) => {
      const facts = await ask(choice.management, { ...context, signal });
      managed = judgeManaged(facts, undefined, { maxAge });
      return judgeToken(facts);
    },
    { limitMs },
  );
  const needs = managed !== undefined && isAnswered(managed.facts) ? [] : (['platform-token'] as const);
  await examination.run('platform-project', async () => judgeProject(managed), { needs });
  await examination.run('platform-backups', async () => judgeBackups(managed), { needs });
}

function isAnswered(facts: ManagedFacts): boolean {
  return factNames.some((name) => facts[name].kind === 'read');
}

async function choose(
  examination: Examination,
  inputs: DoctorInputs,
  database: DatabaseChoice,
  context: Context,
): Promise<ProjectChoice | undefined> {
  try {
    return chooseProject(inputs, database, context);
  } catch (error) {
    if (!isKnownError(error)) throw error;
    await examination.run('platform-token', () => Promise.reject(error));
    return undefined;
  }
}

/** Judges what the token may. What passes by itself is no fault of it, and of a plan even less. */
function judgeToken(facts: ManagedFacts): Finding {
  const failures = factNames.flatMap((name) => {
    const fact = facts[name];
    return fact.kind === 'unread' ? [{ name, failure: fact.failure }] : [];
  });
  const unknown = failures.find(({ failure }) => failure.reason === 'unauthorized');
  if (unknown !== undefined) return failed(unknown.failure.told.message, unknown.failure.told.next);
  const { backups } = facts;
  const [first] = failures;
  if (first !== undefined && isPassing(first.failure) && !isAnswered(facts))
    return unchecked(first.failure.message);
  if (backups.kind === 'unread' && backups.failure.reason === 'forbidden')
    return failed(backups.failure.told.message, backups.failure.told.next);
  const forbidden = failures.filter(({ failure }) => failure.reason === 'forbidden');
  const parts = forbidden.map(({ name }) => partNames[name]).join(', ');
  if (parts === '') return ok('it may read the backups of the project, and what is beside them');
  const missing = [...new Set(forbidden.flatMap(({ failure }) => failure.details.missing))].join(', ');
  return warning(
    `it can read the backups of the project, but not: ${parts}${missing === '' ? '' : `; it lacks ${missing}`}`,
    `Give the token ${missing || 'what docs/managed.md lists for them'} at https://supabase.com/dashboard/account/tokens, or leave it: what the token cannot read is reported as not measured.`,
  );
}

const going: ReadonlySet<string> = new Set(['REMOVED', 'GOING_DOWN']);
const paused: ReadonlySet<string> = new Set(['INACTIVE', 'PAUSING']);

function judgeProject(managed: Managed | undefined): Finding {
  if (managed === undefined) return unchecked('the project could not be read');
  const { project, ref } = managed.facts;
  if (project.kind !== 'read') return judgeUnread(project);
  const { name, region, status } = project.value;
  const named = [ref, ...(name === undefined ? [] : [name]), ...(region === undefined ? [] : [region])];
  const told = `${named.join(', ')}: ${status}`;
  if (status === 'ACTIVE_HEALTHY') return ok(told);
  const ending = managed.findings.find(
    (finding) => finding.kind === 'managed-ending' && finding.why !== 'pitr-replaces-daily',
  );
  if (ending !== undefined && (paused.has(status) || going.has(status))) {
    const { sentence, remedy } = tellFinding(ending);
    return failed(`${told}; ${sentence.replace(/\.$/, '')}`, remedy);
  }
  return warning(
    told,
    'Wait until it is ACTIVE_HEALTHY, or check the dashboard. Backups may fail until then.',
  );
}

function judgeBackups(managed: Managed | undefined): Finding {
  if (managed === undefined) return unchecked('nothing is known of them');
  const { facts, findings } = managed;
  if (facts.backups.kind !== 'read') return judgeUnread(facts.backups);
  const plan = readValue(facts.plan);
  const told = `${plan === undefined ? 'the plan is not known' : `plan ${plan}`}: ${tellLayer(managed)}`;
  const wrong = findings.filter(({ kind }) =>
    ['managed-off', 'managed-late', 'managed-failed'].includes(kind),
  );
  if (wrong.length === 0) return ok(told);
  const tellings = wrong.map((finding) => tellFinding(finding));
  return warning(
    [told, ...tellings.map(({ sentence }) => sentence.replace(/\.$/, ''))].join('; '),
    [...new Set(tellings.map(({ remedy }) => remedy))].join(' '),
  );
}

function tellLayer({ platform }: Managed): string {
  switch (platform.kind) {
    case 'unread':
      return 'it is unknown what Supabase keeps';
    case 'none':
      return 'Supabase keeps no backup that could be restored';
    case 'daily':
      return `${formatCounted(platform.count, 'daily backup')} to go back to, the newest of ${formatTimeWithZone(platform.newest)}`;
    case 'pitr':
      return `point-in-time recovery, any second from ${formatTime(platform.from)} to ${formatTimeWithZone(platform.to)}`;
  }
}

/** A part that was not read: what the token may not is told beside it. */
function judgeUnread(fact: Exclude<Fact<unknown>, { kind: 'read' }>): Finding {
  if (fact.kind === 'unasked') return unchecked('the project was not read');
  const { failure } = fact;
  if (failure.reason === 'forbidden') return unchecked(`the token may not read it${tellMissing(failure)}`);
  return isPassing(failure)
    ? unchecked(failure.told.message)
    : failed(failure.told.message, failure.told.next);
}

function tellMissing({ details }: ManagementFailure): string {
  return details.missing.length === 0 ? '' : `: it lacks ${details.missing.join(', ')}`;
}
