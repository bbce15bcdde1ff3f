import type { NamedRecord, RecordContent } from '../../../repository/records.ts';
import { recordKey } from '../../../repository/records.ts';
import { isWithin } from '../../../values/period.ts';
import type { EvidenceFacts } from './facts.ts';
import type { Evidence, RunEvidence, RunLink } from './result.ts';

type RunRecord = NamedRecord<'runs'>;

/** The complete population of runs of the period: those that began in it, whatever they came to. */
export function gatherRuns({ records, period, issues }: EvidenceFacts): Evidence['runs'] {
  const { runs } = records;
  const ofPeriod = runs
    .filter(({ content }) => isWithin(new Date(content.startedAt), period))
    .toSorted((one, other) => startOf(one) - startOf(other));
  const list = ofPeriod.map((run) => describeRun(run, runs, issues));
  const operations = [...new Set(list.map(({ operation }) => operation))].sort();
  const actors = [...new Set(list.map(({ actor }) => actor))].sort();
  return {
    ...tally(list),
    byOperation: operations.map((operation) => {
      return { operation, ...tally(list.filter((run) => run.operation === operation)) };
    }),
    byActor: actors.map((actor) => ({ actor, total: list.filter((run) => run.actor === actor).length })),
    list,
  };
}

function tally(list: readonly RunEvidence[]): Pick<Evidence['runs'], 'total' | 'done' | 'no' | 'failed'> {
  const countOf = (outcome: RunEvidence['outcome']) => list.filter((run) => run.outcome === outcome).length;
  return { total: list.length, done: countOf('done'), no: countOf('no'), failed: countOf('failed') };
}

function describeRun(
  run: RunRecord,
  all: readonly RunRecord[],
  issues: EvidenceFacts['issues'],
): RunEvidence {
  const { operation, outcome, exitCode, failure, backup, backupType, actor, host, version } = run.content;
  return {
    evidence: recordKey('runs', run.id),
    ...{ operation, startedAt: toTime(run.content.startedAt), endedAt: toTime(run.content.endedAt) },
    ...{ outcome, exitCode, failure, followUp: outcome === 'done' ? null : findFollowUp(run, all) },
    issue: outcome === 'done' ? null : findIssue(run.content.run, issues),
    ...{ backup, backupType, actor, run: run.content.run, host, version },
  };
}

/** Finds the next run of the same operation that succeeded; null where there was none until now. */
export function findFollowUp(failed: RunRecord, all: readonly RunRecord[]): RunEvidence['followUp'] {
  const { operation } = failed.content;
  const next = all
    .filter(({ content }) => content.operation === operation && content.outcome === 'done')
    .filter((run) => startOf(run) > startOf(failed))
    .toSorted((one, other) => startOf(one) - startOf(other))[0];
  return next === undefined
    ? null
    : { evidence: recordKey('runs', next.id), at: toTime(next.content.endedAt) };
}

/**
 * Finds the failure issue whose text names a run. It names the latest of the failures that it is about; of the
 * others its comments tell, which are not read.
 */
export function findIssue(run: RunLink | null, issues: EvidenceFacts['issues'] = []): number | null {
  if (run === null) return null;
  const names = (body: string) =>
    body
      .split(run.url)
      .slice(1)
      .some((rest) => !/^\d/.test(rest));
  return issues.find(({ body }) => names(body))?.number ?? null;
}

/** Who did something, and in which run. */
export interface Doer {
  readonly actor: string | null;
  readonly run: RunLink | null;
  /** Key of the record of the run */
  readonly recordedRun: string | null;
}

/**
 * Finds the run in which another record was written: that of the operations which was under way then. Where two
 * were, or none is recorded, nobody is named.
 */
export function findDoer(
  operations: readonly string[],
  at: Date,
  runs: readonly RunRecord[],
  isItsOwn: (content: RecordContent<'runs'>) => boolean = () => true,
): Doer {
  const time = at.getTime();
  const under = runs.filter(
    ({ content }) =>
      operations.includes(content.operation) &&
      time >= Date.parse(content.startedAt) &&
      time <= Date.parse(content.endedAt),
  );
  const own = under.length > 1 ? under.filter(({ content }) => isItsOwn(content)) : under;
  const [run] = own;
  if (run === undefined || own.length > 1) return { actor: null, run: null, recordedRun: null };
  return { actor: run.content.actor, run: run.content.run, recordedRun: recordKey('runs', run.id) };
}

/** The address at the beginning of what a record says of its run; undefined outside of GitHub */
export function addressOf(run: string): string | undefined {
  return /^https?:\/\/\S+\/actions\/runs\/\d+/.exec(run)?.[0];
}

/** Writes a recorded time as all others of the evidence are. */
export function toTime(time: string | Date): string {
  return new Date(time).toISOString();
}

function startOf({ content }: RunRecord): number {
  return Date.parse(content.startedAt);
}
