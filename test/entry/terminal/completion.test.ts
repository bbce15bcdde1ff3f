import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderCompletion } from '../../../src/entry/terminal/completion/completion.ts';
import { shells } from '../../../src/entry/terminal/completion/words.ts';
import { renderOperationHelp } from '../../../src/entry/terminal/help.ts';
import { operations } from '../../../src/interface/inputs/operations.ts';
import { inputNames, inputs } from '../../../src/interface/inputs/schema.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'completion-'));
  for (const shell of shells) writeFileSync(join(folder, `script.${shell}`), renderCompletion([shell]));
  mkdirSync(join(folder, 'place with spaces'));
  writeFileSync(join(folder, 'policy.yml'), '');
});
afterAll(() => rmSync(folder, { recursive: true }));

const has = (shell: string) => spawnSync(shell, ['-c', 'true']).error === undefined;

/** Asks bash what may stand in place of the last word, as its line editor does. */
function completeInBash(line: string): string[] {
  const script = `source script.bash
    IFS=' ' read -ra COMP_WORDS <<<"$1"; [[ $1 == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _supabase_backup 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  // Its line editor breaks words at \`=\`, too.
  const words = line.replaceAll('=', ' = ').replace(/ = $/, ' =');
  const output = execFileSync('bash', ['-c', script, 'bash', words], { cwd: folder, encoding: 'utf8' });
  return output.split('\n').filter((word) => word !== '');
}

function completeInFish(line: string): string[] {
  const script = 'source script.fish; complete -C $argv[1]';
  const output = execFileSync('fish', ['--no-config', '-c', script, line], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: folder },
  });
  return output.split('\n').flatMap((row) => row.split('\t')[0] || []);
}

/** Types lines into an interactive zsh, each with the key of completion behind it, and returns what then stood there. */
function completeInZsh(lines: readonly string[]): string[] {
  const script = `zmodload zsh/zpty
    zpty z 'zsh -f -i'
    zpty -w z "PROMPT= RPROMPT= HISTSIZE=0; autoload -U compinit; compinit -u -D; source script.zsh; setopt nolistbeep"
    zpty -w z "show() { print -r -- \\"<\\"\\"<\\$BUFFER>>\\"; BUFFER=; zle redisplay }; zle -N show; bindkey '^X' show; bindkey '^I' complete-word; print rea''dy"
    until [[ $line == *ready* ]]; do zpty -r z line; done
    for typed in "$@"; do
      zpty -w -n z "$typed"$'\\t\\x18'
      zpty -r -m z line "*<<*>>*"
      print -r -- "\${\${line##*<<}%%>>*}"
    done
    zpty -d z`;
  const output = execFileSync('zsh', ['-f', '-c', script, 'zsh', ...lines], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 30_000,
    env: { PATH: process.env.PATH, HOME: folder, TERM: 'dumb', COLUMNS: '200' },
  });
  return output.replace(/\n$/, '').split('\n');
}

const program = 'supabase-backup';

describe('bash', () => {
  test('completes operations, their options, and fixed choices', () => {
    expect(completeInBash(`${program} `)).toEqual(
      expect.arrayContaining([...operations, 'mcp', '--version']),
    );
    expect(completeInBash(`${program} re`)).toEqual(operations.filter((name) => name.startsWith('re')));
    expect(completeInBash(`${program} backup --backup-type `)).toEqual(['full', 'incremental', 'schema']);
    expect(completeInBash(`${program} backup --backup-type in`)).toEqual(['incremental']);
    expect(completeInBash(`${program} backup --backup-type=`)).toEqual(['full', 'incremental', 'schema']);
    expect(completeInBash(`${program} backup --backup-type=in`)).toEqual(['incremental']);
    expect(completeInBash(`${program} completion `)).toEqual([...shells]);
    expect(completeInBash(`${program} backup --label drill --backup-t`)).toEqual(['--backup-type']);
  });

  test.each(operations)('offers of %s what its help lists, but for secrets', (operation) => {
    const offered = completeInBash(`${program} ${operation} --`);
    const help = renderOperationHelp(operation, 100);
    const listed = Array.from(help.matchAll(/^ {2}(?:-\w, | {4})?--([a-z0-9-]+)/gm), ([, name = '']) => name);
    const secrets: readonly string[] = inputNames.filter((name) => inputs[name].secret);
    expect(offered.toSorted()).toEqual(
      listed
        .filter((name) => !secrets.includes(name))
        .map((name) => `--${name}`)
        .toSorted(),
    );
  });

  test('offers an input once, folders for a storage, files for a policy, and nothing for free text', () => {
    expect(completeInBash(`${program} backup --json --js`)).toEqual([]);
    expect(completeInBash(`${program} backup --dry-run --storage pl`)).toEqual(['place with spaces']);
    expect(completeInBash(`${program} schedule --policy po`)).toEqual(['policy.yml']);
    expect(completeInBash(`${program} backup --label `)).toEqual([]);
  });

  test('is right by shellcheck', ({ skip }) => {
    const run = spawnSync('shellcheck', ['-s', 'bash', join(folder, 'script.bash')], { encoding: 'utf8' });
    if (run.error !== undefined) skip('shellcheck is not installed');
    expect(run.stdout).toBe('');
  });
});

describe('zsh', () => {
  test('completes operations, their options, fixed choices and folders', ({ skip }) => {
    if (!has('zsh')) skip('zsh is not installed');
    const typed = {
      dri: 'drill ',
      'backup --backup-ty': 'backup --backup-type ',
      'backup --backup-type inc': 'backup --backup-type incremental ',
      'backup --storage pl': 'backup --storage place\\ with\\ spaces/',
      'completion fi': 'completion fish ',
      'restore --database-ur': 'restore --database-ur',
      'backup --json --js': 'backup --json --js',
      '--vers': '--version ',
    };
    const found = completeInZsh(Object.keys(typed).map((line) => `${program} ${line}`));
    expect(found).toEqual(Object.values(typed).map((line) => `${program} ${line}`));
  });
});

describe('fish', () => {
  test('completes operations, their options, fixed choices and folders', ({ skip }) => {
    if (!has('fish')) skip('fish is not installed');
    expect(completeInFish(`${program} dri`)).toEqual(['drill']);
    expect(completeInFish(`${program} backup --backup-ty`)).toEqual(['--backup-type']);
    expect(completeInFish(`${program} backup --backup-type inc`)).toEqual(['incremental']);
    expect(completeInFish(`${program} backup --storage pl`)).toEqual(['place with spaces/']);
    expect(completeInFish(`${program} completion fi`)).toEqual(['fish']);
    expect(completeInFish(`${program} backup --dry-r`)).toEqual([]);
    expect(completeInFish(`${program} restore --dry-r`)).toEqual(['--dry-run']);
    expect(completeInFish(`${program} restore --database-ur`)).toEqual([]);
  });
});

test('another shell is refused, and named only where it is no secret', () => {
  expect(() => renderCompletion(['tcsh'])).toThrow('completion: "tcsh" is none of the shells');
  expect(() => renderCompletion([])).toThrow(ConfigurationError);
  expect(() => renderCompletion([])).toThrow('completion: names no shell');
  expect(() => renderCompletion(['bash', 'postgresql://a:secret@b'])).toThrow('(23 characters; hidden');
});
