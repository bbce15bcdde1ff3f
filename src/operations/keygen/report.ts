import type { Outcome } from '../../interface/outcome.ts';
import type { MadeKey } from './result.ts';

export function describeMadeKey({ recipient, keyFile, recoverySheet }: MadeKey): Outcome {
  return {
    exitCode: 0,
    outputs: { recipient, 'key-file': keyFile, 'recovery-sheet': recoverySheet },
    report: [
      { kind: 'heading', text: `A key was made: ${keyFile}`, tone: 'good' },
      {
        kind: 'table',
        columns: [{ title: 'what' }, { title: 'is', code: true }],
        rows: [
          ['recipient, for `encryption-recipients`', recipient],
          ['key, for `encryption-identity`', keyFile],
          ['recovery sheet, to print', recoverySheet],
        ],
      },
      {
        kind: 'paragraph',
        text:
          'Nobody can read a backup that is encrypted for this recipient without the key: not we, and not Supabase. Print the recovery sheet or put ' +
          'it into a password manager, keep it apart from the backups, and then delete the file.',
      },
    ],
  };
}
