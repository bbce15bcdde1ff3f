import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

/* The house plan of CONTRIBUTING.md: which room may import which. */

const source = path.join(import.meta.dirname, '..', 'src');

/** What each room may import, besides the ground, which all may. */
const ground = ['values', 'runtime', 'report', 'format', 'interface'];
const rooms: Readonly<Record<string, readonly string[]>> = {
  values: [],
  runtime: ['values'],
  report: ['values', 'runtime'],
  format: ['values', 'runtime'],
  interface: ['values', 'runtime', 'report'],
  http: [],
  github: ['http'],
  management: ['http'],
  storage: ['http'],
  postgres: [],
  supabase: ['postgres'],
  repository: ['storage'],
  source: ['repository', 'supabase', 'postgres'],
  parity: ['supabase', 'postgres'],
  restorer: ['parity', 'repository', 'supabase', 'storage', 'postgres'],
  migrations: ['postgres'],
  records: ['repository', 'postgres'],
  schedule: ['repository', 'github'],
  alarm: ['github', 'http'],
  operations: [
    'source',
    'restorer',
    'parity',
    'repository',
    'schedule',
    'migrations',
    'records',
    'supabase',
    'github',
    'management',
    'storage',
    'postgres',
  ],
  entry: [
    'operations',
    'schedule',
    'alarm',
    'records',
    'repository',
    'github',
    'storage',
    'postgres',
    'http',
  ],
};

/**
 * The faces of the engines' subfolders: the files that other rooms may import. All others are private to the engine, and so are whole
 * subfolders that are not here. The foundations, `postgres`, `repository` and `interface`, sort what everybody uses, and hide nothing.
 */
const engines = ['source', 'restorer', 'schedule', 'alarm', 'storage', 'records'];
const faces: Readonly<Record<string, readonly string[]>> = {
  'restorer/clean': ['clean', 'part'],
  'restorer/part': ['replacement'],
  'restorer/rows': ['load'],
  'restorer/side': ['live-table', 'repair-sql', 'row-difference', 'selection', 'tables'],
  'restorer/trial': ['attempt', 'checks', 'parity-files', 'trial', 'user-checks'],
  'schedule/plan': ['cron', 'plan', 'policy-file', 'terminal', 'week'],
  'schedule/verification': ['lateness', 'punctuality', 'verify'],
  'schedule/workflows': ['callers', 'ended-captures', 'files', 'line-diff'],
  'source/archive': ['describe', 'dump', 'omissions'],
  'source/changes': ['definitions-digest', 'reader', 'slot', 'state', 'tally', 'wal-position'],
  'source/incremental': ['range-choice', 'range-counts', 'reuse', 'sample-check'],
  'source/rows': ['buffer-pool', 'copy', 'object-sink'],
  'source/snapshot': ['locks', 'snapshot'],
};

interface Import {
  readonly from: string;
  readonly to: string;
}

const files = globSync('**/*.ts', { cwd: source });
const imports = files.flatMap((file): Import[] =>
  [
    ...readFileSync(path.join(source, file), 'utf8').matchAll(
      /^(?:import|export) [^;]*?from '(\.[^']+)'|\bimport\('(\.[^']+)'\)/gms,
    ),
  ].map(([, early, late = '']) => ({
    from: file,
    to: path.normalize(path.join(path.dirname(file), early ?? late)),
  })),
);

/** The way in of the operation `report` is named for it as all are, and is no report. */
function isReport(file: string): boolean {
  return /^operations\/.*\breport\.ts$/.test(file) && file !== 'operations/report/report.ts';
}

function roomOf(file: string): string {
  return file.split('/')[0] ?? '';
}

