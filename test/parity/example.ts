import type { Supplement } from '../../src/format/supplement.ts';
import type { Parity } from '../../src/parity/compare.ts';
import type { ParityLine } from '../../src/parity/line.ts';
import type { Omission, ParityScope } from '../../src/parity/scope.ts';

/** A comparison in which all is equal; a test names only what it is about. */
export function makeParity(groups: Partial<Parity['groups']> = {}, reach: Parity['reach'] = []): Parity {
  const all: Parity['groups'] = {
    tables: [],
    sequences: [],
    definitions: [],
    privileges: [],
    objects: [],
    server: [],
    freshness: [],
    answers: [],
    ...groups,
  };
  const equal = Object.values(all).every((lines) => lines.every((line) => line.status !== 'different'));
  return { equal, groups: all, reach };
}

export function makeLine(overrides: Partial<ParityLine> = {}): ParityLine {
  return {
    kind: 'table',
    what: 'public.orders',
    expected: '3 rows',
    found: '2 rows',
    status: 'equal',
    ...overrides,
  };
}

/** What a restore leaves out, by its kind in one word and its name, with that of its schema. */
export function leave(named: string, overrides: Partial<Omission> = {}): Omission {
  const [type = '', ...name] = named.split(' ');
  const subject = { kind: 'object', type, schema: null, name: name.join(' ') } as const;
  return { what: 'something', why: 'refused', remedy: '', subject, ...overrides };
}

/** A whole restore into a database of no special kind. */
export function makeScope(overrides: Partial<ParityScope> = {}): ParityScope {
  return {
    tables: [],
    whole: true,
    sent: undefined,
    selection: { entries: [], tables: new Set(), leftOut: [], definitionsOnly: [] },
    kind: 'plain',
    managed: new Set(),
    notCarried: [],
    ...overrides,
  };
}

export function makeSupplement(overrides: Partial<Supplement> = {}): Supplement {
  return {
    roles: [],
    database: { owner: 'postgres', comment: null, settings: [], grants: null },
    queues: [],
    additions: [],
    cronJobs: [],
    definitions: [],
    privileges: [],
    answers: [],
    freshness: [],
    ...overrides,
  };
}
