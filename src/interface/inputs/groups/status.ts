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
      'What `status` prints: `text`, its report, or `openmetrics`, for Prometheus and what reads its formats. docs/status.md has the names.',
    parse: oneOf(['text', 'openmetrics'] as const),
  },
  'metrics-file': {
    group: 'report',
    operations: ['status'],
    placeholder: 'file',
    example: '/var/lib/node_exporter/textfile/supabase_backup.prom',
    description:
      'A file to which `status` writes its metrics as well, replaced at once: for the textfile collector of node_exporter, which reads what ends in ' +
      '`.prom`. The folder must exist, outside of the storage.',
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
      'What a gigabyte of the storage costs for a month, such as `0.023`, in any currency: `status` and the dashboard tell what the backups cost, ' +
      '`doctor` and `estimate` what they will cost. When empty, the former do not ask, and the latter take the price of Amazon S3 Standard.',
    parse: parsePrice,
  },
  digest: {
    group: 'report',
    operations: ['status'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `status` also sends a digest of the last seven days by mail, to `notify-url` and to Slack, whichever are set: what ran, sizes, the last ' +
      'drill, what was found, what the next cleanup removes.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;
