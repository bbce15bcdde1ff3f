import { backupOutputs } from './output-groups/backups.ts';
import { findingOutputs } from './output-groups/findings.ts';
import type { Output } from './output-groups/output.ts';
import { surroundingOutputs } from './output-groups/surroundings.ts';

/**
 * Every output, defined once: the keys of `Outcome.outputs`, action.yml and `--json`. Whole numbers and bytes
 * are written without separators; the name of a duration contains its unit.
 */
const schema = { ...backupOutputs, ...findingOutputs, ...surroundingOutputs } as const;

export type OutputName = keyof typeof schema;

export const outputs: Readonly<Record<OutputName, Output>> = schema;
export const outputNames = Object.keys(schema) as readonly OutputName[];
