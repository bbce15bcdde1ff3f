import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';

/** What `--json` prints, as far as tests read it */
export interface Printed {
  readonly version: number;
  readonly operation: string | null;
  readonly exitCode: number;
  /** Everything beside the other fields; null of a run that failed */
  // biome-ignore lint/suspicious/noExplicitAny: tests compare values, and the schema has been checked.
  readonly outputs: any;
  readonly found: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: alike
  readonly details: any;
  readonly report: readonly object[];
  readonly error: { readonly kind: string; readonly message: string; readonly next: string } | null;
}

const schema = JSON.parse(readFileSync(new URL('../../schema/output.schema.json', import.meta.url), 'utf8'));
const checker = new Ajv2020({ allErrors: true, strict: false });
checker.addFormat('date-time', (text) => !Number.isNaN(Date.parse(text)));
// One operation alone, because a complaint about each of all says nothing.
const validators = new Map<string, ReturnType<typeof checker.compile>>();

/**
 * Reads what a run with `--json` has printed.
 *
 * @throws Error when it does not fit the published schema
 */
export function readPrinted(stdout: string): Printed {
  const printed = JSON.parse(stdout);
  const name = printed.error === null ? String(printed.operation) : 'failure';
  let validate = validators.get(name);
  if (validate === undefined) {
    validate = checker.compile({ ...schema, oneOf: undefined, $ref: `#/$defs/${name}` });
    validators.set(name, validate);
  }
  if (!validate(printed)) {
    throw new Error(
      `what --json printed does not fit its schema: ${checker.errorsText(validate.errors)}\n${stdout}`,
    );
  }
  const { version, operation, exitCode, found, details, report, error, ...outputs } = printed;
  return {
    version,
    operation,
    exitCode,
    found,
    details,
    report,
    error,
    outputs: error === null ? outputs : null,
  };
}
