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
    [['backup', 'restore'], '"restore" stands after the operation "backup"', ''],
    [['records', 'verify', 'all'], '"all" stands after the operation "records"', ''],
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
