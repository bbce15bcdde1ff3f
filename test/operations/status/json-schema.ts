import { type FindingKind, findingKinds } from '../../../src/interface/findings/finding.ts';
import { type OutputName, outputNames, outputs } from '../../../src/interface/outputs.ts';

/** The schema of what `status --json` prints, made of the lists of outputs and of kinds of findings. */
export function makeStatusSchema(): object {
  const properties = Object.fromEntries(
    printedOutputs.map((name) => [name, { ...forms[name], description: outputs[name].description }]),
  );
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'What `supabase-backup status --json` prints',
    type: 'object',
    properties,
    required: printedOutputs,
    $defs: { findings: { type: 'array', items: { oneOf: kinds.map(makeFindingSchema) } } },
  };
}

const kinds = Object.keys(findingKinds) as FindingKind[];

/** `announced` is an output of the action alone. */
export const printedOutputs: readonly OutputName[] = outputNames.filter(
  (name) => outputs[name].operations.includes('status') && name !== 'announced',
);

const empty = { const: '' };
const time = { type: 'string', format: 'date-time' };
const seconds = { anyOf: [{ type: 'number', minimum: 0 }, empty] };
const timeOrEmpty = { anyOf: [time, empty] };

const forms: Readonly<Partial<Record<OutputName, object>>> = {
  'backup-id': { type: 'string', pattern: '^(\\d{8}T\\d{6}Z-[0-9a-f]{4})?$' },
  status: { enum: ['healthy', 'broken'] },
  'age-seconds': seconds,
  'verified-age-seconds': seconds,
  'drilled-age-seconds': seconds,
  'recovery-seconds': seconds,
  'longest-gap-seconds': seconds,
  'lag-bytes': { anyOf: [{ type: 'integer', minimum: 0 }, empty] },
  'success-share': { anyOf: [{ type: 'number', minimum: 0, maximum: 1 }, empty] },
  'recoverable-from': timeOrEmpty,
  'recoverable-to': timeOrEmpty,
  findings: {
    type: 'string',
    contentMediaType: 'application/json',
    contentSchema: { $ref: '#/$defs/findings' },
  },
};

export function makeFindingSchema(kind: FindingKind): object {
  const { severities, unit } = findingKinds[kind];
  const properties = {
    kind: { const: kind },
    severity: { enum: severities },
    limit: { type: ['number', 'null'] },
    measured: { type: ['number', 'null'], description: 'null: it could not be measured' },
    unit: { const: unit },
    since: { ...time, type: ['string', 'null'] },
    sentence: { type: 'string' },
    remedy: { type: 'string' },
  };
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
}
