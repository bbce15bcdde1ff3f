import { describe, expect, it } from 'vitest';
import { renderOpenMetrics } from '../../src/report/openmetrics.ts';
import { hasPrometheusParsers, parseMetrics } from '../support/prometheus.ts';

const gauge = { name: 'x_bytes', unit: 'bytes', help: 'How many.' } as const;

describe('gauges', () => {
  it('are written with type, unit and help, and the text ends with # EOF', () => {
    const samples = [
      { labels: { kind: 'a', of: 'b' }, value: 1 },
      { labels: {}, value: 0.5 },
    ];
    expect(renderOpenMetrics([{ ...gauge, samples }])).toBe(
      '# TYPE x_bytes gauge\n# UNIT x_bytes bytes\n# HELP x_bytes How many.\nx_bytes{kind="a",of="b"} 1\nx_bytes 0.5\n# EOF\n',
    );
  });

  it('of which nothing was measured are left out', () => {
    expect(renderOpenMetrics([{ ...gauge, samples: [] }])).toBe('# EOF\n');
  });

  it.skipIf(!hasPrometheusParsers).each(['openmetrics', 'text'] as const)(
    'have labels that a parser of %s reads as what they are, whatever they hold',
    (format) => {
      const labels = { of: 'a"b\\c {d="e"} # f,\u00fc' };
      const text = renderOpenMetrics([{ ...gauge, samples: [{ labels, value: 7 }] }]);
      expect(parseMetrics(text, format)[0]?.samples).toEqual([{ name: 'x_bytes', labels, value: 7 }]);
    },
  );

  it.skipIf(!hasPrometheusParsers)('have no line that a label begins', () => {
    const labels = { of: 'a\nx_bytes 9\r\u2028\u202e' };
    const text = renderOpenMetrics([{ ...gauge, samples: [{ labels, value: 7 }] }]);
    expect(text.split('\n')).toHaveLength(6);
    expect(parseMetrics(text, 'openmetrics')[0]?.samples.map(({ value }) => value)).toEqual([7]);
  });
});
