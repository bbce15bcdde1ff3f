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
      'The policy file, which describes databases, storages, schedules, retention, drills and alarms. See docs/schedule.md. `schedule` ' +
      'generates workflows from it. `init` writes it, but never over an existing file. `status` checks with it when each schedule of the ' +
      'database last succeeded. `report` covers all of its databases, or the one that `database` names, in place of `storage`. `doctor` ' +
      'checks its workflows. `estimate` reads the retention and schedule of `database` from it.',
    parse: matching(/^[^\0]{1,1000}$/, 'is not a path', 'Write the path of the policy file.'),
  },
  workflows: {
    group: 'policy',
    operations: ['schedule', 'status', 'report', 'doctor', 'init'],
    default: '.github/workflows',
    placeholder: 'folder',
    description:
      'The folder of the workflows that belong to the policy. `schedule` and `init` write them there; `status`, `report` and `doctor` look ' +
      'for them there.',
    parse: matching(/^[^\0]{1,1000}$/, 'is not a path', 'Write the path of a folder.'),
  },
  check: {
    group: 'policy',
    operations: ['schedule'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `schedule` only compares: it then writes nothing and ends with exit code 3 if the workflows differ from the policy.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;
