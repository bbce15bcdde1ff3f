import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderDashboard } from '../../../../src/operations/report/dashboard/dashboard.ts';
import {
  confirmingWords,
  fillIn,
  keyOf,
  listWays,
} from '../../../../src/operations/report/dashboard/ways.ts';
import type { DatabaseFacts } from '../../../../src/operations/report/facts.ts';
import { ago } from '../../../repository/backups/freshness-example.ts';
import { browserPath, launchBrowser, openFile, type Watched } from '../../../support/browser.ts';
import { parseRestoreLine, splitWords } from '../../../support/restore-line.ts';
import { workflowFiles } from '../../../workflows/files.ts';
import { describe as describeShop, drill, nightly, report, states } from '../example.ts';

const facts = states.good();
const ways = listWays(facts);
const words = {
  ...{ backup: nightly(1).id, time: '2026-11-20T03:00:00Z', tables: `public.orders,"o'dd ""x"".y"."t,1"` },
  confirm: confirmingWords,
};

/** What `gh workflow run` passes: the inputs by their names */
function readWorkflowInputs(line: string): Map<string, string> {
  const [gh, workflow, run, file, ...rest] = splitWords(line);
  expect([gh, workflow, run, file]).toEqual(['gh', 'workflow', 'run', 'emergency-restore.yml']);
  const given = rest
    .filter((word) => word !== '-f')
    .map((word) => /^([^=]*)=(.*)$/s.exec(word)?.slice(1) ?? []);
  return new Map(given.map(([name = '', value = '']) => [name, value]));
}

describe.each(ways.map((way) => [keyOf(way), way] as const))('the way %s', (_, way) => {
  it('is a line that the program understands, and a preview of just that', () => {
    const command = parseRestoreLine(fillIn(way.command, words));
    expect(command).toMatchObject({
      storage: 's3://bucket/production',
      s3Region: 'eu-central-1',
      ...{ clean: way.target === 'production', confirmed: way.target === 'production', dryRun: false },
      include: way.scope === 'whole' ? [] : ['public.orders', `"o'dd ""x"".y"."t,1"`],
      sideSchema: way.scope === 'rows' ? 'rescue' : undefined,
      backupId: way.point === 'backup' ? words.backup : 'latest',
      recoveryTargetTime: way.point === 'time' ? expect.stringContaining('2026-11-20T03:00:00') : undefined,
    });
    const differs = { dryRun: true, confirmed: false, reportFolder: undefined };
    expect(parseRestoreLine(fillIn(way.preview, words))).toEqual({ ...command, ...differs });
  });

  it('is not confirmed by whoever copies it without typing the words', () => {
    const line = fillIn(way.command, { ...words, confirm: '…' });
    if (way.target === 'production')
      expect(() => parseRestoreLine(line)).toThrow('is not the words that confirm it');
    else expect(parseRestoreLine(line).confirmed).toBe(false);
  });

  it('starts a workflow by inputs that it has', () => {
    if (way.workflow === undefined) return expect(way.scope).toBe('rows');
    const given = readWorkflowInputs(fillIn(way.workflow, words));
    for (const file of ['examples/emergency-restore.yml', '.github/workflows/restore.yml']) {
      const known =
        workflowFiles.find((one) => one.file === file)?.workflow.on.workflow_dispatch?.inputs ?? {};
      expect(Object.keys(known)).toEqual(expect.arrayContaining([...given.keys()]));
    }
    expect(given.get('confirm')).toBe('RESTORE PRODUCTION');
    expect(given.get('dry-run')).toBe('false');
    expect(given.get('clean')).toBe(way.target === 'production' ? 'true' : undefined);
  });
});

it('the name of a storage stays a name, whatever it looks like', () => {
  const storage = './x{tables}{confirm}';
  const place = { ...facts.place, storage, 's3-region': undefined };
  for (const way of listWays({ ...facts, place }))
    expect(parseRestoreLine(fillIn(way.command, words))).toMatchObject({ storage });
});

