import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { isFeatureAvailable, restoreCache, saveCache } from '@actions/cache';
import { exec, getExecOutput } from '@actions/exec';
import { messageOf } from '../errors.ts';
import type { World } from '../world.ts';

/**
 * Installs `postgresql-client-<major>` on a GitHub runner with apt; elsewhere it does nothing, because nobody asked for a
 * change of their machine. What the distribution does not have comes from the PostgreSQL project's repository, set up by the
 * script that postgresql-common brings. The packages are kept in the Actions cache: they are programs, never backups.
 *
 * @returns the folder of the programs, or undefined when they were not installed; the reason has been logged
 */
export async function installClient(major: number, world: World): Promise<string | undefined> {
  if (world.env.GITHUB_ACTIONS !== 'true' || process.platform !== 'linux') return undefined;
  return world.log.group(`Installing the PostgreSQL ${major} client programs`, async () => {
    try {
      await installPackages(major, world);
      return `/usr/lib/postgresql/${major}/bin`;
    } catch (error) {
      world.log.warn(`postgresql-client-${major} could not be installed: ${messageOf(error)}`);
      return undefined;
    }
  });
}

async function installPackages(major: number, world: World): Promise<void> {
  const packageName = `postgresql-client-${major}`;
  const folder = path.join(world.env.RUNNER_TEMP ?? world.temporaryFolder, packageName);
  mkdirSync(folder, { recursive: true });
  const key = `supabase-backup-${packageName}-${world.env.ImageOS ?? 'linux'}-${process.arch}`;
  const cached = isFeatureAvailable() ? await restoreCache([folder], key).catch(() => undefined) : undefined;
  const packages = () => readdirSync(folder).filter((name) => name.endsWith('.deb'));
  if (cached === undefined || packages().length === 0) {
    await asRoot(['apt-get', 'update', '-qq']);
    const known = await getExecOutput('apt-cache', ['show', packageName], {
      ignoreReturnCode: true,
      silent: true,
    });
    if (known.exitCode !== 0) {
      await asRoot([
        'apt-get',
        'install',
        '-y',
        '-qq',
        '--no-install-recommends',
        'postgresql-common',
        'ca-certificates',
      ]);
      await asRoot(['/usr/share/postgresql-common/pgdg/apt.postgresql.org.sh', '-y']);
    }
    await asRoot([
      'apt-get',
      'install',
      '-y',
      '-qq',
      '--no-install-recommends',
      '--download-only',
      '--reinstall',
      '-o',
      `Dir::Cache::archives=${folder}`,
      packageName,
    ]);
    if (isFeatureAvailable() && packages().length > 0) {
      await saveCache([folder], key).catch((error: unknown) => world.log.debug(`cache: ${messageOf(error)}`));
    }
  }
  await asRoot([
    'apt-get',
    'install',
    '-y',
    '-qq',
    '--no-install-recommends',
    ...packages().map((name) => path.join(folder, name)),
  ]);
}

/** What apt prints goes to stderr: stdout belongs to the results of a command line. */
async function asRoot(command: readonly string[]): Promise<void> {
  const [file, ...args] = process.getuid?.() === 0 ? command : ['sudo', '-n', ...command];
  await exec(file ?? '', args, {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } as Record<string, string>,
    outStream: process.stderr,
  });
}
