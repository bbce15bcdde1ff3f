import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type ReusableWorkflow, reusableWorkflows } from '../../../src/schedule/workflows/reusable.ts';

const workflows: [string, ReusableWorkflow][] = Object.entries(reusableWorkflows);
const fileOf = (file: string) => new URL(`../../../.github/workflows/${file}`, import.meta.url);

/** Of a job that only prepares the one that the workflow is for */
const shortMinutes = 10;

/* The generated workflows call these by commit: what they pass must be what the files of the same commit take. */
describe.each(workflows)('%s', (name, { file, inputs, secrets, permissions, timeoutMinutes }) => {
  test('has names that GitHub takes', () => {
    expect(file).toBe(`${name}.yml`);
    for (const input of Object.keys(inputs)) expect(input).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
    // The secrets of an environment can only stand in for those of a caller when they have the same name.
    for (const secret of Object.keys(secrets)) expect(secret).toMatch(/^(?!GITHUB_)[A-Z][A-Z_]*$/);
    expect(timeoutMinutes).toBeLessThan(360);
  });

  test.skipIf(!existsSync(fileOf(file)))('is what its file takes', () => {
    const workflow = parse(readFileSync(fileOf(file), 'utf8'));
    const call = workflow.on.workflow_call;
    const taken = Object.entries(call.inputs as Record<string, { type: string; required?: boolean }>);
    expect(
      Object.fromEntries(taken.map(([input, { type, required = false }]) => [input, { type, required }])),
    ).toEqual(
      Object.fromEntries(
        Object.entries<{ type: string; required?: boolean }>(inputs).map(
          ([input, { type, required = false }]) => [input, { type, required }],
        ),
      ),
    );
    expect(Object.keys(call.secrets).sort()).toEqual(Object.keys(secrets).sort());
    const required = Object.values(call.secrets as Record<string, { required?: boolean } | null>);
    expect(required.filter((secret) => secret?.required)).toEqual([]);
    // A caller that grants less than a called workflow declares cannot start it at all.
    expect(workflow.permissions).toBeUndefined();
    for (const job of Object.values(workflow.jobs as Record<string, Record<string, unknown>>))
      expect(job.permissions).toBeUndefined();
    expect(permissions.contents).toBe('read');
  });

  test.skipIf(!existsSync(fileOf(file)))('ends the job that it is for at its time, and others soon', () => {
    const { jobs } = parse(readFileSync(fileOf(file), 'utf8'));
    const own = Object.keys(jobs).findLast((id) => id !== 'alarm') ?? '';
    expect(own).toBe(name);
    for (const [id, job] of Object.entries<Record<string, unknown>>(jobs))
      expect(job['timeout-minutes'], id).toBe(id === own ? timeoutMinutes : shortMinutes);
  });
});
