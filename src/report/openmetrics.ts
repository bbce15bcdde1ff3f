import { printable } from './printable.ts';

/*
 * Gauges in the text format of OpenMetrics 1.0. Prometheus' older text format 0.0.4, which the textfile
 * collector of node_exporter reads, is the same for gauges: `# UNIT` and `# EOF` are comments to it. It knows no
 * type `info`, so what others call that is a gauge with the value 1 here.
 */

/** What is measured of several things, told apart by labels. */
export interface Gauge {
  /** Ends with `_<unit>` where it has a unit */
  readonly name: string;
  readonly unit?: 'seconds' | 'bytes';
  /** A sentence without quotes and backslashes */
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Renders gauges, and leaves out those of which nothing was measured: no sample is not the same as 0. */
export function renderOpenMetrics(gauges: readonly Gauge[]): string {
  const measured = gauges.filter(({ samples }) => samples.length > 0);
  return `${[...measured.flatMap(renderGauge), '# EOF'].join('\n')}\n`;
}

function renderGauge({ name, unit, help, samples }: Gauge): string[] {
  return [
    `# TYPE ${name} gauge`,
    ...(unit === undefined ? [] : [`# UNIT ${name} ${unit}`]),
    `# HELP ${name} ${help}`,
    ...samples.map(({ labels, value }) => `${name}${renderLabels(labels)} ${value}`),
  ];
}

function renderLabels(labels: Sample['labels']): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** A line break is never left: `printable` writes it visibly. */
function escapeValue(text: string): string {
  return printable(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"');
}
