import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../../../src/interface/findings/finding.ts';
import { isLimit } from '../../../../src/interface/findings/finding.ts';
import { tellFinding } from '../../../../src/interface/findings/telling.ts';
import { countDays } from '../../../../src/operations/report/dashboard/calendar.ts';
import { renderDashboard } from '../../../../src/operations/report/dashboard/dashboard.ts';
import { dayOf, mostDays } from '../../../../src/operations/report/dashboard/days.ts';
import { listEvents } from '../../../../src/operations/report/dashboard/history.ts';
import { stateOfDatabase } from '../../../../src/operations/report/dashboard/marks.ts';
import type { DatabaseFacts } from '../../../../src/operations/report/facts.ts';
import { isHealthy } from '../../../../src/operations/status/result.ts';
import { escapeHtml } from '../../../../src/report/html.ts';
import { examples } from '../../../interface/findings/examples.ts';
import { ago } from '../../../repository/backups/freshness-example.ts';
import {
  bothLayers,
  drill,
  failedRun,
  describe as makeFacts,
  nightly,
  report,
  states,
  unreadable,
} from '../example.ts';

const good = states.good();

/** The tiles of a page: the kind and the severity of each, and its text */
function listTiles(facts: DatabaseFacts) {
  const page = renderDashboard(report([facts]));
  const tiles = page.matchAll(
    /<li class="tile state-(\w+)" data-finding="([\w-]+)" data-severity="(\w+)">([\s\S]*?)<\/li>/g,
  );
  return [...tiles].map(([, state, kind, severity, text = '']) => ({ state, kind, severity, text }));
}

describe("Supabase's own backups", () => {
  const page = renderDashboard(report([bothLayers()]));

  it('stand beside those of the repository, with what is wrong with them as tiles', () => {
    for (const words of ['Both layers, side by side', 'FAILED 2026-11-20 03:00 UTC', 'backups of 30 days'])
      expect(page).toContain(words);
    const kinds = listTiles(bothLayers()).map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(['managed-failed', 'managed-late']));
  });

  it('name no place and no project to everybody, and are not there when nobody asked', () => {
    const toEverybody = renderDashboard(report([bothLayers()], true));
    expect(toEverybody).toContain('Both layers, side by side');
    expect(toEverybody).not.toMatch(/abcdefghijklmnopqrst|s3:|acme/);
    expect(renderDashboard(report([states.good()]))).not.toContain('Both layers');
  });
});

describe('the tiles are the findings of the status', () => {
  const all: readonly Finding[] = Object.values(examples);

  it('one for each, and none besides', () => {
    const tiles = listTiles({ ...good, status: { ...good.status, findings: all } });
    const told = (list: readonly { kind: string | undefined; severity: string | undefined }[]) =>
      list.map(({ kind, severity }) => `${kind} ${severity}`).sort();
    expect(told(tiles)).toEqual(told(all));
  });

  it.each(all)('red where $kind is broken, and only there, with what to do', (finding) => {
    const facts = { ...good, status: { ...good.status, findings: [finding] } };
    const [tile] = listTiles(facts);
    const isBroken = finding.severity === 'broken';
    expect(tile?.state === 'broken').toBe(isBroken);
    expect(stateOfDatabase(facts) === 'broken').toBe(!isHealthy(facts.status));
    const text = tile?.text.replaceAll(/<\/?code>/g, '`') ?? '';
    expect(text).toContain(escapeHtml(tellFinding(finding).sentence).slice(1));
    const isMet = isLimit(finding) && !isBroken;
    expect(text.includes(escapeHtml(tellFinding(finding).remedy))).toBe(!isMet);
  });

  it('and failed databases come first', () => {
    const page = renderDashboard(report([good, { ...states.late(), name: 'crm' }, unreadable]));
    const order = [...page.matchAll(/<h2 id="d\d+"><bdi>(\w+)/g)].map(([, name]) => name);
    expect(order).toEqual(['crm', 'archive', 'shop']);
  });
});

