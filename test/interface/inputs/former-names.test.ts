import { describe, expect, test } from 'vitest';
import {
  acceptFormerNames,
  adviseRename,
  formerNames,
  isFormerName,
} from '../../../src/interface/inputs/former-names.ts';
import { inputNames } from '../../../src/interface/inputs/schema.ts';

const reading = (given: Record<string, string>) => acceptFormerNames((name) => given[name]);

describe('an input that was renamed', () => {
  test.each([
    ['its own name', { 'rollback-token': 'true' }, 'true'],
    ['its former name', { ledger: 'true' }, 'true'],
    [
      'its former name, beside the default that a runner fills in',
      { ledger: 'true', 'rollback-token': 'false' },
      'true',
    ],
    ['its own name, where both are given', { ledger: 'maybe', 'rollback-token': 'true' }, 'true'],
    ['neither, where both are empty', { ledger: ' ', 'rollback-token': '' }, ''],
    ['neither, where none is given', {}, undefined],
  ])('is read by %s', (_, given, text) => {
    expect(reading(given)('rollback-token')).toBe(text);
  });

  test('leaves all others as they are', () => {
    expect(reading({ storage: ' ./backups', ledger: 'true' })('storage')).toBe(' ./backups');
  });

  test('names what it is called now', () => {
    expect(adviseRename('ledger')).toContain('rollback-token');
  });

  test('has a former name that no input of today has', () => {
    for (const [former, name] of Object.entries(formerNames)) {
      expect(inputNames).toContain(name);
      expect(inputNames).not.toContain(former);
      expect(isFormerName(former)).toBe(true);
    }
    expect(isFormerName('constructor')).toBe(false);
  });
});
