import { formatCount, formatDuration } from '../../report/quantity.ts';
import type { Section } from '../../report/section.ts';
import { isHosted } from '../../schedule/plan/plan.ts';
import { estimateMonth } from '../../schedule/plan/week.ts';
import { measureLongestPause } from '../../schedule/verification/punctuality.ts';
import { findEndedCaptures } from '../../schedule/workflows/ended-captures.ts';
import type { Schedule } from './result.ts';

/** Of a month, in private repositories of GitHub's Free plan */
const freeMinutes = 2000;

/** What is no mistake, and should be known: slots that nobody reads any more, how far apart captures really were, what a month costs. */
export function describeRemarks(done: Schedule): Section[] {
  const ended = findEndedCaptures(done.changes).map(
    (database) =>
      `${database} is not captured any more, and its slot stays on the server, which keeps write-ahead log for it until its disk is ` +
      'full: once this is pushed, run `supabase-backup capture --drop-slot` with its database-url and storage.',
  );
  return [...ended, ...describePauses(done), ...describeCost(done)].map((text) => ({
    kind: 'paragraph',
    text,
  }));
}

function describePauses({ plan, verification, now }: Schedule): string[] {
  const captures = plan.databases.flatMap(({ jobs }) => jobs.filter(({ kind }) => kind === 'capture'));
  return captures.flatMap(({ database, crons, file }) => {
    const punctuality = verification?.verdicts.find((verdict) => verdict.file === file)?.punctuality;
    const pause = punctuality && measureLongestPause(punctuality.due, crons, now);
    if (pause === undefined) return [];
    return [
      `Captures of ${database} that succeeded in the last seven days were ${formatDuration(pause)} apart at most: ` +
        'so much would have been lost then.',
    ];
  });
}

function describeCost({ plan, verification, now }: Schedule): string[] {
  const jobs = plan.databases.flatMap((database) => database.jobs);
  const { minutes } = estimateMonth(jobs, plan.timeZone, now, verification?.minutes ?? new Map());
  if (!isHosted(plan.runsOn) || minutes <= freeMinutes) return [];
  return [
    `All this takes ${formatCount(minutes)} minutes in 30 days. A private repository has ${formatCount(freeMinutes)} a month on GitHub's Free ` +
      'plan, more on others; once they are used up, no backup runs either. Public repositories pay none.',
  ];
}
