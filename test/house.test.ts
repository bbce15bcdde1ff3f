import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

/* The house plan of CONTRIBUTING.md: who may import whom. */

const source = path.join(import.meta.dirname, '..', 'src');

/** Files at the top of src (errors, world, workers, inputs, …) that every room may use, except inputs. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  entry: ['operations', 'alarm', 'github', 'report', 'storage', 'postgres', 'http', 'inputs'],
  operations: [
    'source',
    'repository',
    'target',
    'supabase',
    'schedule',
    'migrations',
    'github',
    'report',
    'postgres',
    'storage',
    'inputs',
  ],
  alarm: ['github', 'http', 'report'],
  github: ['http'],
  schedule: ['repository', 'github'],
  migrations: ['postgres'],
  source: ['repository', 'postgres', 'storage'],
  repository: ['postgres', 'storage'],
  target: ['repository', 'supabase', 'postgres', 'storage'],
  supabase: ['repository', 'postgres'],
  report: ['operations'],
  postgres: [],
  storage: ['http'],
  http: [],
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const files = globSync('**/*.ts', { cwd: source });
const imports = files.flatMap((file): Import[] =>
  [
    ...readFileSync(path.join(source, file), 'utf8').matchAll(
      /^(?:import|export) (type )?[^;]*?from '(\.[^']+)'/gms,
    ),
  ].map(([, typeOnly, target = '']) => ({
    from: file,
    to: path.normalize(path.join(path.dirname(file), target)),
    typeOnly: typeOnly !== undefined,
  })),
);

function roomOf(file: string): string {
  return file.includes('/') ? (file.split('/')[0] ?? '') : path.basename(file, '.ts');
}

describe('the house plan', () => {
  it('finds the imports it is about', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(imports.length).toBeGreaterThan(150);
  });

  it('has arrows that run one way', () => {
    const wrong = imports.filter(({ from, to, typeOnly }) => {
      const [room, target] = [roomOf(from), roomOf(to)];
      if (room === target || rooms[target] === undefined)
        return /^input(s|-schema|-types)$/.test(target) && !mayUse(room, 'inputs');
      // The shape of a report is a type of the operations, and the report's room only renders it.
      if ((room === 'report' || room === 'alarm') && target === 'operations') return !typeOnly;
      return rooms[room] !== undefined && !mayUse(room, target);
    });
    expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it('reads no stored value without saying how large it may be', () => {
    const reads = files
      .filter((file) => /^(repository|operations)\//.test(file))
      .flatMap((file) =>
        [
          ...readFileSync(path.join(source, file), 'utf8').matchAll(
            /storage\.get\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)/g,
          ),
        ].map(([call, words = '']) => ({ call: `${file}: ${call}`, bounded: /,\s*\S/.test(words) })),
      );
    expect(reads.length).toBeGreaterThan(3);
    expect(reads.filter(({ bounded }) => !bounded)).toEqual([]);
  });

  it('lets nothing below the entries write to the console', () => {
    const writers = files.filter(
      (file) =>
        !file.startsWith('entry/') &&
        /\bconsole\.\w+\(|process\.std(out|err)\.write/.test(readFileSync(path.join(source, file), 'utf8')),
    );
    expect(writers).toEqual([]);
  });
});

function mayUse(room: string, target: string): boolean {
  return (rooms[room] ?? [target]).includes(target);
}
