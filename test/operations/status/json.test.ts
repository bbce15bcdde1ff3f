import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeStatus } from '../../../src/operations/status/report.ts';
import { examples } from '../../interface/findings/examples.ts';
import { ago, hour, shelve } from '../../repository/backups/freshness-example.ts';
import { weigh } from './example.ts';
import { makeStatusSchema, printedOutputs } from './json-schema.ts';

const file = path.join(import.meta.dirname, '../../../schema/status.schema.json');

/** A validator that we did not write: Python's jsonschema, `pip install jsonschema`. Tests are skipped without. */
const hasValidator = spawnSync('python3', ['-c', 'import jsonschema'], { stdio: 'ignore' }).status === 0;

const script = `
import json, sys
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
value = json.load(sys.stdin)
wrong = list(Draft202012Validator(schema).iter_errors(value))
# Content of strings is for readers to check.
findings = {'$ref': '#/$defs/findings', '$defs': schema['$defs']}
wrong += Draft202012Validator(findings).iter_errors(json.loads(value['findings']))
json.dump([error.message for error in wrong], sys.stdout)
`;

/** What the validator has against it */
function validate(outputs: object): string[] {
  const { stdout, stderr, status } = spawnSync('python3', ['-c', script, file], {
    input: JSON.stringify(outputs),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as string[];
}

const measured = { kind: 'measured' as const, milliseconds: 90_000, backup: 'x', at: ago(3) };
const statuses = {
  healthy: weigh([shelve(2)]),
  late: { ...weigh([shelve(30), shelve(60)]), recovery: measured },
  empty: weigh([]),
  everything: { ...weigh([shelve(2)]), findings: Object.values(examples) },
};

describe('the JSON of a status', () => {
  it('is described by a schema that is published', async () => {
    await expect(`${JSON.stringify(makeStatusSchema(), null, 2)}\n`).toMatchFileSnapshot(file);
  });

  it.each(Object.entries(statuses))('of one that is %s has all outputs and no other', (_, status) => {
    expect(Object.keys(describeStatus(status).outputs).sort()).toEqual(printedOutputs.toSorted());
  });

  it.skipIf(!hasValidator).each(Object.entries(statuses))(
    'of one that is %s fits the schema',
    (_, status) => {
      expect(validate(describeStatus(status).outputs)).toEqual([]);
    },
  );

  it.skipIf(!hasValidator)('that is otherwise does not fit', () => {
    const { outputs } = describeStatus(statuses.late);
    const change = (text: string, by: string) => ({
      ...outputs,
      findings: String(outputs.findings).replace(text, by),
    });
    expect(validate({ ...outputs, status: 'fine' })).toHaveLength(1);
    expect(validate({ ...outputs, 'age-seconds': null })).toHaveLength(1);
    expect(validate(change('"unit":"milliseconds"', '"unit":"seconds"'))).toHaveLength(1);
    expect(validate(change('"severity":"broken"', '"severity":"warning"'))).toHaveLength(1);
    const { findings, ...others } = outputs;
    expect(validate({ ...others, findings: '[]' })).toEqual([]);
    expect(String(findings)).toContain('"kind":"max-age"');
  });

  it('says of a finding what the report says, and null for what was not measured', () => {
    const { outputs, report } = describeStatus(weigh([shelve(30)], { limits: limits }));
    const [newest, verified] = JSON.parse(String(outputs.findings));
    expect(newest).toEqual({
      ...{ kind: 'max-age', severity: 'broken', limit: 26 * hour, measured: 30 * hour, unit: 'milliseconds' },
      since: ago(4).toISOString(),
      sentence: expect.stringMatching(/^the newest backup is 30 h/),
      remedy: expect.any(String),
    });
    expect(verified).toMatchObject({ kind: 'verified-within', measured: null, since: null });
    expect(JSON.stringify(report)).toContain(newest.sentence);
    expect(outputs).toMatchObject({ 'recovery-seconds': '', 'longest-gap-seconds': 108_000 });
    expect(describeStatus(statuses.late).outputs).toMatchObject({ 'recovery-seconds': 90 });
  });
});

const limits = { maxAge: 26 * hour, verifiedWithin: hour, drilledWithin: undefined };
