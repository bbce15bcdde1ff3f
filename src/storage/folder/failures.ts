import { nameInput, say, type Wording } from '../../runtime/wording.ts';
import { DeniedValueError, ForeignValueError } from '../storage.ts';

/* Error codes of a filesystem, and what they mean for a storage */

/**
 * Codes for something in place of a value that cannot be read as one. Another writer put it there; readers of
 * other values go on.
 */
export const foreignValues: Record<string, { kind: typeof ForeignValueError; how: string } | undefined> = {
  ELOOP: { kind: ForeignValueError, how: 'it is a symbolic link, and links are not followed' },
  EISDIR: { kind: ForeignValueError, how: 'it is a folder, a pipe or a device, not a file' },
  ENXIO: { kind: ForeignValueError, how: 'it is a socket, not a file' },
  EACCES: { kind: DeniedValueError, how: 'this user cannot read it (EACCES)' },
  EPERM: { kind: DeniedValueError, how: 'this user cannot read it (EPERM)' },
};

const chooseFolder = say`Name a folder that this user can write to in ${nameInput('storage')}.`;

/** Codes that mean that the folder itself is wrong: a configuration error when a probe finds it */
export const wrongFolder: Record<string, { what: string; next: string | Wording } | undefined> = {
  EACCES: { what: 'cannot be written or read by this user (EACCES)', next: chooseFolder },
  EPERM: { what: 'cannot be written by this user (EPERM)', next: chooseFolder },
  EROFS: { what: 'is on a read-only filesystem (EROFS)', next: chooseFolder },
  ENOENT: { what: 'cannot be created (ENOENT)', next: chooseFolder },
  ENOTDIR: { what: 'is not a folder, or lies under a file (ENOTDIR)', next: chooseFolder },
  EISDIR: {
    what: 'has a folder in its place (EISDIR)',
    next: 'No backup creates one there. Check who can write to the storage, and move the folder away.',
  },
};

export const fullDisk: Record<string, string | undefined> = {
  ENOSPC: 'Free space on this disk, shorten the retention, or use another storage.',
  EDQUOT: 'Raise the disk quota of this user, shorten the retention, or use another storage.',
};

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** Tells whether a code means that a file does not exist, or that a part of its path is a file. */
export function isAbsence(code: string | undefined): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR';
}
