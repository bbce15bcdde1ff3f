import { expect, test } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { planJobs } from '../../src/schedule/plan.ts';
import { parsePolicy, refuseCapture } from '../../src/schedule/policy.ts';
import { readText } from './files.ts';

const example = readText('examples/policy/supabase-backup.yml');
const filled = example
  .replaceAll('COMMIT_SHA', '0123456789abcdef0123456789abcdef01234567')
  .replaceAll('age1…', 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p');

test('the example of a policy is one, once its placeholders are filled', () => {
  const { policy, actionVersion } = parsePolicy(filled, 'policy.yml');
  expect(actionVersion).toBe('v1.0.0');
  const { databases } = planJobs(policy, 'octo-org/shop');
  expect(databases.map(({ name, jobs }) => [name, jobs.map(({ kind }) => kind)])).toEqual([
    ['production', ['full', 'incremental', 'schema', 'archive', 'drill', 'cleanup', 'watch']],
    ['staging', ['full', 'schema', 'drill', 'cleanup', 'watch']],
  ]);
});

test('with its placeholders it is refused', () => {
  expect(() => parsePolicy(example, 'policy.yml')).toThrow(ConfigurationError);
});

test('capture, which nothing does yet, is refused where it is asked for, and only there', () => {
  const refuse = (text: string) => refuseCapture(parsePolicy(text, 'policy.yml').policy, 'policy.yml');
  expect(() => refuse(filled)).not.toThrow();
  expect(() => refuse(filled.replace('incremental: false', 'capture: false'))).not.toThrow();
  expect(() => refuse(filled.replace('incremental: false', 'capture: true'))).toThrow(
    'policy.yml: databases.staging.schedules.capture: capturing changes is not there yet',
  );
  expect(() =>
    refuse(filled.replace('\nschedules:\n', '\nschedules:\n  capture: auto/10 * * * *\n')),
  ).toThrow('policy.yml: schedules.capture: ');
});
