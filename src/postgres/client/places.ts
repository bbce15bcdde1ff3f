import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { nameInput, say, type Wording } from '../../runtime/wording.ts';

/* Lists where client programs are on common systems, and how to install them there. */

/**
 * Folders in which installers put the programs of one major version; the name of a subfolder matches the
 * pattern.
 */
const usualPlaces: readonly (readonly [folder: string, named: RegExp, below: string])[] = [
  // Debian and Ubuntu
  ['usr/lib/postgresql', /^\d+$/, 'bin'],
  // The PostgreSQL project's packages for Red Hat, Oracle and Amazon Linux
  ['usr', /^pgsql-\d+$/, 'bin'],
  // Alpine
  ['usr/libexec', /^postgresql\d+$/, ''],
  // SUSE and Gentoo
  ['usr/lib', /^postgresql-?\d+$/, 'bin'],
  ['usr/lib64', /^postgresql-?\d+$/, 'bin'],
  // Homebrew on Apple silicon, Intel and Linux
  ['opt/homebrew/opt', /^(postgresql@\d+|libpq)$/, 'bin'],
  ['usr/local/opt', /^(postgresql@\d+|libpq)$/, 'bin'],
  ['home/linuxbrew/.linuxbrew/opt', /^(postgresql@\d+|libpq)$/, 'bin'],
  // Postgres.app, and the installers of EDB
  ['Applications/Postgres.app/Contents/Versions', /^\d+$/, 'bin'],
  ['Library/PostgreSQL', /^\d+$/, 'bin'],
  ['opt/PostgreSQL', /^\d+$/, 'bin'],
];

/**
 * Folders to search. Versioned folders come before PATH, because Debian's wrappers choose a version of their
 * own.
 */
export function candidateFolders(env: NodeJS.ProcessEnv, root = '/'): string[] {
  const versioned = usualPlaces.flatMap(([place, named, below]) => {
    const folder = path.join(root, place);
    const names = existsSync(folder) ? readdirSync(folder).filter((name) => named.test(name)) : [];
    return names.map((name) => path.join(folder, name, below));
  });
  const onPath = (env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return [...new Set([...versioned, ...onPath])];
}

/** The command that installs the programs, as the beginning of a sentence. */
export function adviseInstall(major: number, system = findSystem()): string | Wording {
  switch (system) {
    case 'macOS':
      return `Run "brew install postgresql@${major}"`;
    case 'Alpine':
      return `Run "apk add postgresql${major}-client" as root`;
    case 'Linux':
      return say`Install postgresql-client-${major} or a newer major (on Red Hat and its relatives: postgresql${major}), let ${nameInput('install-client', 'always')} install it`;
  }
}

/** The command that upgrades installed programs, as the beginning of a sentence. */
export function adviseUpgrade(major: number, system = findSystem()): string {
  switch (system) {
    case 'macOS':
      return `Run "brew upgrade postgresql@${major}"`;
    case 'Alpine':
      return `Run "apk upgrade postgresql${major}-client" as root`;
    case 'Linux':
      return `Run "apt-get update && apt-get install --only-upgrade postgresql-client-${major}"`;
  }
}

type System = 'macOS' | 'Alpine' | 'Linux';

function findSystem(): System {
  if (process.platform === 'darwin') return 'macOS';
  return existsSync('/etc/alpine-release') ? 'Alpine' : 'Linux';
}

/** Where the inputs allow client programs to come from. */
export interface ClientSource {
  /** An existing folder. */
  readonly clientPath: string | undefined;
  /**
   * Whether programs may be installed on this machine; `auto`: only on a GitHub-hosted runner, discarded
   * after the job.
   */
  readonly installClient: 'auto' | 'always' | 'never';
}

/** Whether client programs that are missing are installed on this machine */
export function mayInstall(policy: ClientSource['installClient'], env: NodeJS.ProcessEnv): boolean {
  if (policy !== 'auto') return policy === 'always';
  return env.GITHUB_ACTIONS === 'true' && env.RUNNER_ENVIRONMENT === 'github-hosted';
}
