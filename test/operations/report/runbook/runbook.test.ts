import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseArguments } from '../../../../src/entry/terminal/arguments.ts';
import { environmentName } from '../../../../src/entry/terminal/help.ts';
import { findUnused, parseInputs } from '../../../../src/interface/inputs/parse.ts';
import type { DatabaseFacts } from '../../../../src/operations/report/facts.ts';
import { type RunbookFacts, toRunbookFacts } from '../../../../src/operations/report/runbook/facts.ts';
import { incidentNames } from '../../../../src/operations/report/runbook/page.ts';
import { renderRunbook, renderRunbooks } from '../../../../src/operations/report/runbook/runbook.ts';
import { quoteForShell } from '../../../../src/values/shell-word.ts';
import { oddNames } from '../../../fixture/names.ts';
import { listNames } from '../../../recover/followed.ts';
import { ago } from '../../../repository/backups/freshness-example.ts';
import { bothLayers, report, states, unreadable } from '../example.ts';
import { type Call, listCalls } from './calls.ts';

const transcript = path.join(import.meta.dirname, '../../../../docs/transcripts/runbook.md');

const render = (database: DatabaseFacts, change: Partial<RunbookFacts> = {}) =>
  renderRunbook({ ...toRunbookFacts(report([database]), database), ...change });

