import { toJsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';
import { operations } from '../../../src/interface/inputs/operations.ts';
import { type OutputName, outputNames, outputs } from '../../../src/interface/outputs.ts';
import { backupDetails } from '../../../src/operations/backup/details.ts';
import { shownDetails } from '../../../src/operations/catalog/details.ts';
import { cleanupDetails } from '../../../src/operations/cleanup/details.ts';
import { drillDetails } from '../../../src/operations/drill/details.ts';
import { restoreDetails } from '../../../src/operations/restore/details.ts';
import { validateDetails } from '../../../src/operations/validate/details.ts';

type Operation = (typeof operations)[number];

/** What `--json` has besides outputs; null for all other operations */
const details: Readonly<Partial<Record<Operation, v.GenericSchema>>> = {
  backup: backupDetails,
  cleanup: cleanupDetails,
  drill: drillDetails,
  restore: v.nullable(restoreDetails),
  show: shownDetails,
  validate: validateDetails,
};

const kinds = [
  ...['ConfigurationError', 'SourceError', 'StorageError', 'TargetError', 'PlatformError', 'IntegrityError'],
  ...['JobError', 'ServerError', 'Interruption', 'Defect'],
];

const shown = [
  describeObject({ kind: { enum: ['heading', 'paragraph'] }, text: { type: 'string' } }),
  describeObject({ kind: { const: 'code' }, language: { type: 'string' }, text: { type: 'string' } }),
  describeObject({
    kind: { const: 'table' },
    columns: { type: 'array', items: { type: 'string' } },
    rows: { type: 'array', items: { type: 'array', items: { type: 'string' } } },
  }),
];

const folded = describeObject({
  kind: { const: 'details' },
  title: { type: 'string' },
  sections: { type: 'array', items: { $ref: '#/$defs/shown' } },
});

/** `announced` is an output of the action alone. */
const printed = outputNames.filter((name) => name !== 'announced');

export function listPrinted(operation: Operation): OutputName[] {
  return printed.filter((name) => outputs[name].operations.includes(operation));
}

/** The schema of what every operation prints with `--json`, made of the outputs and details that they define. */
export function makeOutputSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'What `supabase-backup … --json` prints, version 1',
    description: 'One object on one line. docs/json.md explains it.',
    type: 'object',
    properties: { version: { const: 1 } },
    oneOf: [...operations, 'failure'].map((name) => ({ $ref: `#/$defs/${name}` })),
    $defs: {
      ...Object.fromEntries(operations.map((operation) => [operation, describeEnd(operation)])),
      failure: describeFailure(),
      outputs: { properties: Object.fromEntries(printed.map((name) => [name, describeOutput(name)])) },
      section: { oneOf: [...shown, folded] },
      shown: { oneOf: shown },
    },
  };
}

function describeOutput(name: OutputName): object {
  const { description, value } = outputs[name];
  return { description, ...toPlainSchema(v.nullable(value)) };
}

function describeEnd(operation: Operation): object {
  const values = listPrinted(operation).map((name) => [name, { $ref: `#/$defs/outputs/properties/${name}` }]);
  const own = details[operation];
  return describeObject({
    version: { const: 1 },
    operation: { const: operation },
    exitCode: { enum: [0, 3], description: '3: it ran, and the answer is no' },
    ...Object.fromEntries(values),
    found: { type: ['string', 'null'], description: 'With exit code 3: why the answer is no' },
    details: own === undefined ? { type: 'null' } : toPlainSchema(own),
    report: {
      type: 'array',
      items: { $ref: '#/$defs/section' },
      description: 'The report as people read it; its texts may change with every version',
    },
    error: { type: 'null' },
  });
}

function describeFailure(): object {
  return describeObject({
    version: { const: 1 },
    operation: { enum: [...operations, null], description: 'null: none was named' },
    exitCode: {
      enum: [1, 2, 129, 130, 143],
      description: '2: nothing was touched; above 128: stopped by a signal',
    },
    found: { type: 'null' },
    details: { type: 'null' },
    report: { type: 'array', maxItems: 0 },
    error: describeObject({
      kind: { enum: kinds },
      message: { type: 'string', description: 'What is wrong' },
      next: { type: 'string', description: 'What to do now' },
      exitCode: { $ref: '#/$defs/failure/properties/exitCode' },
    }),
  });
}

function describeObject(properties: Readonly<Record<string, object>>): object {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
}

function toPlainSchema(schema: v.GenericSchema): object {
  const { $schema, ...plain } = toJsonSchema(schema, { target: 'draft-2020-12' });
  return plain;
}
