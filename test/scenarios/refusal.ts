import { expect } from 'vitest';
import type { Finished } from '../support/run-cli.ts';

/**
 * What every failure owes the person who meets it: the right exit code, words that name the thing, a next step, no stack, no
 * call for a bug report, and no secret in any form.
 */
export function expectRefusal(
  run: Finished,
  expected: { exitCode: number; says: RegExp | readonly RegExp[]; secrets?: readonly string[] },
): void {
  const all = `${run.stdout}\n${run.stderr}`;
  expect(all).not.toMatch(/^\s+at .+[:)]/m);
  expect(all).not.toContain('unexpected:');
  const told = `${run.stderr}\n${inWords(run.stderr)}`;
  for (const says of [expected.says].flat()) expect(told).toMatch(says);
  expect(run.stderr).toMatch(/^→ \S.+[.;?]$/m);
  expect(run.exitCode).toBe(expected.exitCode);
  expectNoSecret(all, expected.secrets ?? []);
}

/**
 * A message with the names of inputs as a workflow has them: a terminal shows options and variables, an action none, and both refuse
 * for the same reasons. How each names inputs is tested in test/entry/terminal/surface.test.ts.
 */
export function inWords(text: string): string {
  return text
    .replace(/\bSUPABASE_BACKUP_([A-Z0-9_]+)/g, (_, name: string) => name.toLowerCase().replaceAll('_', '-'))
    .replace(/(?<=^|[\s(])--([a-z][a-z0-9-]*)=(true|false)\b/gm, '$1: $2')
    .replace(/(?<=^|[\s(])--confirm 'RESTORE PRODUCTION'/gm, 'confirm: RESTORE PRODUCTION')
    .replace(/(?<=^|[\s(])--([a-z][a-z0-9-]*)/gm, '$1');
}

/** Neither as it is, nor percent-encoded or decoded, nor in base64. */
export function expectNoSecret(text: string, secrets: readonly string[]): void {
  for (const secret of secrets) {
    for (const form of formsOf(secret))
      expect(text.includes(form), `${form.slice(0, 4)}… is told`).toBe(false);
  }
}

export function formsOf(secret: string): string[] {
  const decoded = decode(secret);
  return [
    secret,
    decoded,
    encodeURIComponent(decoded),
    JSON.stringify(decoded).slice(1, -1),
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    Buffer.from(decoded).toString('base64').replace(/=+$/, ''),
  ];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
