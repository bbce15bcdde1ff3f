import { operations } from '../../../interface/inputs/operations.ts';
import { type Option, optionsOf, otherCommands, type Vocabulary } from './words.ts';

/** Renders the script for bash, from 3.2 on, which macOS has; it needs nothing but bash. */
export function renderBash(vocabulary: Vocabulary): string {
  const names = vocabulary.commands.map(({ name }) => name);
  return `# Completes supabase-backup in bash; written by \`supabase-backup completion bash\`.

_supabase_backup_paths() {
  local name
  compopt -o filenames 2>/dev/null
  while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen "$1" -- "$2")
}

_supabase_backup() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command='' words='' word i
  COMPREPLY=()
  # bash takes \`=\` for a word of its own.
  if [[ $cur == = ]]; then
    cur=''
  elif [[ $prev == = ]] && ((COMP_CWORD > 2)); then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${names.join(' | ')})
        command=\${COMP_WORDS[i]}
        break
        ;;
    esac
  done
  case $prev in
${renderValues(vocabulary.options)}
  esac
  case $command in
    '') words='${names.join(' ')} ${optionNames(vocabulary.options.filter(({ commands }) => commands === undefined))}' ;;
${[
  ...Object.entries(otherCommands).map(([name, { words }]) => `    ${name}) words='${words.join(' ')}' ;;`),
  ...operations.map(
    (operation) => `    ${operation}) words='${optionNames(optionsOf(operation, vocabulary))}' ;;`,
  ),
].join('\n')}
  esac
  for word in $words; do
    # An input is given once.
    case "$word \${COMP_WORDS[*]:1:COMP_CWORD - 1} " in --*" $word "*) continue ;; esac
    if [[ $word == "$cur"* ]]; then COMPREPLY+=("$word"); fi
  done
}

complete -F _supabase_backup supabase-backup
`;
}

/** The cases of what stands after an option that takes a value */
function renderValues(options: readonly Option[]): string {
  const answers = new Map<string, string[]>();
  for (const { name, value } of options) {
    if (value.kind === 'none') continue;
    const answer = {
      choice: () => `words='${value.kind === 'choice' ? value.values.join(' ') : ''}' command=value`,
      folder: () => '_supabase_backup_paths -d "$cur"; return',
      file: () => '_supabase_backup_paths -f "$cur"; return',
      text: () => 'return',
    }[value.kind]();
    answers.set(answer, [...(answers.get(answer) ?? []), `--${name}`]);
  }
  return [...answers].map(([answer, names]) => `    ${names.join(' | ')}) ${answer} ;;`).join('\n');
}

function optionNames(options: readonly Option[]): string {
  return options.map(({ name }) => `--${name}`).join(' ');
}