it('no way to a time is offered where no changes are captured, and none beside live tables', () => {
  const keys = listWays({ ...facts, recoverable: { ...facts.recoverable, captured: false } }).map(keyOf);
  expect(keys.filter((key) => key.includes('time'))).toEqual([]);
  expect(ways.map(keyOf)).not.toContain('rows-time-live');
});

describe.skipIf(browserPath === undefined)('the restore manager in a browser', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'manager-'));
  const file = path.join(folder, 'page.html');
  let browser: Browser;
  let opened: Watched;
  beforeAll(async () => {
    writeFileSync(file, renderDashboard(report([facts])));
    browser = await launchBrowser();
    opened = await openFile(browser, file);
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  const choose = (name: string, value: string) =>
    opened.page.locator(`input[name=${name}][value="${value}"]`).check();
  const line = (key: string) => opened.page.locator(`[data-line=${key}] code`).textContent();
  const plan = () => opened.page.locator('[data-plan]').textContent();

  it('gives the line of each way, with what was chosen in it', async () => {
    const { page } = opened;
    await page.locator('select[name=backup]').selectOption(words.backup);
    await choose('point', 'time');
    await page.locator('input[name=time]').fill('2026-11-20T03:00:00');
    await page.locator('input[name=confirm]').fill('RESTORE PRODUCTION');
    for (const way of ways) {
      await choose('scope', way.scope);
      await choose('point', way.point);
      if (way.target !== 'live') await choose('target', way.target);
      if (way.scope !== 'whole') {
        await choose('table', 'public.orders');
        await page.locator('input[name=patterns]').fill(words.tables.replace('public.orders,', ''));
      }
      expect(await line('command')).toBe(fillIn(way.command, words));
      expect(await line('preview')).toBe(fillIn(way.preview, words));
      if (way.workflow !== undefined) expect(await line('workflow')).toBe(fillIn(way.workflow, words));
    }
    expect(opened.complaints).toEqual([]);
  });

  it('says what comes back, how long that takes and what is lost', async () => {
    const { page } = opened;
    await choose('scope', 'whole');
    await choose('point', 'backup');
    await choose('target', 'production');
    await page.locator('select[name=backup]').selectOption(nightly(2).id);
    expect(await plan()).toContain('2,380,838 rows, 2.14 GB');
    expect(await plan()).toContain(
      `about 4 min 12 s, as the last drill measured with ${nightly(3).id} of 2.13 GB, by the share of the bytes`,
    );
    expect(await plan()).toContain('what was written after it, the last 2 d 9 h; a safety backup is taken');
    await choose('target', 'empty');
    expect(await plan()).toContain('nothing: what is there stays where it is');
    await choose('scope', 'tables');
    await page.locator('select[name=backup]').selectOption(nightly(0).id);
    await page.locator('input[name=patterns]').fill('');
    await page.locator('input[name=table][value="public.orders"]').uncheck();
    expect(await plan()).toContain('nothing yet: choose tables');
    await choose('table', 'auth.users');
    // 61 MB of 2.16 GB
    expect(await plan()).toContain('1 table: 81,204 rowsAs of');
    expect(await plan()).toContain('about 7.2 s, as the last drill measured');
  });

  it('asks for the words, and leaves them out until they are typed in full', async () => {
    const { page } = opened;
    await choose('scope', 'whole');
    await choose('target', 'production');
    await page.locator('input[name=confirm]').fill('restore production');
    expect(await line('command')).toContain("--confirm '…'");
    await page.locator('input[name=confirm]').fill('RESTORE PRODUCTION');
    expect(await line('command')).toContain("--confirm 'RESTORE PRODUCTION'");
    expect(await plan()).toContain('RESTORE PRODUCTION');
  });

  it('says of a time that it cannot be reached, and has no line for it', async () => {
    const { page } = opened;
    await choose('scope', 'whole');
    await choose('point', 'time');
    const fill = (text: string) => page.locator('input[name=time]').fill(text);
    for (const unreachable of ['2026-10-01T03:00:01', '']) {
      await fill('2026-11-20T03:00:00');
      expect(await plan()).toContain('2026-11-20 03:00:00 UTC, which can be reached');
      expect(await line('command')).toContain('supabase-backup restore');
      await fill(unreachable);
      expect(await plan()).toContain(unreachable === '' ? 'choose a time' : 'cannot be reached');
      for (const key of ['preview', 'command', 'workflow']) {
        expect(await line(key)).toBe('');
        expect(await page.locator(`[data-line=${key}]`).isVisible()).toBe(false);
      }
    }
  });
});

