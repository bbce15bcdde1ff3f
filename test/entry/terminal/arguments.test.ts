import { describe, expect, test } from 'vitest';
import { parseArguments } from '../../../src/entry/terminal/arguments.ts';

const inputsOf = (...words: string[]) => Object.fromEntries(parseArguments(words).inputs);

describe('the command line', () => {
  test('takes values after a space and after an equals sign', () => {
    expect(inputsOf('backup', '--storage', './a', '--label=a=b', '--jobs', '8')).toEqual({
      operation: 'backup',
      storage: './a',
      label: 'a=b',
      jobs: '8',
    });
  });

  test('takes a flag alone and with a value', () => {
    expect(inputsOf('--pin', '--storage', 'x')).toEqual({ pin: 'true', storage: 'x' });
    expect(inputsOf('--pin', 'false')).toEqual({ pin: 'false' });
    expect(inputsOf('--pin=false')).toEqual({ pin: 'false' });
  });

  test('has switches of its own', () => {
    expect([...parseArguments(['validate', '--json', '-h', '--verbose']).switches]).toEqual([
      'json',
      'help',
      'verbose',
    ]);
  });

  test.each(['--json=true', '--json=false', '--quiet=', '-v=1'])(
    'refuses %s: a switch has no value',
    (word) => {
      expect(() => parseArguments(['list', word])).toThrow(/^--\w+ has a value, and takes none$/);
    },
  );

  test('takes the word after the operation for the input that says so', () => {
    for (const words of [
      ['records', 'rebuild', '--dry-run'],
      ['records', '--dry-run', 'rebuild'],
      ['records', '--records-task=rebuild', '--dry-run'],
    ])
      expect(Object.fromEntries(parseArguments(words).inputs)).toEqual({
        ...{ operation: 'records', 'records-task': 'rebuild', 'dry-run': 'true' },
      });
  });

  test.each([
    ['20261120T021700Z-7f3a'],
    ['20261120'],
    ['2026'],
    ['20261120T021700Z-'],
    ['latest'],
    ['latest-verified'],
    ['before:2026-11-20T06:00:00+01:00'],
    ['random:7d'],
  ])('takes %s after an operation for the backup', (id) => {
    for (const operation of ['show', 'pin', 'unpin', 'restore', 'validate', 'drill'])
      expect(inputsOf(operation, id, '--storage', 'x')).toEqual({ operation, 'backup-id': id, storage: 'x' });
  });

  test('takes no connection string for a backup', () => {
    for (const text of ['postgresql://u:p@h/d', '8080@host', '2026 x', 'AKIAIOSFODNN7EXAMPLE', '20:ab/cd'])
      expect(() => parseArguments(['restore', text])).toThrow('hidden because it may be a secret');
  });

  test('has the short forms and the words of other tools', () => {
    expect([...parseArguments(['list', '-q', '-V', '-v']).switches]).toEqual(['quiet', 'version', 'verbose']);
    expect([...parseArguments(['version']).switches]).toEqual(['version']);
    const help = parseArguments(['help', 'restore']);
    expect([[...help.switches], Object.fromEntries(help.inputs)]).toEqual([
      ['help'],
      { operation: 'restore' },
    ]);
    const alias = parseArguments(['snapshots', '--storage', 'x']);
    expect([alias.alias, alias.inputs.get('operation')]).toEqual(['snapshots', 'list']);
    expect(parseArguments(['list']).alias).toBeUndefined();
    expect(inputsOf('check', 'latest')).toEqual({ operation: 'validate', 'backup-id': 'latest' });
  });

  test('leaves an operation that does not exist to whoever reads the inputs', () => {
    expect(inputsOf('bakup', 'x')).toEqual({ operation: 'bakup' });
  });

  test('takes a former name for the present one, and says so', () => {
    for (const words of [
      ['--ledger', '--storage', 'x'],
      ['--ledger=true', '--storage', 'x'],
    ]) {
      const { inputs, formerNames } = parseArguments(words);
      expect(Object.fromEntries(inputs)).toEqual({ 'rollback-token': 'true', storage: 'x' });
      expect([...formerNames]).toEqual(['ledger']);
    }
    expect(() => parseArguments(['--ledger', '--rollback-token'])).toThrow('--rollback-token is given twice');
  });

  test.each([
    [['--storag', 'x'], 'there is no input --storag', 'Did you mean --storage?'],
    [['--targeturl=x'], 'there is no input --targeturl', 'Did you mean --target-url?'],
    [['--hlep'], 'there is no input --hlep', 'Did you mean --help?'],
    [['--completely-different'], 'there is no input', '--help` lists'],
    [['--constructor', 'x'], 'there is no input', ''],
    [['--storage'], '--storage has no value', 'Write --storage <location>.'],
    [['--storage', '--json'], '--storage has no value', ''],
    [['--jobs', '1', '--jobs', '2'], '--jobs is given twice', ''],
    [['backup', 'restore'], 'unexpected argument "restore" after `backup`', ''],
    [['records', 'verify', 'all'], 'unexpected argument "all" after `records`', 'Use --records-task'],
    [
      ['pin', 'postgresql://u:hunter2@h/d'],
      'unexpected argument after `pin` (26 characters; hidden because it may be a secret)',
      'Use --backup-id <id>',
    ],
    [['restore', 'AGE-SECRET-KEY-1QQ'], 'hidden because it may be a secret', 'Use --backup-id <id>'],
    [['show', '2026', '2027'], 'unexpected argument after `show`', ''],
    [['-s', 'x'], 'there is no input -s', '--help` lists'],
    [['--no-safety-backup'], 'there is no input --no-safety-backup', 'Did you mean safety-backup: false?'],
    [['records', 'verify', '--records-task', 'verify'], '--records-task is given twice', ''],
  ])('refuses %j', (words, message, next) => {
    expect(() => parseArguments(words)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining(message),
        next: expect.stringContaining(next),
        exitCode: 2,
      }),
    );
  });
});
