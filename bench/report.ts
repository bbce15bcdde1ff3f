import { formatBytes } from '../src/report/quantity.ts';
import type { Section } from '../src/report/section.ts';
import {
  bestSeconds,
  find,
  type GroupResult,
  medianRequests,
  medianSeconds,
  medianStored,
  medianTraffic,
  peakBytes,
  type Row,
  ratio,
  typicalRun,
  type Verdict,
} from './compare.ts';
import type { Conditions } from './conditions.ts';

const nothing = '–';

/** The whole result, to be rendered as text or as Markdown. */
export function createReport(conditions: Conditions, results: readonly GroupResult[]): Section[] {
  return [
    { kind: 'heading', text: 'Conditions' },
    {
      kind: 'table',
      columns: [{ title: 'what' }, { title: '' }],
      rows: Object.entries(conditions).map(([what, value]) => [what, value]),
    },
    ...results.flatMap(reportGroup),
  ];
}

function reportGroup({ group, rows, verdicts }: GroupResult): Section[] {
  const baselines = group.baselines.map((id) => find(rows, id));
  const stores = rows.some((row) => medianStored(row) !== undefined);
  const travels = rows.some((row) => medianRequests(row) !== undefined);
  return [
    { kind: 'heading', text: group.title },
    {
      kind: 'table',
      columns: [
        { title: 'contender' },
        { title: 'best', align: 'right' },
        { title: 'median', align: 'right' },
        ...baselines.map((baseline) => ({ title: `of ${baseline.name}`, align: 'right' as const })),
        { title: 'peak memory', align: 'right' },
        ...(stores ? [{ title: 'stored', align: 'right' as const }] : []),
        ...(travels
          ? ['requests', 'at once', 'traffic'].map((title) => ({ title, align: 'right' as const }))
          : []),
      ],
      rows: rows.map((row) => [
        row.missing === undefined ? row.name : `${row.name} (skipped: ${row.missing})`,
        formatSeconds(bestSeconds(row)),
        formatSeconds(medianSeconds(row)),
        ...baselines.map((baseline) => formatRatio(ratio(row, baseline, medianSeconds))),
        formatSize(peakBytes(row)),
        ...(stores ? [formatSize(medianStored(row))] : []),
        ...(travels
          ? [
              formatNumber(medianRequests(row)),
              formatNumber(typicalRun(row)?.traffic?.atOnce),
              formatSize(medianTraffic(row)),
            ]
          : []),
      ]),
    },
    { kind: 'paragraph', text: group.note },
    ...reportPhases(rows),
    {
      kind: 'table',
      columns: [
        { title: 'target' },
        { title: 'at most', align: 'right' },
        { title: 'median', align: 'right' },
        { title: 'best', align: 'right' },
        { title: '' },
      ],
      rows: verdicts.map((verdict) => describeVerdict(verdict, rows)),
    },
  ];
}

function reportPhases(rows: readonly Row[]): Section[] {
  const lines = rows.flatMap((row) => {
    const phases = Object.entries(typicalRun(row)?.phases ?? {});
    return phases.length === 0
      ? []
      : [[row.name, phases.map(([phase, duration]) => `${phase} ${duration}`).join(', ')]];
  });
  return lines.length === 0
    ? []
    : [
        {
          kind: 'table',
          columns: [{ title: 'contender' }, { title: 'phases of its median run' }],
          rows: lines,
        },
      ];
}

function describeVerdict({ target, measured, ofBest, met }: Verdict, rows: readonly Row[]): string[] {
  const { name } = find(rows, target.contender);
  const answer = measured === undefined ? 'not measured' : met ? 'met' : 'MISSED';
  switch (target.kind) {
    case 'time':
      return [
        `time of ${name} against ${find(rows, target.against).name}`,
        ...[formatRatio(target.most), formatRatio(measured), formatRatio(ofBest), answer],
      ];
    case 'seconds':
      return [
        `time of ${name}`,
        ...[formatSeconds(target.mostSeconds), formatSeconds(measured), formatSeconds(ofBest), answer],
      ];
    case 'bytes':
      return [
        `bytes stored by ${name} against ${find(rows, target.against).name}`,
        ...[formatRatio(target.most), formatRatio(measured), formatRatio(ofBest), answer],
      ];
    case 'size':
      return [
        `bytes stored by ${name}`,
        ...[formatSize(target.mostBytes), formatSize(measured), formatSize(ofBest), answer],
      ];
    case 'requests':
      return [
        `requests of ${name}`,
        ...[formatNumber(target.most), formatNumber(measured), formatNumber(ofBest), answer],
      ];
    case 'traffic':
      return [
        `traffic of ${name}`,
        ...[formatSize(target.mostBytes), formatSize(measured), formatSize(ofBest), answer],
      ];
    case 'memory':
      return [`peak memory of ${name}`, formatSize(target.mostBytes), formatSize(measured), nothing, answer];
  }
}

function formatSeconds(seconds: number | undefined): string {
  return seconds === undefined ? nothing : `${seconds.toFixed(2)} s`;
}

function formatRatio(ratio: number | undefined): string {
  return ratio === undefined ? nothing : `${ratio.toFixed(2)}×`;
}

function formatNumber(count: number | undefined): string {
  return count === undefined ? nothing : Math.round(count).toLocaleString('en-US');
}

function formatSize(bytes: number | undefined): string {
  return bytes === undefined ? nothing : formatBytes(bytes);
}