describe.skipIf(browserPath === undefined)('where the newest backup lacks rows', { timeout: 120_000 }, () => {
  /** A shop whose newest backup has lost its orders, and changes are captured in a few seconds */
  const make = (): DatabaseFacts => {
    const [newest, ...older] = [nightly(0), nightly(1), nightly(2)];
    const lost = { ...newest, totals: { ...newest.totals, rows: 81_204, bytes: 0 } };
    const made = describeShop({
      backups: [lost, ...older],
      drills: [drill(ago(80), { recovery: 972, backup: nightly(1).id })],
    });
    const tables = [{ schema: 'public', name: 'orders', rows: 0, bytes: 0 }];
    const window = { from: '2026-11-20T02:18:00.250000Z', to: '2026-11-20T02:18:04.900000Z', gap: null };
    return {
      ...made,
      newest: made.newest && { ...made.newest, tables },
      recoverable: { ...made.recoverable, windows: [window] },
    };
  };
  const folder = mkdtempSync(path.join(tmpdir(), 'lost-'));
  let browser: Browser;
  let opened: Watched;
  beforeAll(async () => {
    const file = path.join(folder, 'page.html');
    writeFileSync(file, renderDashboard(report([make()])));
    browser = await launchBrowser();
    opened = await openFile(browser, file);
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });
  const plan = async () => (await opened.page.locator('[data-plan] dd').allTextContents()).slice(0, 3);

  it('the plan is that of the backup that is chosen', async () => {
    const { page } = opened;
    await page.locator('select[name=backup]').selectOption(nightly(1).id);
    expect((await plan())[0]).toBe('everything: 2,390,400 rows, 2.15 GB');
    await page.locator('input[name=scope][value=tables]').check();
    await page.locator('input[name=table]').check();
    const [contents, , takes] = await plan();
    expect(contents).toBe(
      '1 table: 0 rows as of the newest backup, of 2026-11-20 02:18; how many the chosen one has is not known here',
    );
    expect(takes).toMatch(/^less than everything, which takes about a second, as the last drill measured/);
    await page.locator('select[name=backup]').selectOption(nightly(0).id);
    const ofNewest = await plan();
    expect(ofNewest[0]).toBe('1 table: 0 rows');
    expect(ofNewest[2]).not.toContain('0 ms');
    expect(await page.textContent('[data-tables]')).toContain('A table that it lacks, and an older one has');
  });

  it('times are told in seconds, rounded inwards, and each that is told can be chosen', async () => {
    const { page } = opened;
    expect(await page.textContent('[data-for=time]')).toContain(
      '2026-11-20 02:18:01Z to 2026-11-20 02:18:04Z',
    );
    expect(await page.textContent('dl.figures')).toContain(
      'any second from 2026-11-20 02:18:01Z to 2026-11-20 02:18:04Z',
    );
    await page.locator('input[name=scope][value=whole]').check();
    await page.locator('input[name=point][value=time]').check();
    const isReachable = async (text: string) => {
      await page.locator('input[name=time]').fill(`2026-11-20T02:18:${text}`);
      return (await page.locator('[data-line=command] code').textContent()) !== '';
    };
    const seconds = ['00', '01', '04', '05'];
    const found = [];
    for (const text of seconds) found.push(await isReachable(text));
    expect(found).toEqual([false, true, true, false]);
    expect(opened.complaints).toEqual([]);
  });
});
