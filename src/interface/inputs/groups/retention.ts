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
      'Which backups to keep. `hourly=24 daily=7 weekly=5 monthly=12 yearly=3` keeps the newest backup of each of the last 24 hours, 7 ' +
      'days, 5 weeks, 12 months and 3 years that have one; `last=3` keeps the newest 3; `within=7d` keeps all of the last 7 days; ' +
      '`verified=3` keeps at least 3 verified backups. A backup stays if any rule keeps it. Pinned backups and the newest verified backup ' +
      'always stay. `status` uses the rules only for its digest; `doctor` and `estimate` show what they cost.',
    parse: parseRetention,
  },
  'keep-changes': {
    group: 'retention',
    operations: ['cleanup', 'list', 'status', 'report'],
    default: '8d',
    placeholder: 'interval',
    description:
      'How far back every point in time stays recoverable, such as `8d`. Captured changes are kept from the newest backup before that time.',
    parse: parseInterval,
  },
  'time-zone': {
    group: 'retention',
    operations: ['cleanup', 'list', 'status', 'report'],
    default: 'UTC',
    placeholder: 'zone',
    description:
      'The time zone in which the days, weeks, months and years of `retention` begin, such as `Europe/Berlin`.',
    parse: parseTimeZone,
  },
  'grace-period': {
    group: 'retention',
    operations: ['cleanup'],
    default: '24h',
    placeholder: 'interval',
    description:
      'How long to keep stored objects after no backup needs them any more, such as `24h`. It must be longer than any backup runs.',
    parse: parseInterval,
  },
} as const satisfies Record<string, Input>;
