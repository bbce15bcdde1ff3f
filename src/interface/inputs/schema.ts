import { alarmInputs } from './groups/alarm.ts';
import { databaseInputs } from './groups/database.ts';
import { doctorInputs } from './groups/doctor.ts';
import { managementInputs } from './groups/management.ts';
import { proofInputs } from './groups/proof.ts';
import { recordsInputs } from './groups/records.ts';
import { releaseInputs } from './groups/release.ts';
import { reportInputs } from './groups/report.ts';
import { repositoryInputs } from './groups/repository.ts';
import { restoreInputs } from './groups/restore.ts';
import { retentionInputs } from './groups/retention.ts';
import { scheduleInputs } from './groups/schedule.ts';
import { setupInputs } from './groups/setup.ts';
import { statusInputs } from './groups/status.ts';
import type { Input } from './input.ts';
import { operations, storing } from './operations.ts';
import { oneOf, parseBoolean, parseShare, wholeNumber } from './values.ts';

/**
 * Every input, defined once, in the order in which they are listed. The Action's `with:`, the command line,
 * the environment, action.yml, `--help` and the README's table all come from `schema`. After `parseInputs`
 * no code reads a raw input.
 */
export const schema = {
  operation: {
    operations,
    required: true,
    placeholder: 'name',
    example: 'backup',
    description: `What to do: ${operations.map((name) => `\`${name}\``).join(', ')}.`,
    parse: oneOf(operations),
  },
  ...repositoryInputs,
  ...databaseInputs,
  share: {
    operations: ['validate', 'mirror', 'repair'],
    default: { validate: '100%', mirror: '10%', repair: '100%' },
    placeholder: 'percentage',
    description:
      'How much of the stored objects to read back, chosen at random: a percentage such as `10%`. For `mirror`, how much of what it copied to a storage that keeps no checksums; for `repair`, how much of what is there.',
    parse: parseShare,
  },
  ...restoreInputs,
  ...managementInputs,
  ...retentionInputs,
  ...proofInputs,
  'allow-unencrypted': {
    operations: ['backup', 'capture', 'gate', 'doctor'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether a backup may be stored unencrypted where that is refused: by a public GitHub repository, whose artifacts anybody can download, and ' +
      'beside backups that are encrypted.',
    parse: parseBoolean,
  },
  'artifact-retention-days': {
    operations: storing,
    placeholder: 'days',
    description:
      'How many days GitHub keeps the artifact of an `artifact://` storage after each run that writes it, 1 to 90. When empty, as the ' +
      'repository is set.',
    parse: wholeNumber(1, 90),
  },
  ...releaseInputs,
  ...statusInputs,
  ...reportInputs,
  ...scheduleInputs,
  ...setupInputs,
  ...recordsInputs,
  ...doctorInputs,
  ...alarmInputs,
  'dry-run': {
    operations: ['restore', 'cleanup', 'schedule', 'records', 'mirror', 'repair', 'init'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description: 'Whether to print what the operation would do and stop there.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;

export type InputName = keyof typeof schema;

export const inputNames = Object.keys(schema) as readonly InputName[];

/** The schema for code that prints it rather than parses with it. */
export const inputs: Readonly<Record<InputName, Input>> = schema;

/** Returns the text of an input as the user gave it; undefined or empty means not given. */
export type ReadInput = (name: InputName) => string | undefined;
