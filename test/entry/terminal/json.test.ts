import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderFailure, renderOutcome } from '../../../src/entry/terminal/json.ts';
import { nameInTerminal } from '../../../src/entry/terminal/surface.ts';
import { operations } from '../../../src/interface/inputs/operations.ts';
import { createRedactor } from '../../../src/report/redact.ts';
import { nameInput, say } from '../../../src/runtime/wording.ts';
import { readPrinted } from '../../support/printed-json.ts';
import { listPrinted, makeOutputSchema } from './json-schema.ts';

const schema = path.join(import.meta.dirname, '../../../schema/output.schema.json');

const writing = {
  redact: (text: string) => text.replaceAll('geheim', '***'),
  name: nameInTerminal(() => true, {}),
};

describe('the schema of --json', () => {
  it('is published', async () => {
    await expect(`${JSON.stringify(makeOutputSchema(), null, 2)}\n`).toMatchFileSnapshot(schema);
  });
});

describe('an outcome as JSON', () => {
  const gate = {
    exitCode: 3 as const,
    found: say`the newest backup is older than ${nameInput('max-age', '26h')}`,
    outputs: {
      'backup-id': '',
      gate: 'stopped',
      destructive: '["supabase/migrations/1_drop.sql"]',
      'age-seconds': '',
      'verified-age-seconds': 3.5,
      'drilled-age-seconds': '',
      'duration-seconds': 0.1,
    },
    report: [
      { kind: 'heading' as const, text: 'Gate: STOPPED geheim', tone: 'bad' as const },
      {
        kind: 'table' as const,
        columns: [{ title: 'limit' }, { title: 'is', align: 'right' as const }],
        rows: [[say`${nameInput('max-age')}`, '30 h']],
      },
      {
        kind: 'details' as const,
        title: 'Phases',
        sections: [{ kind: 'paragraph' as const, text: 'One of geheim.' }],
      },
    ],
  };

  it('has every output: lists as lists, and null for what is empty or was not set', () => {
    expect(readPrinted(renderOutcome('gate', gate, writing))).toEqual({
      version: 1,
      operation: 'gate',
      exitCode: 3,
      outputs: {
        'backup-id': null,
        gate: 'stopped',
        destructive: ['supabase/migrations/1_drop.sql'],
        'age-seconds': null,
        'verified-age-seconds': 3.5,
        'drilled-age-seconds': null,
        copies: null,
        'duration-seconds': 0.1,
      },
      found: 'the newest backup is older than --max-age 26h',
      details: null,
      report: [
        { kind: 'heading', text: 'Gate: STOPPED ***' },
        { kind: 'table', columns: ['limit', 'is'], rows: [['--max-age', '30 h']] },
        { kind: 'details', title: 'Phases', sections: [{ kind: 'paragraph', text: 'One of ***.' }] },
      ],
      error: null,
    });
  });

  it('keeps its own words, also where a password is one of them', () => {
    const redact = createRedactor(['gate', 'stopped', 'heading', 'table', 'StorageError']);
    const outcome = { ...gate, report: [{ kind: 'heading' as const, text: 'The gate stopped' }] };
    const printed = readPrinted(renderOutcome('gate', outcome, { ...writing, redact }));
    expect(printed.operation).toBe('gate');
    expect(printed.outputs.gate).toBe('stopped');
    expect(printed.report).toEqual([{ kind: 'heading', text: 'The *** ***' }]);
    const failure = { kind: 'StorageError' as const, message: 'gate', next: 'x', exitCode: 1, details: '' };
    expect(readPrinted(renderFailure('gate', failure, { ...writing, redact }))).toMatchObject({
      operation: 'gate',
      error: { kind: 'StorageError', message: '***' },
    });
  });

  it('hides secrets in lists and objects, whatever JSON makes of their characters', () => {
    const outcome = { ...gate, outputs: { ...gate.outputs, destructive: '["a\\"b"]' } };
    const redact = (text: string) => text.replaceAll('a"b', '***');
    expect(readPrinted(renderOutcome('gate', outcome, { ...writing, redact })).outputs.destructive).toEqual([
      '***',
    ]);
  });

  it('does not fit the schema with an output too many, one of another type, or details where there are none', () => {
    const { outputs } = gate;
    const print = (change: object) => renderOutcome('gate', { ...gate, ...change }, writing);
    expect(() => readPrinted(print({ outputs: { ...outputs, gate: 'open' } }))).toThrow('/gate');
    expect(() => readPrinted(print({ outputs: { ...outputs, 'age-seconds': -1 } }))).toThrow('/age-seconds');
    expect(() => readPrinted(print({ details: {} }))).toThrow('/details must be null');
    const more = JSON.parse(print({}));
    expect(() => readPrinted(JSON.stringify({ ...more, rows: 1 }))).toThrow(
      'must NOT have additional properties',
    );
  });

  it.each(operations)('of %s fits the schema where no output was set', (operation) => {
    const printed = JSON.parse(renderOutcome(operation, { exitCode: 0, outputs: {}, report: [] }, writing));
    expect(Object.keys(printed)).toEqual([
      ...['version', 'operation', 'exitCode'],
      ...listPrinted(operation),
      ...['found', 'details', 'report', 'error'],
    ]);
    const hasDetails = ['backup', 'cleanup', 'drill', 'show', 'validate'].includes(operation);
    if (hasDetails) expect(() => readPrinted(JSON.stringify(printed))).toThrow('/details must be object');
    else expect(readPrinted(JSON.stringify(printed)).details).toBeNull();
  });
});

describe('a failure as JSON', () => {
  const failure = {
    kind: 'StorageError',
    message: 'it is geheim',
    next: 'Look.',
    exitCode: 1,
    details: 'stack',
  };

  it('has what is wrong, what to do and the exit code, and nothing of the stack', () => {
    expect(readPrinted(renderFailure('backup', failure, writing))).toEqual({
      ...{
        version: 1,
        operation: 'backup',
        exitCode: 1,
        outputs: null,
        found: null,
        details: null,
        report: [],
      },
      error: { kind: 'StorageError', message: 'it is ***', next: 'Look.', exitCode: 1 },
    });
  });

  it('of an operation that there is not has none', () => {
    expect(readPrinted(renderFailure('bakup', { ...failure, exitCode: 2 }, writing)).operation).toBeNull();
    expect(readPrinted(renderFailure(undefined, failure, writing)).operation).toBeNull();
  });

  it('has no kind that the schema does not list', () => {
    expect(() => readPrinted(renderFailure('list', { ...failure, kind: 'TypeError' }, writing))).toThrow(
      '/error/kind',
    );
  });
});
