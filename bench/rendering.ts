import { writeFileSync } from 'node:fs';
import { renderDashboard } from '../src/operations/report/dashboard/dashboard.ts';
import { describe, nightly, report } from '../test/operations/report/example.ts';

/* Renders the dashboard of so many backups, a few hours apart, into a file, and prints the milliseconds it took. */

const [, , count = '5000', file = ''] = process.argv;
const backups = Array.from({ length: Number(count) }, (_, index) => ({
  ...nightly(index % 90, 0.4 + 3 * index),
  id: nightly(index).id,
}));
const facts = report([describe({ backups })]);
const begun = performance.now();
const page = renderDashboard(facts);
const took = performance.now() - begun;
writeFileSync(file, page);
console.log(JSON.stringify({ milliseconds: Math.round(took), bytes: page.length }));
