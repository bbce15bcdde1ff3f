import { expect, test } from 'vitest';
import { askForTables } from '../../src/values/nearest-tables.ts';

const tables = [
  ['public', 'orders'],
  ['public', 'order_lines'],
  ['billing', 'invoices'],
  ['archive', 'invoices'],
  ['odd', 'a.b'],
].map(([schema = '', name = '']) => ({ schema, name }));

test.each([
  [['public.oders'], 'Did you mean public.orders? '],
  [['public.invoices'], 'Did you mean billing.invoices or archive.invoices? '],
  [['public.oders', 'public.order_line'], 'Did you mean public.orders or public.order_lines? '],
  [['odd.a.c'], 'Did you mean odd."a.b"? '],
  [['nothing.like_it_at_all'], ''],
  [[], ''],
])('of %j it asks %j', (unmatched, wanted) => {
  expect(askForTables(unmatched, tables)).toBe(wanted);
});
