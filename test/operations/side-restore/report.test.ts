import { expect, it } from 'vitest';
import { describeAside } from '../../../src/operations/side-restore/report.ts';
import type { ComparedAside, SideScope } from '../../../src/operations/side-restore/result.ts';
import { renderText } from '../../../src/report/text.ts';
import type { SideTable } from '../../../src/restorer/side/tables.ts';
import { makeManifest } from '../../repository/example.ts';

const manifest = makeManifest();
const phases = { preflight: 100, rows: 200, total: 1234 };

/** A table that is gone, so that nothing of it can be compared. */
const table: SideTable = {
  ...{ schema: 'public', name: 'orders', sideName: 'orders', parts: manifest.tables, whole: true },
  ...{ live: undefined, within: undefined, columns: [], key: undefined },
};
const scope: SideScope = {
  ...{ manifest, target: 'someone@127.0.0.1:5432/shop', schema: 'before', tables: [table], circular: [] },
  followers: [{ schema: 'public', name: 'lines' }],
  parents: [{ schema: 'public', name: 'customers' }],
};
const compared: ComparedAside = {
  ...{ kind: 'compared', scope, file: undefined, phases, elapsed: 1234 },
  findings: {
    differences: [
      {
        ...{ table, missing: 3, changed: 0, added: 1, changedColumns: [] },
        examples: { missing: ['1'], changed: [], added: [] },
      },
    ],
    sql: 'INSERT INTO public.orders …',
  },
};
const common = { 'backup-id': manifest.id, tables: 1, rows: 3, parity: 'skipped', 'duration-seconds': 1.2 };

it('is no failure where the live tables differ, and counts in which rows', () => {
  expect(describeAside(compared)).toMatchObject({
    exitCode: 0,
    outputs: { ...common, 'rows-missing': 3, 'rows-changed': 0, 'rows-added': 1 },
  });
});

it('shows the SQL, or where it is', () => {
  const shown = renderText(describeAside(compared).report);
  expect(shown).toContain('INSERT INTO public.orders …');
  const written = renderText(describeAside({ ...compared, file: 'reports/bring-back.sql' }).report);
  expect(written).toContain('The SQL that brings rows back is in reports/bring-back.sql');
  expect(written).not.toContain('INSERT');
});

it('names tables that deleted rows took with them, and those that they refer to, planned or done', () => {
  const planned = describeAside({ kind: 'planned', scope, elapsed: 1234 });
  expect(planned).toMatchObject({ exitCode: 0, outputs: common });
  expect(Object.keys(planned.outputs)).not.toContain('rows-missing');
  for (const { report } of [planned, describeAside(compared)]) {
    const text = renderText(report);
    expect(text).toMatch(/cleared together with rows that they refer to: public\.lines/);
    expect(text).toMatch(/may refer to rows of them: public\.customers/);
  }
  expect(renderText(planned.report)).toContain('Nothing was changed.');
});
