import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { tools } from '../../../src/entry/mcp/tools.ts';

const root = path.join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const names = tools.map(({ name }) => name);

describe('docs/assistants.md', () => {
  const page = read('docs/assistants.md');

  it('lists every tool, and whether it asks', () => {
    const rows = [...page.matchAll(/^\| `(\w+)` \| .* \| (yes|no) \|$/gm)].map(([, name, asks]) => [
      name,
      asks,
    ]);
    const told = tools.map(({ name }) => [name, /_start$/.test(name) ? 'yes' : 'no']);
    expect(rows.sort()).toEqual(told.sort());
  });

  it('has configurations that can be read, with this server beside that of Supabase', () => {
    const configs = [...page.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text = '']) => JSON.parse(text));
    expect(configs).toHaveLength(2);
    for (const config of configs) {
      const servers = config.mcpServers ?? config.servers;
      expect(Object.keys(servers)).toEqual(['supabase', 'supabase-backup']);
      expect(servers['supabase-backup'].command).toBe('supabase-backup');
      expect(servers['supabase-backup'].args).toEqual(['mcp']);
      expect(servers.supabase.url).toContain('read_only=true');
    }
  });
});

describe('skills/supabase-backup/SKILL.md', () => {
  const [, head = '', body = ''] =
    /^---\n(.*?)^---\n(.*)$/ms.exec(read('skills/supabase-backup/SKILL.md')) ?? [];
  const front = parse(head) as Record<string, string>;

  it('has a front matter as skills need it', () => {
    expect(front.name).toBe('supabase-backup');
    expect(front.description?.length).toBeGreaterThan(100);
    expect(front.description?.length).toBeLessThanOrEqual(1024);
    expect(Object.keys(front)).toEqual(['name', 'description']);
  });

  it('names the tools that there are, and all of them', () => {
    const named = new Set(
      [...body.matchAll(/`((?:backup|drill|managed|mirror|restore|runbook)_\w+)`/g)].map(([, name]) => name),
    );
    // The one of Supabase, which it warns of
    named.delete('restore_project');
    expect([...named].sort()).toEqual(names.toSorted());
  });

  it('speaks of fields that answers have', () => {
    const fields = tools.flatMap(({ output }) => JSON.stringify(output));
    const all = fields.join();
    for (const field of [
      'summary',
      'lossMilliseconds',
      'basis',
      'verifiedAt',
      'sentences',
      'expiresAt',
      'digest',
    ])
      expect(all, field).toContain(`"${field}"`);
  });
});
