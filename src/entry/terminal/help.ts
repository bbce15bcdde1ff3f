import { inputGroups } from '../../interface/inputs/input.ts';
import {
  type Operation,
  operationAliases,
  operationSummaries,
  operations,
} from '../../interface/inputs/operations.ts';
import { essentialInputs, type InputName, inputNames, inputs } from '../../interface/inputs/schema.ts';
import { defaultOf, isRequired } from '../../interface/inputs/taker.ts';
import { wrap } from '../../report/wrap.ts';
import { configOption, findPositional, switches } from './arguments.ts';

const program = 'supabase-backup';

const examples: Readonly<Record<Operation, readonly string[]>> = {
  backup: [
    `SUPABASE_BACKUP_DATABASE_URL=postgresql://… ${program} backup --storage ./backups`,
    `${program} backup --storage s3://bucket/production --encryption-recipients age1… --label v2.4`,
  ],
  capture: [
    `SUPABASE_BACKUP_DATABASE_URL=postgresql://… ${program} capture --storage s3://bucket/production --encryption-recipients age1…`,
    `${program} capture --storage s3://bucket/production --encryption-recipients age1… --drop-slot`,
  ],
  validate: [
    `${program} validate --storage ./backups`,
    `${program} validate latest --storage s3://bucket/production --share 10%`,
  ],
  restore: [
    `SUPABASE_BACKUP_TARGET_URL=postgresql://… ${program} restore --storage ./backups --dry-run`,
    `${program} restore --storage ./backups --backup-id before:2026-11-20T06:00:00Z --include 'public.*'`,
    `${program} restore --storage s3://bucket/production --recovery-target-time 2026-11-20T14:30:00Z`,
    `${program} restore --managed --project-ref abcdefghijklmnopqrst --storage s3://bucket/production --recovery-target-time 2026-11-20T14:30:00Z --dry-run`,
  ],
  drill: [
    `SUPABASE_BACKUP_TARGET_URL=postgresql://… ${program} drill --storage ./backups`,
    `${program} drill --storage s3://bucket/production --backup-id random:7d --rto-target 30m --checks 'SELECT count(*) > 0 FROM users'`,
  ],
  cleanup: [
    `${program} cleanup --storage ./backups --dry-run`,
    `${program} cleanup --storage s3://bucket/production --retention 'daily=7 weekly=5 monthly=12 yearly=3'`,
  ],
  list: [
    `${program} list --storage ./backups`,
    `${program} list --storage s3://bucket/production --json --retention 'daily=7 weekly=5'`,
  ],
  show: [`${program} show --storage ./backups`, `${program} show 20261120T02 --storage ./backups`],
  pin: [`${program} pin 20261120T021700Z-7f3a --storage ./backups`],
  gate: [
    `SUPABASE_BACKUP_DATABASE_URL=postgresql://… ${program} gate --storage s3://bucket/production --base-ref main`,
    `${program} gate --storage s3://bucket/production --max-age 6h --drilled-within 35d --on-stale stop`,
  ],
  status: [
    `${program} status --storage ./backups`,
    `${program} status --storage s3://bucket/production --max-age 2h --verified-within 8d --drilled-within 35d`,
    `${program} status --storage s3://bucket/production --format openmetrics`,
  ],
  report: [
    `${program} report --storage s3://bucket/production --database production --output dashboard.html`,
    `${program} report --policy .github/supabase-backup.yml`,
    `${program} report --kind compliance --policy .github/supabase-backup.yml --period 2026-Q3`,
  ],
  managed: [
    `SUPABASE_ACCESS_TOKEN=… ${program} managed --project-ref abcdefghijklmnopqrst`,
    `${program} managed --project-ref abcdefghijklmnopqrst --storage s3://bucket/production --max-age 30h`,
  ],
  schedule: [`${program} schedule`, `${program} schedule --check`],
  alarm: [
    `${program} alarm --storage s3://bucket/production --alarm-of drill --needs "$NEEDS" --failure-issues`,
  ],
  records: [
    `SUPABASE_BACKUP_RECORDS_URL=postgresql://… ${program} records verify --storage s3://bucket/production`,
    `${program} records rebuild --storage s3://bucket/production --dry-run`,
  ],
  doctor: [
    `SUPABASE_BACKUP_DATABASE_URL=postgresql://… ${program} doctor --storage s3://bucket/production --encryption-recipients age1…`,
    `${program} doctor --storage s3://bucket/production --policy .github/supabase-backup.yml --test-alarm`,
  ],
  estimate: [
    `SUPABASE_BACKUP_DATABASE_URL=postgresql://… ${program} estimate --retention 'daily=7 weekly=5'`,
  ],
  mirror: [
    `SUPABASE_BACKUP_COPIES="$COPIES" ${program} mirror --storage s3://bucket/production`,
    `SUPABASE_BACKUP_COPIES=/mnt/disk/backups ${program} mirror --storage s3://bucket/production --dry-run`,
  ],
  repair: [`SUPABASE_BACKUP_COPIES="$COPIES" ${program} repair --storage s3://bucket/production --dry-run`],
  init: [
    `${program} init`,
    `${program} init --databases production --storage s3://bucket/production --s3-region eu-central-1 --notify issues --dry-run`,
  ],
  keygen: [`${program} keygen`, `${program} keygen --database shop --key-file ~/keys/shop.key`],
  unpin: [`${program} unpin 20261120T021700Z-7f3a --storage ./backups`],
};

