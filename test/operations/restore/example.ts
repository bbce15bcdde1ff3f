import type { TargetState } from '../../../src/operations/restore/target-state.ts';

/** An empty database of nobody; a test names only what it is about. */
export function makeState(overrides: Partial<TargetState> = {}): TargetState {
  return {
    ...{ target: 'someone@127.0.0.1:5432/target', kind: 'plain', database: 'target', systemIdentifier: '1' },
    found: 'plain',
    ...{ existing: [], tables: 0, rows: 0, held: [], mark: undefined },
    ...{ databaseOid: 5, now: Date.parse('2026-11-20T03:00:00Z') },
    ...overrides,
  };
}
