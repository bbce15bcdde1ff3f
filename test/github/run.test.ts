import { describe, expect, it } from 'vitest';
import { describeHolder, identifyHolder, isRepository, readRun } from '../../src/github/run.ts';

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
    expect(readRun(env)).toEqual({
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
    expect(readRun({})).toBeUndefined();
    expect(readRun({ GITHUB_REPOSITORY: 'acme/shop' })).toBeUndefined();
    expect(readRun({ ...env, GITHUB_REPOSITORY: '../user' })).toBeUndefined();
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

describe('the holder of a lock', () => {
  it('is the run on GitHub', () => {
    const env = {
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_REPOSITORY: 'a/b',
      GITHUB_RUN_ID: '42',
    };
    expect(describeHolder(env)).toBe('https://github.com/a/b/actions/runs/42');
  });

  it('is the process elsewhere', () => {
    expect(describeHolder({ GITHUB_REPOSITORY: 'a/b' })).toMatch(new RegExp(`, process ${process.pid}$`));
  });

  it('has an id, the same for one step of a run whatever it is called, and else for one process', () => {
    const step = { SUPABASE_BACKUP_STEP: 'a4f1' };
    expect(identifyHolder(step).id).toBe('a4f1');
    expect(identifyHolder({ ...step, GITHUB_RUN_ID: '42' }).id).toBe('a4f1');
    expect(identifyHolder({}).id).toBe(identifyHolder({ GITHUB_RUN_ID: '42' }).id);
    expect(identifyHolder({}).id).toContain(String(process.pid));
  });
});
