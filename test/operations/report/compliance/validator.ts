import { spawnSync } from 'node:child_process';
import path from 'node:path';

/** The published schema */
export const schemaFile = path.join(import.meta.dirname, '../../../../schema/compliance.schema.json');

/** A validator that we did not write: Python's jsonschema, `pip install jsonschema`. Tests are skipped without. */
export const hasValidator =
  spawnSync('python3', ['-c', 'import jsonschema'], { stdio: 'ignore' }).status === 0;

const script = `
import json, sys
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
json.dump([error.message for error in Draft202012Validator(schema).iter_errors(json.load(sys.stdin))], sys.stdout)
`;

/** What the validator has against it */
export function validate(json: string): string[] {
  const { stdout, stderr, status } = spawnSync('python3', ['-c', script, schemaFile], {
    input: json,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as string[];
}
