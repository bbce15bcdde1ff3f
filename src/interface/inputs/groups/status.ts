import type { Input } from '../input.ts';
import { matching, oneOf, parseBoolean, parsePrice } from '../values.ts';

/** In which form a status is told, besides the report. */
export const statusInputs = {
  format: {
    group: 'report',
    operations: ['status'],
    default: 'text',
    placeholder: 'form',
    description:
      'What `status` prints: `text` for a report, or `openmetrics` for metrics that Prometheus and compatible programs read. See ' +
      'docs/status.md for the names of the metrics.',
    parse: oneOf(['text', 'openmetrics'] as const),
  },
  'metrics-file': {
    group: 'report',
    operations: ['status'],
    placeholder: 'file',
    example: '/var/lib/node_exporter/textfile/supabase_backup.prom',
    description:
      'A file to which `status` also writes its metrics, such as `/var/lib/node_exporter/textfile/supabase_backup.prom`. The textfile ' +
      'collector of node_exporter reads files that end in `.prom`. The file is replaced atomically. Its folder must exist and be outside ' +
      'of the storage.',
    parse: matching(
      /^(?!-$)[^\0]{1,1000}$/,
      'is not a path',
      'Write the path of a file. For standard output leave it out, and write openmetrics as the format.',
    ),
  },
  'price-per-gb-month': {
    group: 'report',
    operations: ['status', 'report', 'doctor', 'estimate'],
    // S3 Standard in us-east-1, the first 50 TB: https://aws.amazon.com/s3/pricing/
    default: { doctor: '0.023', estimate: '0.023' },
    placeholder: 'price',
    example: '0.023',
    description:
      'What a gigabyte of storage costs per month, such as `0.023`, in any currency. `status` and the dashboard show what the backups ' +
      'cost; `doctor` and `estimate` show what they will cost. When empty, `status` and the dashboard show no cost, and `doctor` and ' +
      '`estimate` use the price of Amazon S3 Standard.',
    parse: parsePrice,
  },
  digest: {
    group: 'report',
    operations: ['status'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `status` also sends a digest of the last seven days by mail, to `notify-url` and to Slack. It contains the runs, sizes, the ' +
      'last drill, the findings, and what the next cleanup will remove. Channels that are not set are skipped.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;
