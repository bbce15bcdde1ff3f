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
    group: 'general',
    operations,
    required: true,
    placeholder: 'name',
    example: 'backup',
    description: `The operation to run: ${operations.map((name) => `\`${name}\``).join(', ')}.`,
    parse: oneOf(operations),
  },
  ...repositoryInputs,
  ...databaseInputs,
  share: {
    group: 'proof',
    operations: ['validate', 'mirror', 'repair'],
    default: { validate: '100%', mirror: '10%', repair: '100%' },
    placeholder: 'percentage',
    description:
      'How much of the stored data to read back, as a percentage such as `10%`. Objects are chosen at random. For `mirror`, it is a share ' +
      'of what was copied to a storage without checksums; for `repair`, a share of what is stored.',
    parse: parseShare,
  },
  ...restoreInputs,
  ...managementInputs,
  ...retentionInputs,
  ...proofInputs,
  'allow-unencrypted': {
    group: 'encryption',
    operations: ['backup', 'capture', 'gate', 'doctor'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description:
      'Whether to allow an unencrypted backup where it is otherwise refused: in a public GitHub repository, whose artifacts anybody can ' +
      'download, and in a repository that already has encrypted backups.',
    parse: parseBoolean,
  },
  'artifact-retention-days': {
    group: 'github',
    operations: storing,
    placeholder: 'days',
    description:
      'How many days GitHub keeps the artifact of an `artifact://` storage after each run that writes it, from 1 to 90. When empty, the ' +
      'setting of the repository applies.',
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
    group: 'general',
    operations: ['restore', 'cleanup', 'schedule', 'records', 'mirror', 'repair', 'init'],
    default: 'false',
    flag: true,
    placeholder: 'true|false',
    description: 'Whether to only print what the operation would do.',
    parse: parseBoolean,
  },
} as const satisfies Record<string, Input>;

export type InputName = keyof typeof schema;

export const inputNames = Object.keys(schema) as readonly InputName[];

/** The schema for code that prints it rather than parses with it. */
export const inputs: Readonly<Record<InputName, Input>> = schema;

/** The inputs that matter first, in this order: \`--help\` lists those of an operation before all others. */
export const essentialInputs: readonly InputName[] = [
  ...(['storage', 'database-url', 'target-url', 'backup-id', 'recovery-target-time', 'policy'] as const),
  ...(['include', 'exclude', 'clean', 'confirm', 'backup-type', 'encryption-recipients'] as const),
  ...(['encryption-identity', 'checks', 'retention', 'max-age', 'label', 'pin', 'share', 'dry-run'] as const),
  ...([
    'copies',
    'kind',
    'output',
    'format',
    'project-ref',
    'supabase-access-token',
    'safety-backup',
  ] as const),
];

/** Returns the text of an input as the user gave it; undefined or empty means not given. */
export type ReadInput = (name: InputName) => string | undefined;
