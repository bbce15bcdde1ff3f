import { createHash } from 'node:crypto';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { assembleEvidence } from '../../../../src/operations/report/compliance/assemble.ts';
import { renderCompliance } from '../../../../src/operations/report/compliance/compliance.ts';
import type { EvidenceFacts } from '../../../../src/operations/report/compliance/facts.ts';
import { evidenceSchema } from '../../../../src/operations/report/compliance/result.ts';
import type { ReportedDatabase, ReportFacts } from '../../../../src/operations/report/facts.ts';
import { toJsonSchema } from '../../../schedule/json-schema.ts';
import { bothLayers } from '../example.ts';
import { drill, makeFacts, refused } from './example.ts';
import { hasValidator, schemaFile, validate } from './validator.ts';

const root = path.join(import.meta.dirname, '../../../..');

/** Renders a database of which the documents take the name and the evidence alone. */
function render(evidence: EvidenceFacts, name = 'production'): ReadonlyMap<string, string> {
  return renderAll([{ kind: 'read', name, evidence } as ReportedDatabase]);
}

function renderAll(databases: readonly ReportedDatabase[]): ReadonlyMap<string, string> {
  return renderCompliance({ databases } as ReportFacts);
}

const empty = makeFacts({
  ...{
    records: { runs: [], drills: [], restores: [], prunes: [], validations: [], pins: [] },
    newest: undefined,
  },
  ...{ catalog: { backups: [], damaged: [] }, manifests: new Map(), policy: undefined, lastPrune: undefined },
  ...{ approvals: new Map(), by: { actor: 'auditor', run: undefined } },
});

const hostile = '<script>alert(1)</script> "\' | [x](http://y) \u202e';
const hostileRun = {
  ...refused,
  content: { ...refused.content, failure: { class: 'x', message: hostile, next: null } },
};
const week = makeFacts();
const poisoned = makeFacts({
  database: hostile,
  records: { ...week.records, runs: [...week.records.runs.filter((run) => run !== refused), hostileRun] },
  repository: { ...week.repository, location: hostile },
});

describe("Supabase's own backups", () => {
  const { managed } = bothLayers().status;

  it('are in the evidence as the platform tells them, with what is wrong', () => {
    const documents = render(makeFacts({ managed }));
    const { platform, scope } = JSON.parse(documents.get('production.json') ?? '');
    expect(platform).toMatchObject({ layer: 'daily', backups: 6, plan: 'enterprise', retentionDays: 30 });
    expect(platform.findings.map(({ kind }: { kind: string }) => kind)).toContain('managed-failed');
    expect(documents.get('production.md')).toContain('nothing here proves that they can be restored');
    expect(scope.notInScope.join()).not.toContain('Supabase makes');
    expect(validate(documents.get('production.json') ?? '')).toEqual([]);
  });

  it('are said not to be known where nobody asked', () => {
    const documents = render(week);
    expect(JSON.parse(documents.get('production.json') ?? '')).toMatchObject({ platform: null });
    expect(documents.get('production.md')).toContain('Supabase was not asked');
  });
});

describe('the documents', () => {
  it('are three of each database, named for it', () => {
    expect([...render(week).keys()]).toEqual(['production.md', 'production.html', 'production.json']);
    expect([...render(week, '../../etc/passwd').keys()][0]).toBe('_._.._etc_passwd.md');
  });

  it('never say that anybody is in accordance with anything', () => {
    for (const text of [...render(week).values(), ...render(empty).values()])
      expect(text).not.toMatch(/complian(t|ce)|conform/i);
  });

  it('tell of a database that could not be read, and have no JSON of it', () => {
    const documents = renderAll([
      { kind: 'unreadable', name: 'shop', location: 's3://x/shop', why: 'it is gone.', next: 'Look.' },
    ]);
    expect([...documents.keys()]).toEqual(['shop.md', 'shop.html']);
    expect(documents.get('shop.md')).toContain(
      'There is no evidence, because `s3://x/shop` could not be read',
    );
  });

  it('name every piece of evidence of the JSON in the Markdown and in the page', () => {
    const documents = render(week);
    const keys = new Set(documents.get('production.json')?.match(/(records|backups)\/[\w/-]+\.json/g));
    expect(keys.size).toBeGreaterThan(20);
    for (const key of keys) {
      expect(documents.get('production.md')?.replaceAll('\\', '')).toContain(key);
      expect(documents.get('production.html')).toContain(key);
    }
  });

  it('are the transcripts of docs/compliance.md', async () => {
    const documents = render(week);
    const folder = path.join(root, 'docs/transcripts');
    const fixed = (text = '') => text.replaceAll('0.0.0-source', '1.0.0');
    await expect(fixed(documents.get('production.md'))).toMatchFileSnapshot(`${folder}/compliance.md`);
    await expect(fixed(documents.get('production.json'))).toMatchFileSnapshot(`${folder}/compliance.json`);
  });
});