describe('the policy of the page', () => {
  const page = renderDashboard(report([good]));

  it('names the one style and the one script by hashes that are theirs, and nothing else', () => {
    const policy = /<head>\s*<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(page)?.[1];
    const hash = (element: RegExp) => {
      const found = [...page.matchAll(element)];
      expect(found.length).toBe(1);
      return `'sha256-${createHash('sha256')
        .update(found[0]?.[1] ?? '')
        .digest('base64')}'`;
    };
    const [style, script] = [hash(/<style>([\s\S]*?)<\/style>/g), hash(/<script>([\s\S]*?)<\/script>/g)];
    expect(policy?.replaceAll('&#39;', "'")).toBe(
      `default-src 'none'; style-src ${style}; script-src ${script}; img-src data:; base-uri 'none'; form-action 'none'`,
    );
    expect(page).not.toContain('\r');
  });

  it('leaves no style and no handler in an attribute, and no address to load from', () => {
    expect(page.match(/<[^>]*\s(?:style|on\w+)=/gi)).toBeNull();
    expect(page.match(/\s(?:src|srcset|action|formaction|data|poster)="?[^"]*/gi)).toBeNull();
    expect(page.match(/<(?:iframe|object|embed|img|base|link(?! rel="icon" href="data:,"))/gi)).toBeNull();
  });

  it('gives data to the script that no text in it can end', () => {
    const hostile = '</script><!--<script>\u2028\u2029';
    const given = renderDashboard(report([{ ...good, place: { ...good.place, storage: hostile } }]));
    const json = /<script type="application\/json" id="data">([\s\S]*?)<\/script>/.exec(given)?.[1] ?? '';
    expect(json).not.toMatch(/[<\u2028\u2029]/);
    expect(JSON.stringify(JSON.parse(json))).toContain(JSON.stringify(hostile).slice(1, -1));
  });
});

it('5,000 backups have 200 rows in the page, and charts of at most 400 marks', () => {
  const backups = Array.from({ length: 5000 }, (_, index) => ({
    ...nightly(index % 90, 0.4 + 3 * index),
    id: nightly(index).id,
  }));
  const page = renderDashboard(report([makeFacts({ backups })]));
  const [, list = ''] = /data-backups="0">([\s\S]*?)<\/table>/.exec(page) ?? [];
  expect(list.match(/<tr>/g)?.length).toBe(201);
  for (const [chart] of page.matchAll(/<svg role="img"[\s\S]*?<\/svg>/g))
    expect(chart.match(/<rect/g)?.length ?? 0).toBeLessThanOrEqual(mostDays + 1);
  expect(page.length).toBeLessThan(2_000_000);
});

it('a page for everybody names no table, place, person, question or message', () => {
  const secret = 'Zebra';
  const mark = (text: string) => `${secret}-${text}`;
  const late = states.late();
  const facts: DatabaseFacts = {
    ...late,
    ...{ location: mark('location'), place: { ...late.place, storage: `s3://${mark('bucket')}` } },
    newest: late.newest && {
      ...late.newest,
      tables: [{ schema: mark('s'), name: mark('t'), rows: 1, bytes: 1 }],
    },
    records: {
      ...late.records,
      drills: [drill(ago(3), { outcome: 'failed', why: mark('why') })],
      restores: late.records.restores.map((one) => ({
        ...one,
        content: {
          ...one.content,
          outcome: 'failed',
          target: mark('target'),
          actor: mark('actor'),
          why: mark('why'),
        },
      })),
      runs: [failedRun(ago(2), mark('message')), failedRun(ago(3), mark('message'), 'drill')],
    },
    freshness: {
      ...late.freshness,
      catalog: {
        damaged: [],
        backups: late.freshness.catalog.backups.map((backup) => ({ ...backup, label: mark('label') })),
      },
    },
    recoverable: {
      ...late.recoverable,
      windows: late.recoverable.windows.map((window) => ({ ...window, gap: mark('gap') })),
    },
    answers: {
      kind: 'read',
      backups: [{ id: 'x', at: ago(3), answers: [{ sql: mark('sql'), sample: mark('a') }] }],
    },
    status: { ...late.status, findings: [{ ...examples['failed-drill'], why: mark('why') }] },
  };
  const hidden = {
    ...unreadable,
    kind: 'unreadable',
    location: mark('x'),
    why: mark('why'),
    next: mark('next'),
  } as const;
  expect(renderDashboard(report([facts, hidden]))).toContain(secret);
  const page = renderDashboard(report([facts, hidden], true));
  expect(page).not.toContain(secret);
  expect(page).toContain('This page is for everybody.');
});

