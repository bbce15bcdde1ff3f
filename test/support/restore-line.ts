import { execFileSync } from 'node:child_process';
import { expect } from 'vitest';
import { parseArguments } from '../../src/entry/terminal/arguments.ts';
import { parseInputs } from '../../src/interface/inputs/parse.ts';
import type { RestoreInputs } from '../../src/interface/inputs/types.ts';

/** Splits a line as a shell does: by one. */
export function splitWords(line: string): string[] {
  const printed = execFileSync('sh', ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8' });
  return printed.split('\0').slice(0, -1);
}

/** Parses a line that restores as the program does that it starts. */
export function parseRestoreLine(line: string): RestoreInputs {
  const [program, ...rest] = splitWords(line);
  expect(program).toBe('supabase-backup');
  const { inputs } = parseArguments(rest);
  const url = 'postgresql://postgres@db.example.com:5432/postgres';
  const parsed = parseInputs((name) => inputs.get(name) ?? (name === 'target-url' ? url : undefined), {});
  if (parsed.operation !== 'restore' || parsed.managed) throw new Error(`is about ${parsed.operation}`);
  return parsed;
}
