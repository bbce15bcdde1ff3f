import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPrinted } from '../support/printed-json.ts';

const dist = new URL('../../dist/', import.meta.url).pathname;

/** A folder with the bundles and nothing else: no package.json, no node_modules. */
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bundles-'));
  for (const file of ['cli.cjs', 'index.cjs', 'mcp.cjs']) copyFileSync(join(dist, file), join(folder, file));
});
afterAll(() => rmSync(folder, { recursive: true }));

function start(
  file: string,
  words: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): SpawnSyncReturns<string> {
  const nodeOptions = env.NODE_OPTIONS?.split(' ') ?? [];
  return spawnSync(process.execPath, [...nodeOptions, join(folder, file), ...words], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, TMPDIR: folder, ...env },
  });
}

describe('the command line as a step of a workflow', () => {
  const named = '/nowhere/x\n::add-mask::different\n##[set-output name=gate]passed\u001b[2J';

  test.each([[], ['--json'], ['--verbose']])('gives the runner no commands: %s', (...words) => {
    const run = start('cli.cjs', ['list', '--storage', named, ...words], { GITHUB_ACTIONS: 'true' });
    expect(run.status).not.toBe(0);
    const lines = `${run.stdout}\n${run.stderr}`.split(/\r?\n|\r/);
    expect(lines.join()).toContain('add-mask');
    expect(lines.filter((line) => line.trimStart().startsWith('::') || line.includes('##['))).toEqual([]);
    expect(lines.join()).not.toContain('\u001b');
  });
});

describe('what is thrown where nobody waits for it', () => {
  const script = `setTimeout(() => { throw new Error('lost\\n::add-mask::different\\n##[debug]x\\u001b[2J hunter2') }, 200);
    const { promises } = require('node:fs'); const wait = () => new Promise((r) => setTimeout(r, 60000));
    require('node:fs/promises').readdir = wait; promises.readdir = wait; promises.readFile = wait; promises.open = wait; promises.stat = wait; promises.lstat = wait;`;

  test.each(['cli.cjs', 'index.cjs'])('is told as everything else: %s', (file) => {
    const loaded = join(folder, 'thrower.cjs');
    writeFileSync(loaded, script);
    const summary = join(folder, 'summary-of-a-defect');
    writeFileSync(summary, '');
    const env = {
      ...{ NODE_OPTIONS: `--require ${loaded}`, GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary },
      ...{ INPUT_OPERATION: 'list', INPUT_STORAGE: folder, 'INPUT_TARGET-URL': 'postgresql://u:hunter2@h/d' },
      SUPABASE_BACKUP_TARGET_URL: 'postgresql://u:hunter2@h/d',
    };
    const run = start(file, file === 'cli.cjs' ? ['list', '--storage', folder] : [], env);
    expect(run.status, run.stdout + run.stderr).toBe(1);
    const told = `${run.stdout}\n${run.stderr}`;
    expect(told).toContain('bug in supabase-backup');
    const isCommand = (line: string) =>
      (line.trimStart().startsWith('::') && line.includes('different') && !/^::(error|debug)::/.test(line)) ||
      line.includes('##[');
    expect(told.split('\n').filter(isCommand)).toEqual([]);
    expect(told).not.toContain('\u001b');
    if (file === 'cli.cjs') expect(told).not.toContain('hunter2');
  });
});

