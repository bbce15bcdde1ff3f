import { spawnSync } from 'node:child_process';

/* Parsers of metrics that we did not write: prometheus_client's, the strict one of OpenMetrics and the one of text format 0.0.4. */

const probe = spawnSync('python3', ['-c', 'import prometheus_client'], { stdio: 'ignore' });

/** `pip install prometheus-client` brings them; tests are skipped without. */
export const hasPrometheusParsers = probe.status === 0;

/** `promtool` of Debian's package prometheus; tests are skipped without. */
export const hasPromtool = spawnSync('promtool', ['--version'], { stdio: 'ignore' }).status === 0;

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly unit: string;
  readonly samples: readonly { name: string; labels: Record<string, string>; value: number }[];
}

const script = `
import json, sys
if sys.argv[1] == 'openmetrics':
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
else:
    from prometheus_client.parser import text_string_to_metric_families as parse
families = [
    {'name': f.name, 'type': f.type, 'unit': f.unit,
     'samples': [{'name': s.name, 'labels': s.labels, 'value': s.value} for s in f.samples]}
    for f in parse(sys.stdin.read())
]
json.dump(families, sys.stdout)
`;

/** Throws with the parser's message when it refuses the text. */
export function parseMetrics(text: string, format: 'openmetrics' | 'text'): ParsedFamily[] {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', script, format], {
    input: text,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as ParsedFamily[];
}

/** What promtool says against the metrics; empty when nothing. */
export function lintMetrics(text: string): string {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  return status === 0 ? '' : `${stdout}${stderr}`;
}
