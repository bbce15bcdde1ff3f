import { describe, expect, it } from 'vitest';
import { describeRun, isRepository } from '../../src/github/run.ts';

const env = {
  GITHUB_SERVER_URL: 'https://github.example',
  GITHUB_REPOSITORY: 'acme/shop',
  GITHUB_RUN_ID: '12345678901',
  GITHUB_RUN_NUMBER: '17',
  GITHUB_RUN_ATTEMPT: '2',
  GITHUB_WORKFLOW: 'Backup',
  GITHUB_WORKFLOW_REF: 'acme/shop/.github/workflows/backup.yml@refs/heads/main',
  GITHUB_ACTOR: 'octocat',
};

describe('the run of a workflow', () => {
  it('is what the environment says', () => {
    expect(describeRun(env)).toEqual({
      url: 'https://github.example/acme/shop/actions/runs/12345678901',
      id: 12345678901,
      number: 17,
      attempt: 2,
      workflow: 'Backup',
      workflowFile: 'acme/shop/.github/workflows/backup.yml',
      repository: 'acme/shop',
      actor: 'octocat',
    });
  });

  it('is none outside of a runner', () => {
    expect(describeRun({})).toBeUndefined();
    expect(describeRun({ GITHUB_REPOSITORY: 'acme/shop' })).toBeUndefined();
    expect(describeRun({ ...env, GITHUB_REPOSITORY: '../user' })).toBeUndefined();
  });
});

it.each([
  ['acme/shop', true],
  ['a.b-c_d/.github', true],
  ['acme', false],
  ['acme/..', false],
  ['./shop', false],
  ['acme/shop/issues', false],
  ['acme/shop?x', false],
])('%s is a repository: %s', (text, answer) => {
  expect(isRepository(text)).toBe(answer);
});