const headings = (text: string) => withoutCode(text).match(/^#+ .*$/gm) ?? [];
const withoutCode = (text: string) => text.replace(/^(`{3,})\w*\n.*?^\1$/gms, '');
const blocksOf = (language: string, text: string) =>
  [...text.matchAll(new RegExp(`^(\`{3,})${language}\\n(.*?)^\\1$`, 'gms'))].map(
    ([, , content = '']) => content,
  );
const blocks = (text: string) => blocksOf('sh', text);

/** Parses a call as the command line does. */
function parseCall({ words, env }: Call) {
  const given = parseArguments(words).inputs;
  const parsed = parseInputs((name) => given.get(name) ?? env[environmentName(name)], {});
  return { operation: parsed.operation, unused: findUnused(parsed.operation, (name) => given.get(name)) };
}

/** Every name of a field, at any depth */
type FieldsOf<T> = T extends string | number | boolean | Date | null | undefined
  ? never
  : T extends readonly (infer Item)[]
    ? FieldsOf<Item>
    : { [Key in keyof T]: Key | FieldsOf<T[Key]> }[keyof T];
type Secret =
  | ('databaseUrl' | 'targetUrl' | 'stagingUrl' | 'repositoryKey' | 'encryptionIdentity' | 'identities')
  | ('githubToken' | 'notifyUrl' | 'slackWebhookUrl' | 'heartbeatUrl' | 'message' | 'actor' | 'target');

describe('a runbook', () => {
  it('reads as docs/transcripts/runbook.md', async () => {
    await expect(render(states.good())).toMatchFileSnapshot(transcript);
  });

  it("tells Supabase's own backups where they were asked for, and how it is asked for a restore", () => {
    const text = render(bothLayers());
    expect(text).toMatch(/^\| Supabase's own backups \| the times of daily backups, .* has failed/m);
    expect(text).not.toContain('restore --managed');
    const layer = { kind: 'pitr', from: ago(7 * 24), to: ago(0.1) } as const;
    const withWindow = render(states.good(), {
      platform: { ref: 'abcdefghijklmnopqrst', layer, findings: [] },
    });
    expect(withWindow).toContain('supabase-backup restore --managed --project-ref abcdefghijklmnopqrst');
    expect(render(states.good())).not.toContain('restore --managed');
  });

  it('is made of facts that have no place for a secret', () => {
    const hasNone: Extract<FieldsOf<RunbookFacts>, Secret> extends never ? true : false = true;
    expect(hasNone).toBe(true);
  });

  it('leads to every page, and each page is reached', () => {
    const text = render(states.good());
    const [, tree = ''] = /## What has happened\?\n(.*?)```mermaid/s.exec(text) ?? [];
    for (const name of incidentNames) expect(tree).toContain(`(#${name})`);
    expect(headings(text).filter((line) => /^## /.test(line))).toHaveLength(incidentNames.length + 5);
  });

  it('has commands that a shell can read, and no name but those that it lists', () => {
    const text = render(states.good());
    expect(blocks(text).length).toBeGreaterThan(30);
    const listed = listNames(text);
    for (const commands of blocks(text)) {
      execFileSync('sh', ['-n'], { input: commands });
      const read = [...commands.matchAll(/\$(\w+|\?)/g)].map(([, name = '']) => name);
      expect(read.filter((name) => name !== '?' && !listed.includes(name))).toEqual([]);
    }
  });

  it('has no call of this program that its command line would refuse, in blocks of other programs neither', async () => {
    const identity = await generateX25519Identity();
    const url = 'postgresql://postgres:secret@db.example.com:5432/postgres';
    const env = {
      ...{ PRODUCTION_URL: url, NEW_URL: url, TABLE: 'public.orders', BEFORE: '2026-11-20T11:29:59Z' },
      ...{ SAFETY_ID: '20261120T021700Z-7f3a', COPY: './copy', NEW_STORAGE: 's3://other/production' },
      SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity,
    };
    const encryption = { scheme: 'age' as const, recipients: [await identityToRecipient(identity)] };
    const text = render(states.good(), { encryption });
    // Statements of SQL are for the editor of the project.
    const others = blocksOf('console', text).filter((block) => !block.startsWith('SELECT '));
    expect(others.length).toBeGreaterThan(8);
    // Blocks of a page are copied into one shell.
    const pages = text.split(/^## /m).map((page) => blocks(page).join('\n'));
    const calls = listCalls([...pages, ...others], env);
    const parsed = calls.map((call) => ({ ...call, ...parseCall(call) }));
    expect(parsed.filter(({ unused }) => unused.length > 0)).toEqual([]);
    const operations = new Set(parsed.map(({ operation }) => operation));
    expect([...operations]).toEqual(expect.arrayContaining(['restore', 'capture', 'status', 'schedule']));
    expect(listCalls(others, env).map(({ words }) => words)).toEqual([['schedule'], ['schedule', '--check']]);
  });

  it.each([
    ['with captures', {}],
    ['without', { isCaptured: false, windows: [] }],
  ])('draws a tree whose nodes all exist and are reached, %s', (_, change) => {
    const text = render(states.good(), change);
    const [drawing = '', ...more] = blocksOf('mermaid', text);
    expect(more).toEqual([]);
    const [first, ...lines] = drawing.trimEnd().split('\n');
    expect(first).toBe('flowchart TD');
    const nodes = new Map<string, string>();
    const edges: [from: string, word: string, to: string][] = [];
    for (const line of lines) {
      const node = /^ {2}(n\d+)(?:\{"([^"]+)"\}|\["([^"]+)"\])$/.exec(line);
      const edge = /^ {2}(n\d+) -->\|(yes|no)\| (n\d+)$/.exec(line);
      if (node) {
        expect(nodes.has(node[1] ?? ''), line).toBe(false);
        nodes.set(node[1] ?? '', node[2] === undefined ? 'page' : 'question');
      } else {
        expect(edge, line).not.toBeNull();
        edges.push([edge?.[1] ?? '', edge?.[2] ?? '', edge?.[3] ?? '']);
      }
    }
    expect(edges.filter(([from, , to]) => !nodes.has(from) || !nodes.has(to))).toEqual([]);
    for (const [node, kind] of nodes) {
      const answers = edges.filter(([from]) => from === node).map(([, word]) => word);
      expect(answers.sort(), node).toEqual(kind === 'question' ? ['no', 'yes'] : []);
    }
    const reached = new Set(['n0']);
    for (const node of reached) for (const [from, , to] of edges) if (from === node) reached.add(to);
    expect([...nodes.keys()].filter((node) => !reached.has(node))).toEqual([]);
    // A tree: one way leads to each node.
    expect(edges).toHaveLength(nodes.size - 1);
    expect([...nodes.values()].filter((kind) => kind === 'page').length).toBeGreaterThan(10);
  });

  it('lists every secret that the program itself has to be given', () => {
    const names = (change: Partial<RunbookFacts>) => listNames(render(states.good(), change));
    const place = states.good().place;
    expect(names({})).toEqual(
      expect.arrayContaining(['SUPABASE_BACKUP_ENCRYPTION_IDENTITY', 'AWS_SECRET_ACCESS_KEY']),
    );
    expect(names({ keyHeld: 'outside' })).toContain('SUPABASE_BACKUP_REPOSITORY_KEY');
    const plain = names({ encryption: { scheme: 'none' }, place: { ...place, storage: './backups' } });
    expect(plain.filter((name) => /IDENTITY|AWS|GITHUB|REPOSITORY/.test(name))).toEqual([]);
    const artifact = names({ place: { ...place, storage: 'artifact://backups' } });
    expect(artifact).toContain('SUPABASE_BACKUP_GITHUB_TOKEN');
  });

  it('tells a time that was measured from one that was predicted, and from none', () => {
    const text = render(states.good());
    expect(text).toContain('4 min 11 s, measured');
    const { proofs } = toRunbookFacts(report([states.good()]), states.good());
    const none = { ...proofs, whole: undefined, 'point-in-time': undefined };
    expect(render(states.good(), { proofs: none, recovery: { kind: 'unmeasured' } })).toMatch(
      /\*\*Takes:\*\* not measured\. .*\*\*Last\s+proven on:\*\* never\./s,
    );
    const prediction = { milliseconds: 90_000, basis: 'full-backups', bytes: 9, bytesPerSecond: 9, runs: 1 };
    const predicted = { kind: 'predicted', prediction } as RunbookFacts['recovery'];
    expect(render(states.good(), { proofs: none, recovery: predicted })).toMatch(
      /predicted\s+from\s+its\s+size:\s+1\s+min\s+30\s+s\s+or\s+more/,
    );
  });

  it('says that nothing can be recovered where there is no backup, and how to take one', () => {
    const text = render(states.good(), { newest: undefined, backups: [], windows: [], gap: undefined });
    expect(text).toContain('none: nothing can be recovered yet');
    expect(text).toContain('## No fresh backups');
    expect(text).not.toContain('## Dropped table');
    expect(blocks(text).join('')).not.toContain('undefined');
  });

  it('without captures restores backups by their ids, and promises no other time', () => {
    const text = render(states.good(), { isCaptured: false, windows: [] });
    expect(blocks(text).join('')).not.toContain('--recovery-target-time');
    expect(listNames(text)).not.toContain('BEFORE');
    expect(text).not.toContain('## Slot lost');
    expect(text).not.toContain('no way back');
  });

  it('shows hostile names, and lets them be neither Markdown nor commands', () => {
    const database = states.good();
    const { newest } = toRunbookFacts(report([database]), database);
    if (newest === undefined) throw new Error('there is no backup');
    const names = [
      ...oddNames,
      '```',
      '$(touch x)',
      "'; touch x; '",
      '# heading',
      '<img src=x>',
      '| a |',
      '[x](y)',
    ];
    const tables = names.map((name) => ({ schema: name, name, rows: 1 }));
    const place = { ...database.place, storage: `./it's $(touch x) \`touch x\` "` };
    const text = render(database, {
      database: '\n## Not a heading `x`',
      place,
      newest: { ...newest, tables },
    });
    const unlike = ['# Runbook: production', ...headings(render(database)).slice(1)];
    expect(headings(text)).toHaveLength(unlike.length);
    expect(headings(text).slice(1)).toEqual(unlike.slice(1));
    // Programs that do nothing: what is left is what the shell makes of the names.
    const folder = mkdtempSync(path.join(tmpdir(), 'runbook-'));
    for (const program of ['supabase-backup', 'psql'])
      writeFileSync(path.join(folder, program), '#!/bin/sh\n', { mode: 0o755 });
    for (const commands of blocks(text)) {
      const env = { PATH: `${folder}:/usr/bin:/bin` };
      const { status, stdout, stderr } = spawnSync('sh', {
        cwd: folder,
        env,
        input: commands,
        encoding: 'utf8',
      });
      expect({ status, stdout: stdout.replace(/^exit code 0\n/m, ''), stderr }).toEqual({
        status: 0,
        stdout: '',
        stderr: '',
      });
    }
    expect(readdirSync(folder).sort()).toEqual(['psql', 'supabase-backup']);
    rmSync(folder, { recursive: true });
  });

  it('quotes any text as one word of a shell', () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((value) => !value.includes('\0'));
    fc.assert(
      fc.property(text, (value) => {
        const printed = execFileSync('sh', ['-c', `printf %s ${quoteForShell(value)}`]);
        expect(printed.equals(Buffer.from(value))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the runbooks of a report', () => {
  it('are files, one for each database that could be read, with names that are files', () => {
    const odd = { ...states.good(), name: '../shop "2"\n' };
    expect([...renderRunbooks(report([states.good(), unreadable, odd])).keys()]).toEqual([
      'runbook-shop.md',
      'runbook-shop-2.md',
    ]);
  });
});
