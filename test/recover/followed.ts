import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataDump, dumpData, dumpSchema } from '../fixture/dump.ts';
import type { Cluster } from '../support/cluster.ts';

/* What somebody does who follows a page of a runbook: copies each block into one shell, and compares. */

const cli = join(import.meta.dirname, '../../dist/cli.cjs');

/** Puts the bundle into a folder of a PATH, by the name that pages call it. */
export function installProgram(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const program = join(folder, 'supabase-backup');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`);
  chmodSync(program, 0o755);
}

/** A database as pg_dump writes it */
export interface Truth {
  readonly schema: string;
  readonly data: DataDump;
}

export async function dumpTruth(url: string, { binFolder }: Pick<Cluster, 'binFolder'>): Promise<Truth> {
  return { schema: await dumpSchema(url, binFolder), data: await dumpData(url, binFolder) };
}

export interface Block {
  readonly commands: string;
  /** Undefined where the page says nothing of what is printed */
  readonly expected: readonly string[] | undefined;
}

/** The blocks of a page, in order; `console` blocks are of other programs, and not among them. */
export function readPage(runbook: string, heading: string): Block[] {
  const page = cutSection(runbook, heading);
  const fences = [...page.matchAll(/^(`{3,})(sh|text)\n(.*?)^\1$/gms)];
  return fences.flatMap(([, , language, commands = ''], index): Block[] => {
    if (language !== 'sh') return [];
    const next = fences[index + 1];
    const expected = next?.[2] === 'text' ? (next[3] ?? '').trimEnd().split('\n') : undefined;
    return [{ commands, expected }];
  });
}

/** The names that commands may read, as the runbook lists them */
export function listNames(runbook: string): string[] {
  return [...cutSection(runbook, 'Variables').matchAll(/^\| `\$(\w+)`/gm)].map(([, name = '']) => name);
}

function cutSection(runbook: string, heading: string): string {
  const [, after] = runbook.split(`\n## ${heading}\n`);
  if (after === undefined) throw new Error(`the runbook has no section ${heading}`);
  const [section = ''] = after.split(/^## /m);
  return section;
}

export interface Followed {
  readonly status: string;
  readonly printed: string;
}

/**
 * Runs blocks as they stand, one after the other, in one sh.
 *
 * @param notes what the reader notes after each block, as a piece of shell that looks into the files out-*
 */
export async function follow(
  blocks: readonly Block[],
  folder: string,
  env: NodeJS.ProcessEnv,
  notes = '',
): Promise<Followed[]> {
  mkdirSync(folder, { recursive: true });
  const steps = blocks.map(({ commands }, index) => {
    writeFileSync(join(folder, `block-${index}`), commands);
    return `. ./block-${index} >out-${index} 2>&1; echo $? >status-${index}\n${notes}`;
  });
  await new Promise<void>((resolve, reject) => {
    const script = steps.join('\n');
    execFile('/bin/sh', ['-c', script], { cwd: folder, env }, (error) => (error ? reject(error) : resolve()));
  });
  const read = (name: string) => readFile(join(folder, name), 'utf8');
  return Promise.all(
    blocks.map(async (_, index) => ({
      status: (await read(`status-${index}`)).trim(),
      printed: await read(`out-${index}`),
    })),
  );
}

/** Whether a text is what was expected: `…` in a line is anything, alone in a line any number of lines. */
export function isAsExpected(expected: readonly string[], printed: string): boolean {
  const lines = expected.map((line) =>
    line === '…' ? '(?:.*\n)*?' : `${line.split('…').map(escapePattern).join('.*')}\n`,
  );
  return new RegExp(`^${lines.join('')}$`).test(printed.endsWith('\n') ? printed : `${printed}\n`);
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
