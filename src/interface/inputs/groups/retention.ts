import type { Input } from '../input.ts';
import { parseInterval, parseRetention, parseTimeZone } from '../time-values.ts';

/** Which backups and changes stay, and for how long. */
export const retentionInputs = {
  retention: {
    group: 'retention',
    operations: ['cleanup', 'list', 'status', 'report', 'doctor', 'estimate'],
    default: 'daily=7 weekly=5 monthly=12',
    placeholder: 'rules',
    description:
      'Which backups stay: the newest of each of that many hours, days, weeks, months or years that have one (`hourly=24 daily=7 weekly=5 ' +
      'monthly=12 yearly=3`), the newest so many (`last=3`), all within a time (`within=7d`), and at least so many verified ones ' +
      '(`verified=3`). What one rule keeps, stays. Pinned backups and the newest verified one always stay. `status` reads it for its digest alone; `doctor` and `estimate` tell what it costs.',
    parse: parseRetention,
  },
  'keep-changes': {
    group: 'retention',
    operations: ['cleanup', 'list', 'status', 'report'],
    default: '8d',
    placeholder: 'interval',
    description:
      'How far back any point in time stays recoverable, such as `8d`: captured changes are kept from the backup on that reaches back so far.',
    parse: parseInterval,
  },
  'time-zone': {
    group: 'retention',
    operations: ['cleanup', 'list', 'status', 'report'],
    default: 'UTC',
    placeholder: 'zone',
    description: 'The time zone in which days, weeks, months and years begin, such as `Europe/Berlin`.',
    parse: parseTimeZone,
  },
  'grace-period': {
    group: 'retention',
    operations: ['cleanup'],
    default: '24h',
    placeholder: 'interval',
    description:
      'How long stored objects that nothing needs any more are kept before they are removed, such as `24h`. Longer than any backup runs.',
    parse: parseInterval,
  },
} as const satisfies Record<string, Input>;
