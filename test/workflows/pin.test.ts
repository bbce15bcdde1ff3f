import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Pin, pinnedFiles, readPin, replacePin } from '../../scripts/pin.ts';
import { parsePolicy } from '../../src/schedule/policy/parse.ts';
import { readText, workflowFiles } from './files.ts';

const root = path.join(import.meta.dirname, '..', '..');
const script = path.join(root, 'scripts/pin.ts');
const now = readPin();
const next: Pin = {
  action: 'octo-org/supabase.backup',
  commit: '0123456789abcdef'.repeat(3).slice(0, 40),
  version: 'v3.20.1',
};
const later: Pin = { action: 'octo-org/other', commit: 'f'.repeat(40), version: 'v4.0.0' };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'pin-'));
  execFileSync(process.execPath, [script, next.action, next.commit, next.version, folder]);
});
afterAll(() => rmSync(folder, { recursive: true }));
const rendered = (file: string) => readFileSync(path.join(folder, file), 'utf8');

describe('what users read and copy', () => {
  test('names this action where pin.json says it does, and in no other file of the repository', () => {
    const listed = execFileSync(
      'git',
      ['grep', '-lIF', '-e', now.action, '-e', now.commit, '--', '.', ':!test', ':!dist'],
      {
        cwd: root,
        encoding: 'utf8',
      },
    );
    const others = listed
      .trim()
      .split('\n')
      .filter((file) => !pinnedFiles.includes(file));
    // What says which pin it is, what writes another one, what looks that none is left, and what tells it to maintainers
    const expected = ['pin.json', 'scripts/pin.ts', '.github/workflows/release.yml', 'CONTRIBUTING.md'];
    expect(others.filter((file) => !expected.includes(file))).toEqual([]);
    expect(pinnedFiles.filter((file) => readText(file).includes(now.action)).length).toBeGreaterThan(20);
  });

  test('holds no placeholder in a release', () => {
    for (const file of pinnedFiles) {
      const text = rendered(file);
      expect(text, file).not.toContain(now.action);
      expect(text, file).not.toContain(now.commit);
    }
    expect(JSON.parse(rendered('pin.json'))).toEqual(next);
  });

  test.each(['README.md', ...pinnedFiles.filter((file) => /^(docs|examples)\//.test(file))])(
    'names the commit and its version wherever it uses the action: %s',
    (file) => {
      const uses = Array.from(
        rendered(file).matchAll(/^\s*(?:- )?uses: (\S+)(.*)$/gm),
        ([, name = '', comment]) => ({ name, comment }),
      );
      for (const { name, comment } of uses) {
        if (name.startsWith('$/') || name.startsWith('./')) continue;
        expect(name).toMatch(/^[\w.-]+\/[\w.-]+(\/[\w.-]+)*@[0-9a-f]{40}$/);
        if (name.startsWith(next.action))
          expect({ name: name.replace(/^.*@/, ''), comment }).toEqual({
            name: next.commit,
            comment: ` # ${next.version}`,
          });
      }
    },
  );

  test('is otherwise as it is in the repository', () => {
    const back = (text: string) =>
      text.replaceAll(next.action, now.action).replaceAll(next.commit, now.commit);
    for (const { file, workflow } of workflowFiles.filter(({ file }) => pinnedFiles.includes(file)))
      expect(parse(back(rendered(file))), file).toEqual(workflow);
  });

  test('gets another pin as well as the first', () => {
    for (const file of pinnedFiles)
      expect(replacePin(rendered(file), next, later), file).toBe(replacePin(readText(file), now, later));
  });

  test('has a policy that is one', () => {
    const recipient = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
    const text = rendered('examples/policy/supabase-backup.yml').replaceAll('age1…', recipient);
    const { policy, actionVersion } = parsePolicy(text, 'policy.yml');
    expect({ action: policy.action, actionVersion }).toEqual({
      action: `${next.action}@${next.commit}`,
      actionVersion: next.version,
    });
    expect(policy.$schema ?? text).toContain(`${next.action}/${next.commit}/schema/policy.schema.json`);
  });
});

test.each([
  [[], 'nothing is not OWNER/REPO'],
  [['octo', next.commit, next.version], 'octo is not OWNER/REPO'],
  [[next.action, 'v1', next.version], 'v1 is no commit'],
  [[next.action, next.commit, '1.0'], '1.0 is not vX.Y.Z'],
])('a pin that could not stand in a workflow is refused, and nothing is written: %j', (words, message) => {
  const run = spawnSync(process.execPath, [script, ...words], { encoding: 'utf8' });
  expect(run.status).not.toBe(0);
  expect(run.stderr).toContain(message);
  expect(readPin()).toEqual(now);
});
