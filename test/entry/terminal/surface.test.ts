import { describe, expect, test } from 'vitest';
import { nameForAssistant } from '../../../src/entry/mcp/surface.ts';
import { toFailure } from '../../../src/entry/process/failure.ts';
import { nameOnRunner } from '../../../src/entry/process/runner-surface.ts';
import { nameInTerminal } from '../../../src/entry/terminal/surface.ts';
import { adviseVariables } from '../../../src/entry/terminal/variables.ts';
import { parseInputs } from '../../../src/interface/inputs/parse.ts';
import type { InputName } from '../../../src/interface/inputs/schema.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { askFor, type NameInput, nameForWorkflow, nameInput, say } from '../../../src/runtime/wording.ts';

const { signal } = new AbortController();
const error = new ConfigurationError(
  say`${nameInput('target-url')}: it is production`,
  say`Add ${nameInput('confirm', 'RESTORE PRODUCTION')}, or ${nameInput('safety-backup', 'false')} and ${nameInput('clean', 'true')}.`,
);
const terminal = (env: NodeJS.ProcessEnv = {}, ...given: InputName[]) =>
  nameInTerminal((name) => given.includes(name), env);

describe('an error names inputs as they are set', () => {
  test.each<[string, NameInput, string, string]>([
    [
      'on a terminal',
      terminal(),
      'SUPABASE_BACKUP_TARGET_URL: it is production',
      "Add --confirm 'RESTORE PRODUCTION', or --safety-backup=false and --clean.",
    ],
    [
      'where it stands in an option or a variable',
      terminal({ SUPABASE_BACKUP_CONFIRM: 'x' }, 'target-url'),
      '--target-url: it is production',
      "Add SUPABASE_BACKUP_CONFIRM='RESTORE PRODUCTION', or --safety-backup=false and --clean.",
    ],
    [
      'in a workflow',
      nameOnRunner,
      'target-url: it is production',
      'Add confirm: RESTORE PRODUCTION, or safety-backup: false and clean: true.',
    ],
    [
      'to an assistant whose tool takes one of them',
      nameForAssistant(['clean']),
      'SUPABASE_BACKUP_TARGET_URL: it is production',
      'Add SUPABASE_BACKUP_CONFIRM=RESTORE PRODUCTION, or SUPABASE_BACKUP_SAFETY_BACKUP=false and clean: true.',
    ],
  ])('%s', (_, name, message, next) => {
    expect(toFailure(error, signal, name)).toMatchObject({ kind: 'ConfigurationError', message, next });
  });

  test('and as in a workflow where nobody knows', () => {
    expect(error.message).toBe('target-url: it is production');
    expect(toFailure(error, signal)).toEqual(toFailure(error, signal, nameForWorkflow));
  });
});

describe('an absent input is asked for', () => {
  const ask = (name: NameInput, input = 'database-url', sample = 'postgresql://…') =>
    say`${askFor(input, sample)}`.render(name);

  test('by the variable of a secret, and by another tool’s variable that holds it', () => {
    expect(ask(terminal())).toBe("Set it: export SUPABASE_BACKUP_DATABASE_URL='postgresql://…'");
    expect(ask(terminal({ DATABASE_URL: 'postgresql://u:hunter2@h/d' }))).toBe(
      'DATABASE_URL is set, and not read: export SUPABASE_BACKUP_DATABASE_URL="$DATABASE_URL"',
    );
    // Nobody restores into what another tool calls its database without having named it.
    expect(ask(terminal({ DATABASE_URL: 'x' }), 'target-url')).not.toContain('$DATABASE_URL');
  });

  test('by its option', () => {
    expect(ask(terminal(), 'storage', './backups')).toBe(
      'Write --storage <location>, for example ./backups.',
    );
  });

  test('on a runner by the secret behind it', () => {
    expect(ask(nameOnRunner)).toContain('that secret is empty or does not exist');
    expect(ask(nameOnRunner, 'storage', './backups')).toBe('Set it, for example to ./backups.');
  });

  test('of whoever runs the server', () => {
    expect(ask(nameForAssistant([]))).toBe(
      'Whoever runs this server sets SUPABASE_BACKUP_DATABASE_URL in its environment.',
    );
  });
});

test('all mistakes of one call name inputs as they are set', () => {
  const given: Record<string, string> = { operation: 'restore', jobs: '99' };
  const read = (name: InputName) => given[name];
  let thrown: unknown;
  try {
    parseInputs(read, {});
  } catch (error) {
    thrown = error;
  }
  const { message } = toFailure(thrown, signal, terminal({}, 'jobs'));
  expect(message.split('\n')).toEqual([
    '3 inputs of restore are wrong',
    '- --storage: is required for restore. Write --storage <location>, for example ./backups or s3://bucket/prefix.',
    expect.stringMatching(/^- SUPABASE_BACKUP_TARGET_URL: is required for restore\. Set it: export /),
    expect.stringMatching(/^- --jobs: cannot be "99"/),
  ]);
});

test('a misspelt variable is told, with the one that was meant', () => {
  expect(
    adviseVariables({
      SUPABASE_BACKUP_STORGE: './backups',
      SUPABASE_BACKUP_STORAGE: './backups',
      SUPABASE_BACKUP_STEP: 'x',
      SUPABASE_BACKUP_LEDGER: 'true',
      SUPABASE_BACKUP_LABLE: '',
      SUPABASE_BACKUP_ANYTHING_ELSE: 'x',
      PATH: '/bin',
    }),
  ).toEqual(['SUPABASE_BACKUP_STORGE is set but not used. Did you mean SUPABASE_BACKUP_STORAGE?']);
});