describe('the house plan', () => {
  it('finds the imports it is about', () => {
    expect(files.length).toBeGreaterThan(350);
    expect(imports.length).toBeGreaterThan(2000);
  });

  it('has no file on the doorstep, and no room that nobody planned', () => {
    expect([...new Set(files.map(roomOf))].sort()).toEqual(Object.keys(rooms).sort());
  });

  it('has arrows that run one way', () => {
    const mayUse = (room: string, target: string) =>
      rooms[room]?.includes(target) || (ground.includes(target) && !ground.includes(room));
    const wrong = imports.filter(({ from, to }) => {
      const [room, target] = [roomOf(from), roomOf(to)];
      return room !== target && !mayUse(room, target);
    });
    expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it('has engines that show other rooms the faces of their subfolders, and nothing else', () => {
    const shown = imports
      .filter(({ from, to }) => engines.includes(roomOf(to)) && roomOf(from) !== roomOf(to))
      .map(({ to }) => to)
      .filter((to) => path.dirname(to).includes('/'));
    const listed = Object.entries(faces).flatMap(([folder, names]) =>
      names.map((name) => `${folder}/${name}.ts`),
    );
    expect([...new Set(shown)].sort()).toEqual(listed.sort());
  });

  it('is described in docs/architecture.md as it is', () => {
    const page = readFileSync(path.join(source, '../docs/architecture.md'), 'utf8');
    const told = [...page.matchAll(/^\| `(\w+)` \| (`\w+`(?:, `\w+`)*|nothing) \|$/gm)].map(
      ([, room = '', uses = '']) => [room, [...uses.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort()],
    );
    const planned = Object.entries(rooms).filter(([room]) => !ground.includes(room));
    expect(Object.fromEntries(told)).toEqual(
      Object.fromEntries(planned.map(([room, uses]) => [room, [...uses].sort()])),
    );
    const drawn = [...page.matchAll(/^ +(\w+) --> (\w+)$/gm)].map(([, from = '', to = '']) => ({ from, to }));
    expect(drawn.filter(({ from, to }) => !rooms[from]?.includes(to))).toEqual([]);
    const reach = (from: string): string[] =>
      drawn.filter((arrow) => arrow.from === from).flatMap(({ to }) => [to, ...reach(to)]);
    const hidden = Object.entries(rooms).flatMap(([room, uses]) =>
      uses.filter((used) => !reach(room).includes(used)).map((used) => `${room} → ${used}`),
    );
    expect(hidden).toEqual([]);
  });

  it('has no circle, neither of types nor of what is imported later', () => {
    expect(findCircle(imports)).toEqual([]);
  });

  it('has operations of which none needs another that needs it', () => {
    const operationOf = (file: string) => /^operations\/([^/]+)\//.exec(file)?.[1] ?? '';
    const between = imports
      .map(({ from, to }) => ({ from: operationOf(from), to: operationOf(to) }))
      .filter(({ from, to }) => from !== '' && to !== '' && from !== to);
    expect(between.length).toBeGreaterThan(10);
    expect(findCircle(between)).toEqual([]);
  });

  it('has work that knows no report, and reports that ask nothing', () => {
    const faceOf = (report: string) => report.replace(/([^/]+)\/[^/]+$/, '$1/$1.ts');
    const reports = imports.filter(({ to }) => isReport(to));
    expect(reports.length).toBeGreaterThan(10);
    expect(reports.filter(({ from, to }) => !isReport(from) && from !== faceOf(to))).toEqual([]);

    const world = ['runtime/context.ts', 'postgres/session/connection.ts', 'storage/open.ts'];
    const asking = new Set(imports.filter(({ to }) => world.includes(to)).map(({ from }) => from));
    const reached = imports.filter(
      ({ from, to }) => isReport(from) && to.startsWith('operations/') && asking.has(to),
    );
    expect(reached).toEqual([]);
    expect(files.filter((file) => isReport(file) && asking.has(file))).toEqual([]);
    const readers = files.filter(
      (file) =>
        file.startsWith('operations/') &&
        !isReport(file) &&
        /\boutputs\[|\.outputs\b/.test(readFileSync(path.join(source, file), 'utf8')),
    );
    expect(readers).toEqual([]);
  });

  it('has reports that know nothing of other operations but their results and the shared sections', () => {
    const folderOf = (file: string) => path.dirname(file);
    const reports = imports.filter(({ from, to }) => isReport(from) && to.startsWith('operations/'));
    expect(reports.length).toBeGreaterThan(20);
    const foreign = reports.filter(
      ({ from, to }) =>
        folderOf(to) !== folderOf(from) &&
        folderOf(to) !== 'operations/sections' &&
        !to.endsWith('/result.ts'),
    );
    expect(foreign).toEqual([]);
  });

  it('has sections that know no operation', () => {
    const known = imports.filter(
      ({ from, to }) =>
        from.startsWith('operations/sections/') &&
        to.startsWith('operations/') &&
        !to.startsWith('operations/sections/'),
    );
    expect(known).toEqual([]);
  });

  it('says where each thing lives: nothing is exported from where it is not', () => {
    const forwarding = files.filter((file) =>
      /^export .*\bfrom '/m.test(readFileSync(path.join(source, file), 'utf8')),
    );
    expect(forwarding).toEqual([]);
  });

  it('reads no stored value without saying how large it may be', () => {
    const reads = files
      .filter((file) => /^(repository|operations|restorer)\//.test(file))
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

  it('has no file over 350 lines that does not say why', () => {
    const long = files.filter((file) => {
      const text = readFileSync(path.join(source, file), 'utf8');
      return text.trimEnd().split('\n').length > 350 && !text.includes('// Long because: ');
    });
    expect(long).toEqual([]);
  });

  it('lets environment, clock and chance in through the entries alone', () => {
    const world = /\bprocess\.env\b|\bMath\.random\b|\bDate\.now\b|\bnew Date\(\)/g;
    expect(findUses(world, [])).not.toEqual([]);
    expect(findUses(world, ['entry/'])).toEqual([]);
  });

  it('names the unit of what is waited for', () => {
    const unitless =
      /\b(?:const|let|readonly) #?\w*(?:pause|patience|timeout|delay|wait|silence|grace)\??(?:: number\b| = (?:\d|minute|hour|day)).*/gi;
    expect(findUses(/\bconst \w+Ms = \d/g, [])).not.toEqual([]);
    expect(findUses(unitless, [])).toEqual([]);
  });

  it('leaves to few to ask what a runner says of its run', () => {
    // The client programs are installed on GitHub's own runners, and inherit some variables of every runner.
    const allowed = ['entry/', 'github/', 'storage/artifact/', 'postgres/client/'];
    const runner = /\benv\.GITHUB_\w+|\{[^{}`']*\bGITHUB_\w+[^{}`']*\}(?= *[=:])/g;
    expect(findUses(runner, [])).not.toEqual([]);
    expect(findUses(runner, allowed)).toEqual([]);
  });

  it('has tests in folders of the names that the folders of src have', () => {
    // What belongs to no room: whole runs, recovery by hand and the documents, workflows, and what tests share.
    const shared = ['scenarios', 'recover', 'workflows', 'fixture', 'support'];
    const folders = new Set(files.flatMap((file) => [path.dirname(file), roomOf(file)]));
    const tests = globSync('**/*.test.ts', { cwd: import.meta.dirname }).map((file) => path.dirname(file));
    const rooms = [...new Set(tests)].filter((folder) => folder !== '.' && !shared.includes(roomOf(folder)));
    expect(rooms.length).toBeGreaterThan(40);
    expect(rooms.filter((folder) => !folders.has(folder))).toEqual([]);
  });

  it('lets groups of inputs be read by their schema alone', () => {
    const others = imports.filter(
      ({ from, to }) => to.startsWith('interface/inputs/groups/') && from !== 'interface/inputs/schema.ts',
    );
    expect(others).toEqual([]);
  });
});

/** Where the code, not its comments, outside of some folders holds a pattern. */
function findUses(pattern: RegExp, allowed: readonly string[]): string[] {
  return files
    .filter((file) => !allowed.some((folder) => file.startsWith(folder)))
    .flatMap((file) => {
      const text = readFileSync(path.join(source, file), 'utf8').replace(/^\s*(\*|\/\/|\/\*).*$/gm, '');
      return [...new Set(text.match(pattern) ?? [])].map((use) => `${file}: ${use}`);
    });
}

/** What imports one another in a ring; empty when nothing does. */
function findCircle(arrows: readonly Import[]): string[] {
  const targets = Map.groupBy(arrows, ({ from }) => from);
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): string[] => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file)) return [];
    for (const { to } of targets.get(file) ?? []) {
      const circle = visit(to, [...way, file]);
      if (circle.length > 0) return circle;
    }
    done.add(file);
    return [];
  };
  for (const file of targets.keys()) {
    const circle = visit(file, []);
    if (circle.length > 0) return circle;
  }
  return [];
}
