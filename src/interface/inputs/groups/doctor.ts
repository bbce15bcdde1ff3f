import type { Input } from '../input.ts';
import { parseBoolean } from '../values.ts';

/** What `doctor` may do besides looking. */
export const doctorInputs = {
  'read-only': {
    group: 'doctor',
    operations: ['doctor'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `doctor` writes nothing to the storage, for credentials that can only read. It then does not check whether the storage is ' +
      'writable.',
    parse: parseBoolean,
  },
  'test-alarm': {
    group: 'doctor',
    operations: ['doctor'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `doctor` sends a test message by mail, to `notify-url` and to Slack, and reports how each of them answered. It skips ' +
      'channels that are not set.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;
