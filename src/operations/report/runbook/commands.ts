import { quoteForShell } from '../../../values/shell-word.ts';
import type { RunbookFacts } from './facts.ts';
import { joinShell, type Shell, sh } from './shell.ts';

/** The storage as options of a command, with everything that is needed to find it. */
export function namePlace({ place }: Pick<RunbookFacts, 'place'>): Shell {
  const options = Object.entries(place).flatMap(([name, value]) =>
    value === undefined ? [] : [sh`--${plain(name)} ${value}`],
  );
  return joinShell(' ', options);
}

/** A command of this program on the storage of the backups; each group of options has a line of its own. */
export function call(
  facts: Pick<RunbookFacts, 'place'>,
  operation: string,
  ...groups: readonly Shell[]
): Shell {
  return callAt(namePlace(facts), operation, ...groups);
}

/** The same on another storage */
export function callAt(place: Shell, operation: string, ...groups: readonly Shell[]): Shell {
  return joinShell(' \\\n  ', [sh`supabase-backup ${plain(operation)} ${place}`, ...groups]);
}

/** A word of this program's own, which needs no quotes */
function plain(word: string): Shell {
  return { script: quoteForShell(word), reads: [] };
}

/** Statements, one a line */
export function lines(...statements: readonly Shell[]): Shell {
  return joinShell('\n', statements);
}
