import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { toolEnvironment } from '../../../src/postgres/client/environment.ts';
import { runTool, startTool, ToolError } from '../../../src/postgres/client/process.ts';
import { isAlive } from '../../support/process-alive.ts';
import { until } from '../database.ts';

const node = (
  script: string,
  options: { signal?: AbortSignal; input?: string; env?: NodeJS.ProcessEnv } = {},
) =>
  [
    process.execPath,
    ['-e', script],
    {
      signal: new AbortController().signal,
      ...options,
      env: toolEnvironment({}, options.env ?? process.env),
    },
  ] as const;

/** Processes of this test that are there, by a variable that they have inherited */
function withMark(): string[] {
  return globSync('/proc/[0-9]*/environ').filter((file) => {
    try {
      return readFileSync(file, 'utf8').includes(`MARK_OF_LIFE=${process.pid}\0`);
    } catch {
      return false;
    }
  });
}

describe('a client tool', () => {
  it('gives out what it printed', async () => {
    expect(await runTool(...node('console.log("out"); console.error("err")'))).toEqual({
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  it('gets its input and no shell', async () => {
    const script = 'process.stdin.pipe(process.stdout)';
    expect((await runTool(...node(script, { input: 'in $HOME' }))).stdout).toBe('in $HOME');
  });

  it('sees the environment it is given, and no more', async () => {
    const script = 'console.log(JSON.stringify(process.env))';
    const { stdout } = await runTool(...node(script, { env: { PGPASSWORD: 'p' } }));
    // A shell notes where it is.
    const { PWD: _, SHLVL: __, _: ___, ...rest } = JSON.parse(stdout);
    expect(rest).toEqual({ LC_ALL: 'C', PGPASSWORD: 'p' });
  });

  it('that fails is an error with its exit code and what it complained about', async () => {
    const failed = runTool(...node('console.error("relation is gone"); process.exit(3)'));
    await expect(failed).rejects.toThrow(ToolError);
    await expect(failed).rejects.toThrow(/node exited with 3: relation is gone$/);
  });

  it('that fails after much output still fails', async () => {
    const script = 'process.stdout.write("x".repeat(1e6), () => process.exit(1))';
    await expect(runTool(...node(script))).rejects.toThrow(/exited with 1/);
  });

  it('that is killed is an error with the signal', async () => {
    await expect(runTool(...node('process.kill(process.pid, "SIGKILL")'))).rejects.toThrow(
      /ended by SIGKILL/,
    );
  });

  it('may complain at length; the end is kept', async () => {
    const script = 'for (let i = 0; i < 20000; i++) console.error("complaint " + i); process.exitCode = 1';
    const error = await runTool(...node(script)).catch((reason: ToolError) => reason as ToolError);
    expect(error).toBeInstanceOf(ToolError);
    expect((error as ToolError).stderr).toMatch(/complaint 19999$/);
    expect((error as ToolError).stderr.length).toBeLessThanOrEqual(16_384);
  });

  it('that is not there is an error with its name', async () => {
    const options = { env: toolEnvironment(process.env), signal: new AbortController().signal };
    for (const file of ['/nonexistent/pg_dump', 'pg_dump_of_nobody']) {
      await expect(runTool(file, [], options)).rejects.toThrow(/pg_dump\w* could not run/);
    }
  });

  it('may end without reading its input', async () => {
    await runTool(...node('process.exit(0)', { input: 'x'.repeat(1 << 20) }));
  });

  it('has ended when an abort has rejected it', async () => {
    const controller = new AbortController();
    const run = startTool(
      ...node(
        'process.on("SIGTERM", () => setTimeout(() => process.exit(0), 200)); console.log(process.pid); setInterval(() => {}, 1000)',
        { signal: controller.signal },
      ),
    );
    const pid = await new Promise<number>((resolve) =>
      run.stdout.once('data', (line: Buffer) => resolve(Number(line.toString()))),
    );
    expect(isAlive(pid)).toBe(true);
    controller.abort();
    await expect(run.done).rejects.toThrow(ToolError);
    expect(isAlive(pid)).toBe(false);
  });

  it('is killed on request', async () => {
    const run = startTool(...node('console.log(process.pid); setInterval(() => {}, 1000)'));
    const pid = await new Promise<number>((resolve) =>
      run.stdout.once('data', (line: Buffer) => resolve(Number(line.toString()))),
    );
    run.kill();
    await expect(run.done).rejects.toThrow(/ended by SIGTERM/);
    await until(() => !isAlive(pid));
  });

  it('takes its arguments as they are, a shell or not', async () => {
    const words = ['$HOME', '`id`', "it's", '-n', '', 'a b', '*'];
    const [file, args, options] = node('console.log(JSON.stringify(process.argv.slice(1)))');
    const { stdout } = await runTool(file, [...args, '--', ...words], options);
    expect(JSON.parse(stdout)).toEqual(words);
  });

  it('ends when we are killed, and nothing is left that waits', async () => {
    const run = new URL('../../../src/postgres/client/process.ts', import.meta.url).href;
    const program = `
      const { startTool } = await import('${run}');
      const script = 'console.log(process.pid); setInterval(() => {}, 1000)';
      const env = { PATH: process.env.PATH, MARK_OF_LIFE: '${process.pid}' };
      const { stdout } = startTool(process.execPath, ['-e', script], { env, signal: new AbortController().signal });
      stdout.pipe(process.stdout);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program]);
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect([isAlive(pid), withMark().length]).toEqual([true, 2]);
    parent.kill('SIGKILL');
    await until(() => !isAlive(pid));
    await until(() => withMark().length === 0);
  });

  /** A shell that ends for nobody, and neither does what it has started */
  const stubborn = `trap '' TERM HUP INT; (trap '' TERM HUP INT; while :; do sleep 0.1; done) & echo $$; while :; do sleep 0.1; done`;
  const marked = () => toolEnvironment(process.env, { MARK_OF_LIFE: String(process.pid) });

  it('ends with all that it has started, whether that wants to or not, when it is stopped', async () => {
    const controller = new AbortController();
    const run = startTool('/bin/sh', ['-c', stubborn], { env: marked(), signal: controller.signal });
    await once(run.stdout, 'data');
    controller.abort();
    await expect(run.done).rejects.toThrow(/ended by SIGKILL/);
    await until(() => withMark().length === 0);
  });

  it('ends with all that it has started, whether that wants to or not, when we are killed', async () => {
    const run = new URL('../../../src/postgres/client/process.ts', import.meta.url).href;
    const program = `
      const { startTool } = await import('${run}');
      const env = { PATH: process.env.PATH, MARK_OF_LIFE: '${process.pid}' };
      const { stdout } = startTool('/bin/sh', ['-c', ${JSON.stringify(stubborn)}], { env, signal: new AbortController().signal });
      stdout.pipe(process.stdout);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program]);
    await once(parent.stdout, 'data');
    parent.kill('SIGKILL');
    await until(() => withMark().length === 0);
  });

  it('keeps nobody waiting by what it has left running', async () => {
    const before = performance.now();
    const script = `(trap '' TERM; sleep 60) & sleep 60 & echo done`;
    const { stdout } = await runTool('/bin/sh', ['-c', script], {
      env: marked(),
      signal: new AbortController().signal,
    });
    expect(stdout).toBe('done\n');
    expect(performance.now() - before).toBeLessThan(30_000);
    await until(() => withMark().length === 0);
  });

  it('may complain without an end of the line', async () => {
    const script = `head -c 300000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the end >&2; exit 1`;
    const before = process.memoryUsage().rss;
    const lengths: number[] = [];
    const run = runTool('/bin/sh', ['-c', script], {
      env: marked(),
      signal: new AbortController().signal,
      onErrorLine: (line) => lengths.push(line.length),
    });
    await expect(run).rejects.toThrow(/the end$/);
    expect(Math.max(...lengths)).toBeLessThan(2_000_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(250_000_000);
  });

  it('is not started when it was stopped before', async () => {
    const [file, args, options] = node('');
    await expect(runTool(file, args, { ...options, signal: AbortSignal.abort() })).rejects.toThrow(ToolError);
  });

  it('that has ended leaves nothing behind, and its number may be another’s', async () => {
    await runTool(...node('', { env: { MARK_OF_LIFE: String(process.pid) } }));
    await until(() => withMark().length === 0);
  });

  it('has no child that it did not start: pg_restore waits for all of its own', async () => {
    const script = `console.log(require('node:child_process').execFileSync('ps', ['-o', 'pid=', '--ppid', String(process.pid)]).toString())`;
    const { stdout } = await runTool(...node(script));
    expect(stdout.trim().split(/\s+/)).toHaveLength(1);
  });

  it('rejects quietly: who reads its output learns of the failure at the end', async () => {
    const run = startTool(...node('process.stdout.write("part"); process.exitCode = 1'));
    expect(await text(run.stdout)).toBe('part');
    await expect(run.done).rejects.toThrow(/exited with 1/);
  });
});
