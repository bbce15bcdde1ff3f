import { beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { replacePin } from '../../scripts/pin.ts';
import { ConfigurationError } from '../../src/runtime/errors.ts';
import { planJobs } from '../../src/schedule/plan/plan.ts';
import { parsePolicy } from '../../src/schedule/policy/parse.ts';
import { type Caller, renderCallers } from '../../src/schedule/workflows/callers.ts';
import { type Job, pin, readText } from './files.ts';
import { type Checker, openParser } from './parser.ts';

const example = readText('examples/policy/supabase-backup.yml');
const released = {
  action: pin.action,
  commit: '0123456789abcdef0123456789abcdef01234567',
  version: 'v3.2.1',
};
const filled = replacePin(example, pin, released).replaceAll(
  'age1…',
  'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p',
);
const captured = filled.replace('  # capture: auto/15', '  capture: auto/15');
const withRole = filled.replace('    # aws-role: arn', '    aws-role: arn');

let parser: Checker;
beforeAll(async () => {
  parser = await openParser();
});

function render(text: string): Caller[] {
  const parsed = parsePolicy(text, 'policy.yml');
  const plan = planJobs(parsed.policy, 'octo-org/shop');
  return renderCallers({ ...parsed, plan, policyPath: '.github/supabase-backup.yml' });
}

test('the example of a policy is one, once its placeholders are filled', () => {
  const { policy, actionVersion } = parsePolicy(filled, 'policy.yml');
  expect(actionVersion).toBe('v3.2.1');
  const { databases } = planJobs(policy, 'octo-org/shop');
  expect(databases.map(({ name, jobs }) => [name, jobs.map(({ kind }) => kind)])).toEqual([
    [
      'production',
      ['full', 'incremental', 'schema', 'archive', 'capture', 'drill', 'cleanup', 'watch', 'digest'],
    ],
    ['staging', ['full', 'schema', 'capture', 'drill', 'cleanup', 'watch', 'digest']],
  ]);
});

test('what the example leaves for later can be switched on: captures more often, and their databases keep eight days', () => {
  expect(captured).not.toBe(filled);
  const { databases } = planJobs(parsePolicy(captured, 'policy.yml').policy, 'octo-org/shop');
  for (const { jobs, keepChanges } of databases) {
    expect(jobs.find(({ kind }) => kind === 'capture')?.crons[0]).toMatch(/^\d+,\d+,\d+,\d+ \* \* \* \*$/);
    expect(keepChanges).toBe('8d');
  }
});

test('and a role in place of keys: of that database, except for its cleanup, which has a key of its own', () => {
  expect(withRole).not.toBe(filled);
  const jobs = render(withRole).flatMap(({ text }) => Object.entries<Job>(parse(text).jobs));
  const taking = jobs.filter(([, { with: given }]) => given?.['aws-role'] !== undefined);
  expect(taking.map(([id]) => id)).toEqual(
    ['full', 'schema', 'archive', 'incremental', 'capture', 'drill', 'watch', 'digest', 'restore'].map(
      (kind) => `production-${kind}`,
    ),
  );
  for (const [id, { permissions, secrets }] of jobs) {
    const takes = taking.some(([name]) => name === id);
    expect(permissions?.['id-token'], id).toBe(takes ? 'write' : undefined);
    if (takes) expect(JSON.stringify(secrets ?? {}), id).not.toContain('AWS_');
  }
});

test.each([
  ['the example', filled],
  ['it with more captures', captured],
  ['it with a role', withRole],
])("GitHub's own parser takes the workflows of %s, and all that they pass", async (_, text) => {
  const callers = render(text);
  expect(callers.length).toBeGreaterThan(4);
  for (const caller of callers) expect(await parser.checkWorkflow(caller.file, caller.text)).toEqual([]);
});

test('with its placeholders it is refused', () => {
  expect(() => parsePolicy(example, 'policy.yml')).toThrow(ConfigurationError);
});

test('the heartbeat of several databases is called only when all watches went well', () => {
  const watch = render(filled).find(({ file }) => file === 'supabase-backup-watch.yml');
  const address = (parse(watch?.text ?? '').jobs as Record<string, Job>).schedules?.secrets?.HEARTBEAT_URL;
  const called = (results: readonly string[], event = 'schedule') =>
    parser.evaluate(String(address), {
      github: { event_name: event },
      needs: Object.fromEntries(results.map((result, index) => [`watch-${index}`, { result }])),
      secrets: { HEARTBEAT_URL: 'https://heartbeat.example.com/1' },
    }) !== '';
  expect(called(['success', 'success'])).toBe(true);
  expect(called(['success', 'failure'])).toBe(false);
  expect(called(['success', 'cancelled'])).toBe(false);
  // Of a schedule of its own another watch is not part of this run; by hand one was left out.
  expect(called(['success', 'skipped'])).toBe(true);
  expect(called(['success', 'skipped'], 'workflow_dispatch')).toBe(false);
});
