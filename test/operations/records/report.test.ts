import { describe, expect, it } from 'vitest';
import { describeRecords } from '../../../src/operations/records/report.ts';
import type { RowDifference } from '../../../src/records/tables.ts';
import { renderText } from '../../../src/report/text.ts';

const difference = (kind: RowDifference['kind'], n = 1): RowDifference => {
  return {
    kind,
    table: 'backup_metrics',
    id: `20261120T021700Z-${String(n).padStart(16, '0')}`,
    part: 'rows',
  };
};
const verify = (
  differences: readonly RowDifference[],
  changes: { deleted?: number; outlived?: number } = {},
) => {
  const outcome = describeRecords({
    kind: 'verified',
    records: 1234,
    differences,
    deleted: 0,
    outlived: 0,
    ...changes,
  });
  return { ...outcome, text: renderText(outcome.report) };
};

describe('a comparison', () => {
  it('in which nothing differs says so, with what it does not count', () => {
    const { exitCode, text } = verify([], { deleted: 2, outlived: 1 });
    expect(exitCode).toBe(0);
    expect(text).toContain('Records: every row is as the repository has it');
    expect(text).toContain('1,234 records of runs, restores and drills compared.');
    expect(text).toMatch(/Rows of 2 records were deleted, as\s+change_log tells with who did it/);
    expect(text).toMatch(/1 row is older than what the\s+repository keeps/);
    expect(verify([]).text).not.toMatch(/deleted|older/);
  });

  it('names each row that is otherwise, and what mends it', () => {
    const { exitCode, outputs, text } = verify([difference('missing', 1), difference('different', 2)]);
    expect(exitCode).toBe(3);
    expect(outputs).toMatchObject({ 'records-missing': 1, 'records-different': 1, 'records-surplus': 0 });
    expect(text).toContain('Records: 2 rows are not as the repository has them');
    expect(text).toMatch(/^missing +backup_metrics +20261120T021700Z-0000000000000001 +rows$/m);
    expect(text).toContain('`records rebuild` inserts what is missing and corrects what differs.');
    expect(text).not.toContain('A surplus row');
    const surplus = verify([difference('surplus')]).text;
    expect(surplus).toContain('Records: 1 row is not as the repository has it');
    expect(surplus).toContain('A surplus row has no record that can be read');
    expect(surplus).not.toContain('inserts what is missing');
  });

  it('of which much differs shows some, tells a thousand, and counts all', () => {
    const { outputs, text } = verify(Array.from({ length: 1100 }, (_, n) => difference('missing', n)));
    expect(outputs['records-missing']).toBe(1100);
    expect(JSON.parse(String(outputs['records-differences']))).toHaveLength(1000);
    expect(text.match(/^missing/gm)).toHaveLength(50);
    expect(text).toContain('1,050 more are not shown.');
  });
});

it('a rebuild tells the rows that were written, or would be', () => {
  const tell = (mode: 'write' | 'dry-run', rows: number) =>
    renderText(describeRecords({ kind: 'rebuilt', mode, records: 3, rows }).report).split('\n')[0];
  expect(tell('write', 1)).toBe('Records: 1 row was written');
  expect(tell('write', 0)).toBe('Records: 0 rows were written');
  expect(tell('dry-run', 21)).toBe('Records: 21 rows would be written');
});
