import { expect, it } from 'vitest';
import { renderManaged } from '../../../../src/operations/report/managed/managed.ts';
import { bothLayers, report, states, unreadable } from '../example.ts';

const documents = renderManaged(
  report([{ ...bothLayers(), name: '../shop' }, { ...states.good(), name: 'crm' }, unreadable]),
);

it('is Markdown, HTML and JSON of the same value for each database, named for it', () => {
  expect([...documents.keys()]).toEqual([
    ...['_._shop.md', '_._shop.html', '_._shop.json'],
    ...['crm.md', 'crm.html', 'archive.md', 'archive.html'],
  ]);
  const figures = JSON.parse(documents.get('_._shop.json') ?? '');
  expect(figures).toMatchObject({ status: 'broken', 'managed-layer': 'daily', 'managed-backups': 6 });
  for (const { sentence } of JSON.parse(figures.findings)) {
    expect(documents.get('_._shop.md')?.replaceAll(/[\\`]/g, '')).toContain(sentence);
    expect(documents.get('_._shop.html')?.replaceAll('&#39;', "'")).toContain(sentence);
  }
});

it('says where there is nothing to compare, and why', () => {
  expect(documents.get('crm.md')).toContain('was not asked');
  expect(documents.get('archive.html')).toContain('there is no repository');
});

it('is HTML that runs nothing and loads nothing', () => {
  const page = documents.get('_._shop.html') ?? '';
  expect(page).not.toMatch(/<script|src=|href="http/);
  expect(page.replaceAll('&#39;', "'")).toContain("default-src 'none'");
});
