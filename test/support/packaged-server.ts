import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Server } from './cluster.ts';

const packages = new URL('../../node_modules/', import.meta.url).pathname;
const packageOf = (major: number) => join(packages, `postgres-${major}-linux-x64`, 'native');

/** Whether npm has brought a server of this major. It has no client programs; those of a newer major work with it. */
export function hasPackagedServer(major: number | undefined): major is number {
  return major !== undefined && existsSync(join(packageOf(major), 'bin', 'postgres'));
}

/** Where root's servers are found by the user that they run as; nobody else writes there. */
export const cacheOfRoot = '/var/cache/supabase-backup';

/** Packages hold no links: what they were is in a list beside them, for an install script that does not run here. */
export function preparePackagedServer(major: number): Server {
  let native = packageOf(major);
  if (process.getuid?.() === 0 && !isOpenToAll(native)) native = copyPackage(native, major);
  const links: { source: string; target: string }[] = JSON.parse(
    readFileSync(join(native, 'pg-symlinks.json'), 'utf8'),
  );
  for (const { source, target } of links) {
    const link = join(native, '..', target);
    if (!existsSync(link)) symlinkSync(relative(dirname(target), source), link);
  }
  return { major, binFolder: join(native, 'bin') };
}

/** Whether everybody may enter the folder: not so in a clone below /root. */
function isOpenToAll(folder: string): boolean {
  const place = realpathSync(folder);
  return (statSync(place).mode & 0o001) !== 0 && (place === '/' || isOpenToAll(dirname(place)));
}

function copyPackage(native: string, major: number): string {
  const { version } = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8'));
  const copy = join(cacheOfRoot, `postgresql-${major}-${version}`);
  if (!existsSync(copy)) {
    mkdirSync(cacheOfRoot, { recursive: true });
    const work = mkdtempSync(`${copy}-`);
    chmodSync(work, 0o755);
    cpSync(native, join(work, 'native'), { recursive: true });
    try {
      renameSync(work, copy);
    } catch (error) {
      rmSync(work, { recursive: true });
      // Another process was faster.
      if (!existsSync(copy)) throw error;
    }
  }
  return join(copy, 'native');
}
