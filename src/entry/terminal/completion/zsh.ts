import { operations } from '../../../interface/inputs/operations.ts';
import { type Option, optionsOf, otherCommands, type Vocabulary } from './words.ts';

/** Renders the function for zsh, for a folder of `fpath` or for `source`. */
export function renderZsh(vocabulary: Vocabulary): string {
  const own = vocabulary.options.filter(({ commands }) => commands === undefined);
  const names = vocabulary.commands.map(({ name }) => name);
  const cases = [
    renderCase("''", [...own.map(specify), "'1:operation:_supabase_backup_commands'"]),
    ...Object.entries(otherCommands).map(([name, { words }]) =>
      renderCase(name, ["'1: : '", `'2:word:(${words.join(' ')})'`]),
    ),
    ...operations.map((operation) =>
      renderCase(operation, [...optionsOf(operation, vocabulary).map(specify), "'1: : '"]),
    ),
  ];
  return `#compdef supabase-backup
# Completes supabase-backup in zsh; written by \`supabase-backup completion zsh\`.

_supabase_backup_commands() {
  local -a commands
  commands=(
${vocabulary.commands.map(({ name, description }) => `    ${quote(`${name}:${description}`)}`).join('\n')}
  )
  _describe operation commands
}

_supabase_backup() {
  local word command=''
  local -a options
  for word in \${words[2,CURRENT-1]}; do
    case $word in
      (${names.join('|')})
        command=$word
        break
        ;;
    esac
  done
  case $command in
${cases.join('\n')}
  esac
  _arguments : $options
}

# A file of \`fpath\` is the function itself; by \`source\` it is only defined.
if [[ $funcstack[1] == _supabase-backup ]]; then
  _supabase_backup "$@"
else
  compdef _supabase_backup supabase-backup
fi
`;
}

function renderCase(command: string, specifications: readonly string[]): string {
  const lines = specifications.map((specification) => `        ${specification}`);
  return `    (${command})
      options=(
${lines.join('\n')}
      )
      ;;`;
}

/** One line of zsh's _arguments: the name, which excludes itself, the description, and what its value may be */
function specify({ name, description, value }: Option): string {
  const told = description.replace(/[[\]:\\]/g, '\\$&');
  const head = `(--${name})--${name}`;
  if (value.kind === 'none') return quote(`${head}[${told}]`);
  const action = {
    choice: () => (value.kind === 'choice' ? `(${value.values.join(' ')})` : ''),
    folder: () => '_files -/',
    file: () => '_files',
    text: () => ' ',
  }[value.kind]();
  const message = value.kind === 'choice' ? name : value.placeholder;
  return quote(`${head}[${told}]:${message}:${action}`);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
