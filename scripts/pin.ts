import { globSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/*
 * Which commit of this action users are told to pin. pin.json is the one place that says it; this writes another one into it and
 * into every file that users read or copy. A release does so with its own commit, before it packs them (.github/workflows/release.yml).
 *
 *   node scripts/pin.ts OWNER/REPO COMMIT vX.Y.Z [FOLDER]
 *
 * Without FOLDER the files of the work tree are changed; with it, they are written there, and the work tree stays as it is.
 */

const root = join(import.meta.dirname, '..');

export interface Pin {
  /** OWNER/REPO */
  readonly action: string;
  /** 40 hexadecimal digits; `COMMIT_SHA` before the first release */
  readonly commit: string;
  /** vX.Y.Z */
  readonly version: string;
}

/** The files that users read or copy. No other names a pin; a test looks. */
export const pinnedFiles: readonly string[] = globSync(
  ['README.md', 'SECURITY.md', 'docs/**/*.md', 'examples/**/*.{yml,md}', 'skills/**/*.md'],
  { cwd: root },
).sort();

export function readPin(): Pin {
  return JSON.parse(readFileSync(join(root, 'pin.json'), 'utf8'));
}

/** Whether there is a release that can be pinned */
export function isReleased({ commit }: Pin): boolean {
  return /^[0-9a-f]{40}$/.test(commit);
}

/**
 * Checks what a release says of itself.
 *
 * @throws Error where it could not stand in a workflow
 */
export function toPin([action = '', commit = '', version = '']: readonly string[]): Pin {
  if (!/^[\w.-]+\/[\w.-]+$/.test(action)) throw new Error(`${action || 'nothing'} is not OWNER/REPO`);
  if (!/^[0-9a-f]{40}$/.test(commit))
    throw new Error(`${commit || 'nothing'} is no commit of 40 hexadecimal digits`);
  if (!/^v\d+\.\d+\.\d+$/.test(version)) throw new Error(`${version || 'nothing'} is not vX.Y.Z`);
  return { action, commit, version };
}

/** Replaces one pin by another: as an action, as a reusable workflow, as an address, and where it is spoken of. */
export function replacePin(text: string, from: Pin, to: Pin): string {
  const [action, commit] = [from.action, from.commit].map((part) => part.replaceAll('.', '\\.'));
  const file = ({ version }: Pin) => `${version}/supabase-backup-${version.slice(1)}`;
  return text
    .replaceAll(new RegExp(`(${action}[\\w./-]*@${commit}) # v\\d+\\.\\d+\\.\\d+`, 'g'), `$1 # ${to.version}`)
    .replaceAll(
      `${from.action}/releases/download/${file(from)}`,
      `${from.action}/releases/download/${file(to)}`,
    )
    .replaceAll(from.commit, to.commit)
    .replaceAll(from.action, to.action);
}

/** Writes the files with another pin. */
async function writePinned(to: Pin, folder: string): Promise<void> {
  const from = readPin();
  const files = pinnedFiles.map(
    (file) => [file, replacePin(readFileSync(join(root, file), 'utf8'), from, to)] as const,
  );
  for (const [file, text] of [...files, ['pin.json', `${JSON.stringify(to, null, 2)}\n`] as const]) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  }
}

if (import.meta.main) {
  const [folder = root] = process.argv.slice(5);
  await writePinned(toPin(process.argv.slice(2, 5)), folder);
}
