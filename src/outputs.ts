import type { Operation } from './inputs.ts';

/**
 * Every output, once: what `Outcome.outputs` may hold, and what action.yml and the keys of `--json` promise. Whole numbers and
 * bytes are written without separators; a duration has its unit in its name.
 */
export interface Output {
  /** The operations that set it. */
  readonly operations: readonly Operation[];
  readonly description: string;
}

const schema = {
  'backup-id': {
    operations: ['backup', 'restore'],
    description: 'Id of the backup that was made or restored.',
  },
  'backup-type': { operations: ['backup'], description: 'What was stored: `full` or `schema`.' },
  tables: { operations: ['backup', 'restore'], description: 'Tables whose rows were copied.' },
  rows: { operations: ['backup', 'restore'], description: 'Rows copied.' },
  bytes: { operations: ['backup'], description: 'Bytes of the backup before compression.' },
  'stored-bytes': {
    operations: ['backup'],
    description: 'Bytes of the backup as stored, compressed and encrypted, whoever stored them first.',
  },
  'new-bytes': { operations: ['backup'], description: 'Stored bytes that this run added to the storage.' },
  objects: { operations: ['backup'], description: 'Stored objects that the backup consists of.' },
  backups: { operations: ['validate'], description: 'Backups that were checked.' },
  'objects-checked': { operations: ['validate'], description: 'Stored objects that were read back.' },
  damaged: {
    operations: ['validate'],
    description: 'Backups of which something is missing or damaged.',
  },
  parity: {
    operations: ['restore'],
    description:
      'Whether the restored database is what the backup recorded: `equal`, `different`, or `skipped` when `verify` is `none`.',
  },
  'duration-seconds': {
    operations: ['backup', 'restore'],
    description: 'How long the operation took, in seconds.',
  },
} as const satisfies Record<string, Output>;

export type OutputName = keyof typeof schema;

export const outputs: Readonly<Record<OutputName, Output>> = schema;
export const outputNames = Object.keys(schema) as readonly OutputName[];