describe('the page', () => {
  const [, page = ''] = [...render(poisoned).values()];

  it('has one style, which its policy allows by its digest, and no script, frame, form or address to load', () => {
    const [, style = ''] = /<style>([\s\S]*?)<\/style>/.exec(page) ?? [];
    const digest = createHash('sha256').update(style).digest('base64');
    const [, policy = ''] = /Content-Security-Policy" content="([^"]*)"/.exec(page) ?? [];
    expect(policy.replaceAll('&#39;', "'")).toContain(`default-src 'none'; style-src 'sha256-${digest}'; `);
    expect(page.match(/<style>/g)).toHaveLength(1);
    expect(page).not.toMatch(/<(script|iframe|form|img|object)\b|<[^>]*\s(on\w+|src|style)=/i);
    expect([...page.matchAll(/href="([^"]*)"/g)].map(([, to]) => to)).toEqual(['data:,', '#main']);
  });

  it('shows names and messages of others literally', () => {
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page).toContain('\\u{202e}');
    expect(page).not.toContain('\u202e');
  });

  it('has cells for each column of every table', () => {
    for (const [, head = '', body = ''] of page.matchAll(
      /<thead>(.*?)<\/thead>\n<tbody>([\s\S]*?)<\/tbody>/g,
    )) {
      const columns = head.match(/<th /g)?.length ?? 0;
      expect(columns).toBeGreaterThan(0);
      expect(head).not.toMatch(/<th [^>]*><\/th>/);
      for (const row of body.split('\n').filter((line) => line !== ''))
        expect(row.match(/<td/g)).toHaveLength(columns);
    }
  });
});

describe('the Markdown', () => {
  it('shows names and messages of others literally', () => {
    const text = [...render(poisoned).values()][0] ?? '';
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(text).not.toMatch(/<script|\u202e|[^\\]\[x\]\(/);
  });
});

describe('the JSON', () => {
  it('is described by a schema that is published', async () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'What `supabase-backup report --kind compliance` writes as JSON',
      ...toJsonSchema(evidenceSchema),
    };
    await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(schemaFile);
  });

  it.skipIf(!hasValidator).each(Object.entries({ week, empty, poisoned }))(
    'of a %s one fits it',
    (_, facts) => {
      expect(validate(JSON.stringify(assembleEvidence(facts)))).toEqual([]);
    },
  );

  it.skipIf(!hasValidator)('that is otherwise does not fit', () => {
    const evidence = assembleEvidence(week);
    const [first] = evidence.drills;
    expect(first?.evidence).toBe(`records/drills/${drill.id}.json`);
    expect(validate(JSON.stringify({ ...evidence, format: 2 }))).toHaveLength(1);
    expect(validate(JSON.stringify({ ...evidence, more: 1 }))).toHaveLength(1);
    expect(
      validate(JSON.stringify({ ...evidence, drills: [{ ...first, evidence: 'a letter' }] })),
    ).toHaveLength(1);
    expect(validate(JSON.stringify({ ...evidence, drills: [{ ...first, rto: null }] }))).toHaveLength(1);
  });
});