describe('the history', () => {
  it('tells a run and what it did in one line, with who did it and where', () => {
    const events = listEvents(good);
    const [first] = events.filter(({ operation }) => operation === 'backup');
    expect(first).toMatchObject({ actor: 'schedule', what: expect.stringContaining(nightly(0).id) });
    const failed = good.records.runs.filter(({ content }) => content.outcome === 'failed').length;
    expect(events.filter(({ operation }) => operation === 'backup').length).toBe(72 + failed);
    expect(events.find(({ operation }) => operation === 'restore')?.actor).toBe('mara');
    const times = events.map(({ at }) => at.getTime());
    expect(times).toEqual(times.toSorted((one, other) => other - one));
  });

  it('tells a validation that found captured changes damaged as damage', () => {
    const key = 'changes/20261120T000000Z-0000/0000000000000100-0000000000000200.json';
    const backups = [{ id: nightly(0).id, outcome: 'passed' as const, opened: true }];
    const damagedSegments = [{ key, part: 'contents' as const }];
    const content = { share: 1, backups, damagedObjects: [], damagedSegments };
    const validations = [{ id: 'x', at: ago(1), storedAt: ago(1), content }];
    const [event] = listEvents({ ...good, records: { ...good.records, validations } }).filter(
      ({ operation }) => operation === 'validate',
    );
    expect(event).toMatchObject({ state: 'broken', what: `1 backup read, damaged: ${key}` });
  });

  it('links to pages alone, never to a script', () => {
    const run = failedRun(ago(1), 'x');
    const content = { ...run.content, run: { url: 'javascript:alert(1)', attempt: 1 } };
    const records = { ...good.records, runs: [{ ...run, content }] };
    expect(renderDashboard(report([{ ...good, records }]))).not.toContain('javascript:');
  });
});

describe('the target of a drill', () => {
  /** The words of its cell in the table of drills, and its line in the history */
  const tell = (content: Parameters<typeof drill>[1], rtoTarget: number | undefined = 1_800_000) => {
    const facts = { ...makeFacts({ backups: [nightly(0)], drills: [drill(ago(3), content)] }), rtoTarget };
    const page = renderDashboard(report([facts]));
    const [, table = ''] = /Drills, newest first[\s\S]*?<tbody>([\s\S]*?)<\/tbody>/.exec(page) ?? [];
    const cells = [...table.matchAll(/<td[^>]*>([\s\S]*?)<\/td>/g)];
    const event = listEvents(facts).find(({ operation }) => operation === 'drill');
    return { cell: cells.at(-1)?.[1]?.replaceAll(/<[^>]*>/g, ''), state: event?.state, what: event?.what };
  };

  it('is the one that it was given then, whatever that of the page', () => {
    const slow = tell({ recovery: 1500, rtoTarget: 1000 });
    expect(slow).toMatchObject({ cell: 'missed 1.0 s', state: 'broken' });
    expect(slow.what).toContain('passed in 1.5 s, longer than the target of 1.0 s');
    const quick = tell({ recovery: 2_000_000, rtoTarget: 3_600_000 });
    expect(quick).toMatchObject({ cell: 'met 1 h 00 min', state: 'good' });
  });

  it('is that of the page where it was given none, and the cell says so', () => {
    expect(tell({ recovery: 2_000_000 })).toMatchObject({
      ...{ cell: 'missed 30 min 00 s, of this page', state: 'broken' },
    });
    expect(tell({ recovery: 1500, rtoTarget: null })).toMatchObject({
      ...{ cell: 'met 30 min 00 s, of this page', state: 'good' },
    });
  });

  it('is met by time alone, where the drill failed on what it found', () => {
    const failed = { outcome: 'failed', fault: 'checks', why: 'check 1 is false' } as const;
    expect(tell({ ...failed, recovery: 972 })).toMatchObject({
      ...{ cell: 'met 30 min 00 s, of this page', state: 'broken' },
    });
    expect(tell({ ...failed, recovery: null })).toMatchObject({ cell: 'not measured', state: 'broken' });
  });

  it('is none without one', () => {
    const facts = { ...makeFacts({ backups: [nightly(0)], drills: [drill(ago(3))] }), rtoTarget: undefined };
    expect(renderDashboard(report([facts]))).toMatch(/<td>none<\/td><\/tr>/);
  });
});

it('a database that cannot be read has one word for that, in the table of all and above its part', () => {
  const page = renderDashboard(report([good, unreadable]));
  expect(page.match(/NOT READABLE/g)?.length).toBe(2);
  expect(page).not.toContain('BROKEN');
});

it('the calendar counts the failures that the list of failures has', () => {
  const stopped = failedRun(ago(50), 'the newest backup is too old', 'gate');
  const facts = makeFacts({
    backups: [nightly(0)],
    drills: [200, 80].map((hours) => drill(ago(hours), { outcome: 'failed', why: 'no room was left' })),
    runs: [
      failedRun(ago(24 * 17), 'the connection was refused'),
      { ...stopped, content: { ...stopped.content, outcome: 'no', exitCode: 3 } },
      // The drill has told of itself; of the one before there is no run.
      failedRun(ago(80), 'no room was left', 'drill'),
    ],
  });
  const [, told] = /(\d+) failures in the last 30 days/.exec(renderDashboard(report([facts]))) ?? [];
  expect(told).toBe('3');
  const days = countDays(facts).filter(({ failures }) => failures > 0);
  expect(days.map(({ day, failures }) => [day, failures])).toEqual(
    [ago(24 * 17), ago(200), ago(80)].map((at) => [dayOf(at), 1]),
  );
});
