import { type FindingKind, findingKinds } from '../../../src/interface/findings/finding.ts';
import { type OutputName, outputNames, outputs } from '../../../src/interface/outputs.ts';
import { makeFindingSchema } from '../status/json-schema.ts';

/** `announced` is an output of the action alone. */
export const printedOutputs: readonly OutputName[] = outputNames.filter(
  (name) => outputs[name].operations.includes('managed') && name !== 'announced',
);

const managedKinds = (Object.keys(findingKinds) as FindingKind[]).filter((kind) =>
  kind.startsWith('managed-'),
);

/** The schema of what `managed --json` prints, made of the lists of outputs and of kinds of findings. */
export function makeManagedSchema(): object {
  const properties = Object.fromEntries(
    printedOutputs.map((name) => [name, { ...forms[name], description: outputs[name].description }]),
  );
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'What `supabase-backup managed --json` prints',
    type: 'object',
    properties,
    required: printedOutputs,
    $defs: {
      findings: { type: 'array', items: { oneOf: managedKinds.map(makeFindingSchema) } },
      better: makeBetter(),
    },
  };
}

const empty = { const: '' };
const timeOrEmpty = { anyOf: [{ type: 'string', format: 'date-time' }, empty] };
const countOrEmpty = { anyOf: [{ type: 'integer', minimum: 0 }, empty] };
const nested = (name: string) => ({
  type: 'string',
  contentMediaType: 'application/json',
  contentSchema: { $ref: `#/$defs/${name}` },
});

const forms: Readonly<Partial<Record<OutputName, object>>> = {
  status: { enum: ['healthy', 'broken'] },
  'project-ref': { type: 'string', pattern: '^[a-z]{20}$' },
  'project-status': { type: 'string' },
  plan: { type: 'string' },
  'managed-layer': { enum: ['daily', 'pitr', 'none', ''] },
  'managed-from': timeOrEmpty,
  'managed-to': timeOrEmpty,
  'managed-backups': countOrEmpty,
  'retention-days': { anyOf: [{ type: 'number', minimum: 0 }, empty] },
  'pitr-days': countOrEmpty,
  'managed-schedule': { type: 'string', pattern: '^(\\d\\d:\\d\\d(:\\d\\d)?)?$' },
  'recoverable-to': timeOrEmpty,
  better: nested('better'),
  findings: nested('findings'),
};

function makeBetter(): object {
  const answers = { enum: ['platform', 'repository', 'both', 'neither', 'not measured'] };
  const names = ['newest-point', 'older-point', 'whole-project', 'part', 'deleted-project'];
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, answers])),
    required: names,
    additionalProperties: false,
  };
}