const exitCodes =
  'Exit codes: 0 done; 1 failed; 2 wrong input or configuration; 3 it ran, and the answer is no; 130 stopped by Ctrl-C (128 and the number of the signal).';

/**
 * Renders `--help` without an operation. Lines are wrapped at `width` columns, except for lines to be copied.
 */
export function renderHelp(width: number): string {
  return [
    `Usage: ${program} <operation> --storage <location> [inputs]`,
    '',
    'Backups of a Supabase Postgres database that are proven by a restore.',
    '',
    'Operations:',
    ...renderDefinitions(
      operations.map((operation) => [operation, operationSummaries[operation]]),
      width,
    ),
    '',
    'Switches:',
    ...renderSwitches(width),
    '',
    'Examples:',
    ...operations.map((operation) => `  ${examples[operation][0]}`),
    '',
    ...wrap(
      `\`${program} help <operation>\` tells the inputs of an operation. Words of other tools are understood: ${Object.entries(
        operationAliases,
      )
        .map(([alias, meant]) => `${alias} (${meant})`)
        .join(', ')}.`,
      width,
    ),
    ...wrap(
      `\`${program} mcp\` serves an assistant over the Model Context Protocol (docs/assistants.md).`,
      width,
    ),
    ...wrap(
      `\`${program} completion bash\` (or zsh, fish) prints what that shell completes these words with.`,
      width,
    ),
    ...renderEnvironment(width),
    ...wrap(exitCodes, width),
    '',
  ].join('\n');
}

/** How many inputs an operation's help lists before the groups */
const mostEssential = 10;

/**
 * Renders `<operation> --help`: every input of the operation, those that matter first, and then by groups.
 */
