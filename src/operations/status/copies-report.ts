import type { Section } from '../../report/section.ts';
import type { CopyState } from '../../repository/copies/state.ts';
import { tellLag } from '../sections/copies.ts';
import type { Status } from './result.ts';

/** Shows how far each copy is behind; nothing where none was given. */
export function describeCopyStates({ copies = [] }: Pick<Status, 'copies'>): Section[] {
  if (copies.length === 0) return [];
  return [
    {
      kind: 'table',
      columns: [{ title: 'copy' }, { title: 'newest backup', code: true }, { title: 'behind' }],
      rows: copies.map((copy) => [nameOf(copy), ...describeState(copy)]),
    },
  ];
}

/** The output `copies`; empty where none was given. */
export function tellCopyStates({ copies = [] }: Pick<Status, 'copies'>): { copies: string } {
  if (copies.length === 0) return { copies: '' };
  return {
    copies: JSON.stringify(
      copies.map((copy) => {
        const { kind, name, location } = copy;
        if (kind === 'unreadable') return { name, location, state: 'failed', why: copy.why };
        const { newest = null, missingBackups, missingChanges, missingBytes = null } = copy.lag;
        const state = missingBackups + missingChanges === 0 ? 'complete' : 'incomplete';
        const oldestMissing = copy.lag.oldestMissing ?? null;
        const lag = { newest, missingBackups, missingChanges, missingBytes, oldestMissing };
        return { name, location, state, lag };
      }),
    ),
  };
}

function nameOf({ name, location }: CopyState): string {
  return name === location ? name : `${name} (${location})`;
}

function describeState(copy: CopyState): string[] {
  if (copy.kind === 'unreadable') return ['could not be read', copy.why];
  if (!copy.isMade) return ['none', `never mirrored: ${tellLag(copy.lag)}`];
  return [copy.lag.newest ?? 'none', tellLag(copy.lag)];
}