describe('the command line, alone in a folder', () => {
  test('prints its version', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(start('cli.cjs', ['--version'])).toMatchObject({
      stdout: `supabase-backup ${version}\n`,
      stderr: '',
      status: 0,
    });
  });

  test.each([[['--help']], [['backup', '--help']], [['validate', '-h']], [['restore', '--help']]])(
    'prints help for %j in 80 columns, but for what is to be copied',
    (words) => {
      const { stdout, status } = start('cli.cjs', words);
      expect(status).toBe(0);
      expect(stdout).toContain('Usage: supabase-backup');
      const prose = stdout.split('\n').filter((line) => !line.includes('supabase-backup '));
      expect(prose.filter((line) => line.length > 80)).toEqual([]);
    },
  );

  test('without words prints help on stderr and exits with 2', () => {
    const { stdout, stderr, status } = start('cli.cjs');
    expect({ stdout, status }).toEqual({ stdout: '', status: 2 });
    expect(stderr).toContain('Usage:');
  });

  test('tells a mistake and what to do on stderr, and exits with 2', () => {
    expect(start('cli.cjs', ['validate'])).toMatchObject({
      stdout: '',
      stderr:
        'error: --storage: is required for validate\n→ Write --storage <location>, for example ./backups or s3://bucket/prefix.\n',
      status: 2,
    });
  });

  test('has colours where they are asked for, and none in a pipe', () => {
    const stderrOf = (env: NodeJS.ProcessEnv) => start('cli.cjs', ['bakup'], env).stderr;
    expect(stderrOf({ FORCE_COLOR: '1' })).toContain(
      '\u001b[31merror:\u001b[39m operation: there is none named "bakup"\n',
    );
    for (const env of [{}, { TERM: 'xterm-256color' }, { FORCE_COLOR: '0' }])
      expect(stderrOf(env)).toMatch(
        /^error: operation: there is none named "bakup"\n→ Did you mean backup\?/,
      );
  });

  test('names the variable that is missing, and the one of another tool that is set', () => {
    const { stderr } = start('cli.cjs', ['backup', '--storage', './x'], {
      DATABASE_URL: 'postgresql://u:hunter2@h/d',
      SUPABASE_BACKUP_STORGE: 'y',
    });
    expect(stderr).toContain(
      'warning: SUPABASE_BACKUP_STORGE is set but not used. Did you mean SUPABASE_BACKUP_STORAGE?',
    );
    expect(stderr).toContain('error: SUPABASE_BACKUP_DATABASE_URL: is required for backup');
    expect(stderr).toContain(
      '→ DATABASE_URL is set, and not read: export SUPABASE_BACKUP_DATABASE_URL="$DATABASE_URL"',
    );
    expect(stderr).not.toContain('hunter2');
  });

  test('runs the words of other tools, and says so; what would remove backups takes its rules', () => {
    const listed = start('cli.cjs', ['snapshots', '--storage', './none']);
    expect(listed.stderr).toMatch(/^`snapshots` is `list` here\.\nerror: --storage: there is no repository/);
    const removed = start('cli.cjs', ['prune', '--storage', './none']);
    expect(removed.status).toBe(2);
    expect(removed.stderr).toContain("or write --retention 'daily=7 weekly=5 monthly=12'");
    expect(start('cli.cjs', ['prune', '--storage', './none', '--dry-run']).stderr).toContain('no repository');
  });

  test('prints less with -q, and the version and the help by every usual word', () => {
    const quiet = start('cli.cjs', ['snapshots', '-q', '--storage', './none']);
    expect(quiet.stderr).toMatch(/^error: .*\n→ .*\n$/);
    const [version = ''] = ['-V', 'version', '--version'].map((word) => start('cli.cjs', [word]).stdout);
    expect(version).toMatch(/^supabase-backup \d/);
    expect(['-V', 'version'].map((word) => start('cli.cjs', [word]).stdout)).toEqual([version, version]);
    const help = start('cli.cjs', ['help', 'pin']).stdout;
    expect(help).toMatch(/^Usage: supabase-backup pin \[id\] --storage <location>/);
    expect(start('cli.cjs', ['pin', '-h']).stdout).toBe(help);
  });

  test('tells a mistake as JSON, too, when asked for JSON', () => {
    const { stdout, status } = start('cli.cjs', ['validate', '--json', '--storge=x']);
    expect(status).toBe(2);
    const { kind, next } = { kind: 'ConfigurationError', next: 'Did you mean --storage?' };
    expect(readPrinted(stdout)).toMatchObject({
      ...{ operation: 'validate', exitCode: 2, outputs: null },
      error: { kind, message: 'there is no input --storge', next },
    });
  });

  test('refuses an input that the operation does not use, unless it stands in the environment', () => {
    const words = ['validate', '--storage', './backups', '--jobs', '8'];
    expect(start('cli.cjs', words).stderr).toContain('error: validate does not use --jobs');
    const { stderr } = start('cli.cjs', words.slice(0, 3), { SUPABASE_BACKUP_JOBS: '8' });
    expect(stderr).not.toContain('jobs');
  });

  test('warns of a secret among its arguments without printing it', () => {
    const { stderr } = start('cli.cjs', ['backup', '--database-url', 'postgresql://u:hunter2@h']);
    expect(stderr).toContain('warning: --database-url is a secret');
    expect(stderr).not.toContain('hunter2');
  });

  test.each([
    ['zstd', 'delete require("node:zlib").createZstdCompress'],
    ['disposable stacks', 'delete globalThis.AsyncDisposableStack'],
  ])('on a Node without %s says so before anything else', (_what, removal) => {
    const preload = join(folder, 'old-node.cjs');
    writeFileSync(preload, removal);
    const { stderr, status } = start('cli.cjs', ['--help'], { NODE_OPTIONS: `--require ${preload}` });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: Node\.js \S+ is too old\n→ Use Node\.js 24 or newer/);
  });

  test('ends at the second interruption at once, with nothing left in the temporary folder', async () => {
    // Accepts connections and never answers, so that the backup is under way for as long as the test likes.
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const child = spawn(process.execPath, [join(folder, 'cli.cjs'), 'backup', '--storage', './backups'], {
      cwd: folder,
      env: {
        TMPDIR: folder,
        SUPABASE_BACKUP_DATABASE_URL: `postgresql://u:hunter2@127.0.0.1:${port}/db?sslmode=disable`,
      },
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const temporaryFolders = () => readdirSync(folder).filter((name) => name.startsWith('supabase-backup-'));
    await once(server, 'connection');
    expect(temporaryFolders()).toHaveLength(1);

    child.kill('SIGINT');
    await expect.poll(() => stderr).toContain('warning: SIGINT: stopping');
    child.kill('SIGINT');
    const [exitCode] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
    server.close();

    expect(exitCode).toBe(130);
    expect(temporaryFolders()).toEqual([]);
    expect(stderr).not.toContain('hunter2');
  });

  test('can be started by its name', () => {
    expect(statSync(join(dist, 'cli.cjs')).mode & 0o111).toBe(0o111);
    expect(readFileSync(join(dist, 'cli.cjs'), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });
});

describe('the server for assistants, alone in a folder', () => {
  test('answers a client, ends with it, and prints nothing else', () => {
    const client = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'raw', version: '1' },
    };
    const messages = [
      { jsonrpc: '2.0', id: 1, method: 'initialize', params: client },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 2, method: 'tools/list' },
    ];
    // A pipe that stays open until both answers are there: what a client no longer waits for is not answered.
    const script = `(printf '%s\\n' "$MESSAGES"; while [ "$(wc -l < answers)" -lt 2 ]; do sleep 0.05; done) | "$NODE" mcp.cjs > answers`;
    writeFileSync(join(folder, 'answers'), '');
    const run = spawnSync('sh', ['-c', script], {
      cwd: folder,
      encoding: 'utf8',
      env: {
        ...{ PATH: process.env.PATH, TMPDIR: folder, NODE: process.execPath },
        MESSAGES: messages.map((message) => JSON.stringify(message)).join('\n'),
      },
    });
    expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' });
    const answers = readFileSync(join(folder, 'answers'), 'utf8').trimEnd().split('\n');
    expect(answers.map((line) => JSON.parse(line).id)).toEqual([1, 2]);
    expect(JSON.parse(answers[1] ?? '').result.tools.length).toBeGreaterThanOrEqual(8);
  });

  test.each(['cli.cjs', 'index.cjs', 'mcp.cjs'])('as %s has none of GitHub’s large clients in it', (file) => {
    const parts = [
      ...readFileSync(join(dist, file), 'utf8').matchAll(/^\/\/ .*?node_modules\/((?:@[^/]+\/)?[^/]+)/gm),
    ];
    const packages = new Set(parts.map(([, name]) => name));
    expect(packages.size).toBeGreaterThan(20);
    for (const name of ['@actions/artifact', '@actions/cache', '@azure/storage-blob'])
      expect(packages).not.toContain(name);
  });

  test('has no validator of JSON Schema, which its library would bring along', () => {
    expect(readFileSync(join(dist, 'mcp.cjs'), 'utf8')).not.toMatch(/ajv|cfworker/i);
  });

  test.each([
    ['cache.cjs', ['isFeatureAvailable', 'restoreCache', 'saveCache']],
    ['artifact.cjs', ['DefaultArtifactClient']],
  ])('%s has what is asked of it', (file, names) => {
    const script = `import(${JSON.stringify(join(dist, file))}).then((all) => console.log(Object.keys({ ...all.default, ...all }).join()))`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(stdout.trim().split(',')).toEqual(expect.arrayContaining(names));
  });
});