export function renderOperationHelp(operation: Operation, width: number): string {
  const names = inputNames.filter(
    (name) => name !== 'operation' && inputs[name].operations.includes(operation),
  );
  const required = names.filter((name) => isRequired(inputs[name], operation));
  const first = [...new Set([...required, ...essentialInputs.filter((name) => names.includes(name))])].slice(
    0,
    Math.max(mostEssential, required.length),
  );
  const others = names.filter((name) => !first.includes(name));
  const groups = Object.entries(inputGroups).flatMap(([group, title]) => {
    const chosen = others.filter((name) => (inputs[name].group ?? 'general') === group);
    return chosen.length === 0 ? [] : [`${title}:`, ...renderInputs(chosen, operation, width), ''];
  });
  const positional = findPositional(operation);
  const words = [
    ...(positional === undefined ? [] : [`[${inputs[positional].placeholder}]`]),
    ...required.map((name) => `--${name} <${inputs[name].placeholder}>`),
  ];
  const aliases = listAliases(operation);

  return [
    `Usage: ${[program, operation, ...words, '[inputs]'].join(' ')}`,
    '',
    ...wrap(
      `${operationSummaries[operation]}.${aliases.length === 0 ? '' : ` Also: ${aliases.join(', ')}.`}`,
      width,
    ),
    '',
    ...(others.length === 0 ? ['Inputs:'] : ['What matters first:']),
    ...renderInputs(first, operation, width),
    '',
    ...groups,
    'Switches:',
    ...renderSwitches(width),
    '',
    'Examples:',
    ...examples[operation].map((line) => `  ${line}`),
    '',
    ...renderEnvironment(width),
    ...wrap(exitCodes, width),
    '',
  ].join('\n');
}

function renderInputs(names: readonly InputName[], operation: Operation, width: number): string[] {
  return names.flatMap((name) => {
    const input = inputs[name];
    const fallback = defaultOf(name, operation);
    const text = [
      isRequired(input, operation) ? 'Required.' : '',
      plain(input.description),
      fallback !== undefined && fallback !== 'false' ? `Default: ${fallback}.` : '',
      input.secret ? `A secret: set ${environmentName(name)} instead, which no list of processes shows.` : '',
    ];
    return [
      `  --${name}${input.flag ? '' : ` <${input.placeholder}>`}`,
      ...wrap(text.filter((part) => part !== '').join(' '), width - 6).map((line) => `      ${line}`),
    ];
  });
}

/** The words of other tools that mean this operation */
function listAliases(operation: Operation): string[] {
  return Object.entries(operationAliases).flatMap(([alias, meant]) => (meant === operation ? [alias] : []));
}

/** Names the environment variable that an input may come from. */
export function environmentName(name: string): string {
  return `SUPABASE_BACKUP_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** Renders `mcp --help`. */
export function renderServerHelp(width: number): string {
  return [
    `Usage: ${program} mcp [--verbose]`,
    '',
    ...wrap(
      'Serves one assistant over the Model Context Protocol, on stdin and stdout, until it hangs up. Messages go to stderr.',
      width,
    ),
    ...wrap(
      `Database, storage and keys come from the environment alone: ${environmentName('storage')}, ${environmentName('database-url')}, ${environmentName('target-url')} and the like.`,
      width,
    ),
    ...wrap('docs/assistants.md has the tools, and how a client is set up.', width),
    '',
  ].join('\n');
}

function renderSwitches(width: number): string[] {
  return renderDefinitions(
    [
      ...Object.entries(switches).map(
        ([name, { short, description }]) =>
          [`${short === undefined ? '    ' : `-${short}, `}--${name}`, description] as const,
      ),
      [`    --${configOption.name} <${configOption.placeholder}>`, configOption.description],
    ],
    width,
  );
}

function renderEnvironment(width: number): string[] {
  return wrap(
    `Every input may come from the environment, too: --storage from ${environmentName('storage')}. The command line wins.`,
    width,
  );
}

function renderDefinitions(entries: readonly (readonly [string, string])[], width: number): string[] {
  const indent = Math.max(...entries.map(([term]) => term.length)) + 4;
  return entries.flatMap(([term, description]) =>
    wrap(description, width - indent).map(
      (line, index) => `  ${index === 0 ? term : ''}`.padEnd(indent) + line,
    ),
  );
}

/** Removes the backticks, which are the only Markdown in descriptions. */
function plain(markdown: string): string {
  return markdown.replaceAll('`', '');
}
