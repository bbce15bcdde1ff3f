import type { Input } from '../input.ts';
import { matching, parseBoolean } from '../values.ts';

/** The policy file, and the workflows generated from it. */
export const scheduleInputs = {
  policy: {
    group: 'policy',
    operations: ['schedule', 'status', 'report', 'doctor', 'estimate', 'init'],
    default: { schedule: '.github/supabase-backup.yml', init: '.github/supabase-backup.yml' },
    placeholder: 'file',
    description:
      'The policy: databases, storages, schedules, retention, drills and alarms. docs/schedule.md describes it. With it `status` judges when each ' +
      'schedule of the database last succeeded; when empty, it does not. In place of `storage`, `report` is about all its databases, or the one ' +
      'that `database` names. `doctor` checks its workflows; `estimate` takes retention and schedule of `database` from it. `init` writes it, and never over another.',
    parse: matching(/^[^\0]{1,1000}$/, 'is not a path', 'Write the path of the policy file.'),
  },
  workflows: {
    group: 'policy',
    operations: ['schedule', 'status', 'report', 'doctor', 'init'],
    default: '.github/workflows',
    placeholder: 'folder',
    description:
      'The folder in which `schedule` and `init` write the workflows of the policy, and `status`, `report` and `doctor` look for them.',
    parse: matching(/^[^\0]{1,1000}$/, 'is not a path', 'Write the path of a folder.'),
  },
  check: {
    group: 'policy',
    operations: ['schedule'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `schedule` writes nothing and ends with 3 when the workflows are not what the policy says.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;
