import { html, type Markup, name, time } from '../../../report/html.ts';
import { formatDuration } from '../../../report/quantity.ts';
import type { DatabaseFacts } from '../facts.ts';
import { judgeRecovery } from '../objective.ts';
import { round } from './charts.ts';
import { renderMark } from './marks.ts';
import { type Cell, renderTable, renderUnmeasured } from './tables.ts';

/** The newest that are drawn and listed */
const shownDrills = 40;

type Drill = DatabaseFacts['records']['drills'][number];

/** Draws how long recoveries took, beside the target, and lists the drills. */
export function renderDrills(id: string, facts: DatabaseFacts, isPublic: boolean): Markup {
  const drills = facts.records.drills.slice(-shownDrills);
  if (drills.length === 0) {
    return renderUnmeasured(
      'no drill was run. How long a recovery takes, and whether one works, only a drill shows.',
    );
  }
  const { rtoTarget } = facts;
  return html`${drawDrills(`${id}-t`, drills, rtoTarget)}
${renderTable({
  caption: 'Drills, newest first; times are UTC',
  columns: ['when', 'result', 'recovery', 'target'],
  numbers: [2],
  rows: drills.toReversed().map((drill) => describeDrill(drill, rtoTarget, isPublic)),
})}`;
}

function describeDrill({ at, content }: Drill, pageTarget: number | undefined, isPublic: boolean): Cell[] {
  const { outcome, recovery, backup, why } = content;
  const reason = isPublic || why === null ? undefined : html`<br>${why}`;
  return [
    time(at),
    html`${renderMark(outcome === 'passed' ? 'good' : 'broken', outcome)} <span class="quiet small">${name(backup)}</span>${reason}`,
    recovery === null ? 'not measured' : formatDuration(recovery),
    describeTarget(content, pageTarget),
  ];
}

/** Time alone decides: whether the drill passed has a column of its own. */
function describeTarget(content: Drill['content'], pageTarget: number | undefined): Cell {
  const { target, verdict } = judgeRecovery(content, pageTarget);
  if (verdict === 'not measured') return verdict;
  if (target === null) return 'none';
  const whose = content.rtoTarget == null ? ', of this page' : '';
  const mark = verdict === 'met' ? renderMark('good', 'met') : renderMark('broken', 'missed');
  return html`${mark} <span class="quiet small">${formatDuration(target)}${whose}</span>`;
}

function lookOf(content: Drill['content'], pageTarget: number | undefined): string {
  if (content.recovery === null) return 'none';
  if (content.outcome === 'failed') return 'failed';
  return judgeRecovery(content, pageTarget).verdict === 'not met' ? 'some' : 'passed';
}

const height = 100;

/** A drill that failed before there was a time is a pale bar as high as the picture. */
function drawDrills(id: string, drills: readonly Drill[], rtoTarget: number | undefined): Markup {
  const times = drills.map(({ content }) => content.recovery ?? 0);
  const most = Math.max(...times, rtoTarget ?? 0);
  const rise = (value: number) => (most === 0 ? 0 : (value / most) * (height - 6));
  const slots = Math.max(drills.length, 8);
  const bars = drills.map(({ at, content }, index) => {
    const { recovery, outcome } = content;
    const told = `${at.toISOString().slice(0, 10)}: ${outcome}${recovery === null ? '' : `, ${formatDuration(recovery)}`}`;
    const tall = recovery === null ? height - 6 : Math.max(1, rise(recovery));
    const look = lookOf(content, rtoTarget);
    return html`<rect class="${look}" x="${index + 0.2}" width="0.6" y="${round(height - tall)}" height="${round(tall)}"><title>${told}</title></rect>`;
  });
  const level = height - rise(rtoTarget ?? 0);
  const target =
    rtoTarget === undefined
      ? undefined
      : html`<line class="target" x1="0" x2="${slots}" y1="${round(level)}" y2="${round(level)}"/>`;
  const title = `Recovery times of the last ${drills.length} drills`;
  return html`<figure><div class="axis"><span>${formatDuration(most)}</span></div>
<div class="plot"><svg role="img" aria-labelledby="${id}" viewBox="0 0 ${slots} ${height}" preserveAspectRatio="none"><title id="${id}">${title}</title>${bars}${target}<line class="base" x1="0" x2="${slots}" y1="${height}" y2="${height}"/></svg></div>
<div class="axis"><span>old to new</span><span>${rtoTarget === undefined ? 'no target was given' : `dashed: the target of this page, ${formatDuration(rtoTarget)}`}</span></div>
<figcaption>How long it took until the restored database could be used. Pale: it failed before that. Another colour: it failed later, or missed its target: the one that it was given then, else that of this page.</figcaption></figure>`;
}
