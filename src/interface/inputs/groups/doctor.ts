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
      'Whether `doctor` writes no probe to the storage, for credentials that may only read: whether it can be written is then not checked.',
    parse: parseBoolean,
  },
  'test-alarm': {
    group: 'doctor',
    operations: ['doctor'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether `doctor` sends one message, marked as a test, by mail, to `notify-url` and to Slack, whichever are set, and tells how each answered.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;
