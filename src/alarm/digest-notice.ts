import type { Digest, DigestFinding, Removal, RunCount } from '../interface/digest.ts';
import { joinTelling } from '../interface/findings/telling.ts';
import { printable, printableLines } from '../report/printable.ts';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatCounted,
  formatDuration,
  formatShare,
} from '../report/quantity.ts';
import { formatTimeWithZone } from '../report/time.ts';
import type { RunEvent } from './event.ts';
import { describePlace, digestOf, identify, listLinks, type Notice, titleNotice } from './notice.ts';

/** The most removals that are listed one by one */
const shownRemovals = 20;

/** Tells a digest. Each is a thread of its own. */
export function toDigestNotice(event: RunEvent, digest: Digest): Notice {
  const { operation, database, at } = event;
  const id = digestOf([identify(event), 'digest']);
  return {
    ...{ id, kind: 'digest', operation, at },
    database: printable(database),
    title: titleNotice('digest', database, summarize(digest)),
    facts: listFacts(event, digest).map(([title, value]) => ({ title, value: printable(value) })),
    passages: [
      { title: 'What ran', text: digest.runs.map(tellRuns).join('\n') || 'No runs are recorded.' },
      { title: 'What was found', text: tellFindings(digest.findings) },
      { title: 'What the next cleanup removes', text: tellRemovals(digest.removals) },
    ].map(({ title, text }) => ({ title, text: printableLines(text) })),
    links: listLinks(event, {}),
    place: printable(describePlace(event)),
    thread: { key: id, begins: true, group: id },
  };
}

function summarize({ backups, runs, findings }: Digest): string {
  const broken = findings.filter(({ severity }) => severity === 'broken').length;
  const warnings = findings.filter(({ severity }) => severity === 'warning').length;
  return [
    formatCounted(backups.count, 'backup'),
    ...(runs.length === 0 ? [] : [`${tellRate(runs)} of runs succeeded`]),
    ...(broken === 0 ? [] : [`${formatCounted(broken, 'limit')} broken`]),
    ...(warnings === 0 ? [] : [formatCounted(warnings, 'warning')]),
  ].join(', ');
}

/** Lists the facts: ten, Slack's limit for fields. */
function listFacts({ database }: RunEvent, digest: Digest): [title: string, value: string][] {
  const { from, to, runs, backups, newest, recoverableTo, lastVerified, removals } = digest;
  const ago = (time: Date) => `${formatAge(Math.max(0, to.getTime() - time.getTime()))} ago`;
  return [
    ['Database', database],
    ['From, to', `${formatTimeWithZone(from)}, ${formatTimeWithZone(to)}`],
    ['Runs that succeeded', runs.length === 0 ? 'not recorded' : tellRate(runs)],
    ['Backups', `${formatCount(backups.count)}, which added ${formatBytes(backups.addedBytes)}`],
    [
      'Newest backup',
      newest === undefined
        ? 'none'
        : `${newest.id}, ${ago(newest.takenAt)}: ${formatCounted(newest.rows, 'row')}, ${formatBytes(newest.bytes)}`,
    ],
    ['Recoverable until', recoverableTo === undefined ? 'nothing is' : ago(recoverableTo)],
    ['Stored', tellStored(digest)],
    ['Last drill', tellDrill(digest, ago)],
    ['Last verification', lastVerified === undefined ? 'none' : ago(lastVerified)],
    ['Next cleanup', `removes ${formatCounted(removals.length, 'backup')}`],
  ];
}

function tellRate(runs: readonly RunCount[]): string {
  const succeeded = runs.reduce((sum, run) => sum + run.succeeded, 0);
  const all = runs.reduce((sum, run) => sum + run.succeeded + run.failed, 0);
  return formatShare(succeeded, all);
}

function tellStored({ storedBytes, monthGrowthBytes }: Digest): string {
  const growth = monthGrowthBytes === undefined ? 'is not measured' : formatBytes(monthGrowthBytes);
  return `${formatBytes(storedBytes)}; what a month adds: ${growth}`;
}

function tellDrill({ lastDrill }: Digest, ago: (time: Date) => string): string {
  if (lastDrill === undefined) return 'none';
  const { at, backup, passed, recovery } = lastDrill;
  const took = recovery === undefined ? '' : `, recovery in ${formatDuration(recovery)}`;
  return `${passed ? 'passed' : 'failed'} ${ago(at)}, of ${backup}${took}`;
}

function tellRuns({ operation, succeeded, failed }: RunCount): string {
  return `${operation}: ${formatCount(succeeded)} of ${formatCounted(succeeded + failed, 'run')} succeeded`;
}

function tellFindings(findings: readonly DigestFinding[]): string {
  const told = findings.filter(({ severity }) => severity !== 'note');
  if (told.length === 0) return 'Nothing is wrong.';
  return told.map((finding) => `${finding.severity.toUpperCase()}: ${joinTelling(finding)}`).join('\n');
}

function tellRemovals(removals: readonly Removal[]): string {
  if (removals.length === 0) return 'Nothing.';
  const lines = removals
    .slice(0, shownRemovals)
    .map(
      ({ backup, takenAt, reasons }) => `${backup}, ${formatTimeWithZone(takenAt)}: ${reasons.join(', ')}`,
    );
  const more = removals.length - lines.length;
  return [...lines, ...(more > 0 ? [`and ${formatCount(more)} more`] : [])].join('\n');
}
