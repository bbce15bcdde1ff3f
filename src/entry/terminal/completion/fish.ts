import { operations } from '../../../interface/inputs/operations.ts';
import { type Option, otherCommands, type Vocabulary } from './words.ts';

/** Renders the file for fish. */
export function renderFish({ commands, options }: Vocabulary): string {
  const names = commands.map(({ name }) => name);
  return `# Completes supabase-backup in fish; written by \`supabase-backup completion fish\`.

set -l commands ${names.join(' ')}
complete -c supabase-backup -f
${[
  ...commands.map(
    ({ name, description }) =>
      `complete -c supabase-backup -n "not __fish_seen_subcommand_from $commands" -a ${name} -d ${quote(description)}`,
  ),
  ...Object.entries(otherCommands)
    .filter(([, { words }]) => words.length > 0)
    .map(
      ([name, { words }]) =>
        `complete -c supabase-backup -n ${quote(`__fish_seen_subcommand_from ${name}`)} -a ${quote(words.join(' '))}`,
    ),
  ...options.map(renderOption),
].join('\n')}
`;
}

function renderOption({ name, description, value, commands }: Option): string {
  const isForAll = commands === undefined || operations.every((operation) => commands.includes(operation));
  const condition = isForAll ? '' : ` -n ${quote(`__fish_seen_subcommand_from ${commands.join(' ')}`)}`;
  const takes = {
    none: () => '',
    choice: () => (value.kind === 'choice' ? ` -x -a ${quote(value.values.join(' '))}` : ''),
    folder: () => " -x -a '(__fish_complete_directories)'",
    file: () => ' -r -F',
    text: () => ' -x',
  }[value.kind]();
  return `complete -c supabase-backup${condition} -l ${name}${takes} -d ${quote(description)}`;
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", `\\'`)}'`;
}
