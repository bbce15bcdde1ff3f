import { expect, it } from 'vitest';
import { checkMemory } from '../../../src/postgres/catalog/memory.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';

it('lets as many tables through as there is memory for, and says how to have more', () => {
  expect(() => checkMemory('restore', 100_000, 4e9)).not.toThrow();
  expect(() => checkMemory('backup', 100_000, 1e9)).not.toThrow();
  expect(() => checkMemory('restore', 100_000, 1e9)).toThrow(ConfigurationError);
  expect(() => checkMemory('restore', 100_000, 1e9)).toThrow(
    'restore: 100,000 tables need about 2.13 GB of memory, and this process may take 1.00 GB',
  );
});