describe('the action, alone in a folder', () => {
  function startAction(inputs: Record<string, string>) {
    const files = { GITHUB_OUTPUT: join(folder, 'output'), GITHUB_STEP_SUMMARY: join(folder, 'summary') };
    for (const file of Object.values(files)) writeFileSync(file, '');
    const env = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
    const { stdout, status } = start('index.cjs', [], {
      ...files,
      RUNNER_TEMP: folder,
      ...Object.fromEntries(env),
    });
    return {
      lines: stdout.trimEnd().split('\n'),
      status,
      summary: readFileSync(files.GITHUB_STEP_SUMMARY, 'utf8'),
    };
  }

  test('fails the step with a clear error for a nonsensical operation', () => {
    const { lines, status, summary } = startAction({ operation: 'nonsense' });
    expect(status).toBe(1);
    expect(lines).toContain(
      '::error::operation: there is none named "nonsense"%0A→ The operations are backup, capture, validate, restore, drill, cleanup, list, show, pin, unpin, gate, status, report, schedule, alarm, records, doctor, estimate, managed, mirror, repair, init or keygen.',
    );
    expect(summary).toContain('### ❌ nonsense failed');
  });

  test('masks every secret before any other line, even when an input is wrong', () => {
    const { lines } = startAction({
      operation: 'backup',
      'database-url': 'postgresql://u:p%40ssword@h/db',
      'repository-key': 'not-hexadecimal',
      jobs: 'many',
    });
    const isMask = (line: string) => line.startsWith('::add-mask::');
    const masks = lines.slice(
      0,
      lines.findIndex((line) => !isMask(line)),
    );
    expect(masks.map((line) => decodeURIComponent(line.slice('::add-mask::'.length)))).toEqual([
      'postgresql://u:p%40ssword@h/db',
      'not-hexadecimal',
      'p%40ssword',
      'p@ssword',
    ]);
    const rest = lines.slice(masks.length).join('\n');
    expect(rest).toContain('::error::3 inputs of backup are wrong');
    expect(rest).not.toMatch(/ssword|not-hexadecimal/);
  });

  test('warns of an input that the operation does not use', () => {
    const { lines } = startAction({ operation: 'validate', storage: './nowhere', jobs: '8' });
    expect(lines).toContain('::warning::validate does not use the input jobs');
  });
});
