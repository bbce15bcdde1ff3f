import type { Operation } from '../../interface/inputs/operations.ts';
import { type InputName, inputs } from '../../interface/inputs/schema.ts';
import { list } from '../../interface/inputs/values.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { parsePolicy } from '../policy/parse.ts';
import type { WrittenDatabase } from '../policy/schema.ts';
import { type PlannedDatabase, planJobs } from './plan.ts';

/*
 * What a policy says to an operation at a terminal: where things are and what they are kept for, never what is
 * to be done. Questions in SQL, commands, channels of alarms and what a restore is to touch are not taken.
 */

export interface TerminalInputs {
  /** The database, as the policy calls it */
  readonly database: string;
  readonly values: ReadonlyMap<InputName, string>;
  /** Names of environment variables that hold the values of these inputs */
  readonly variables: ReadonlyMap<InputName, string>;
  /** Names of environment variables with the keys of the storage */
  readonly storageKeys: { readonly id: string; readonly secret: string } | undefined;
}

/** Operations that read or describe the source, and so take what the policy says of it */
const ofSource: readonly Operation[] = ['backup', 'capture', 'gate', 'doctor', 'estimate'];

const plainKeys = {
  storage: undefined,
  's3-endpoint': undefined,
  's3-region': undefined,
  's3-addressing': undefined,
  's3-sse': undefined,
  's3-storage-class': undefined,
  'encryption-recipients': undefined,
  // The project and the authority are those of the source, and a restore has a target.
  'project-ref': [...ofSource, 'managed', 'status', 'report'],
  sslrootcert: [...ofSource, 'status'],
  include: ofSource,
  exclude: ofSource,
  freshness: undefined,
} as const satisfies Partial<Record<keyof WrittenDatabase & InputName, readonly Operation[] | undefined>>;

const secretKeys = [
  'database-url',
  'repository-key',
  'copies',
  'encryption-identity',
  'supabase-access-token',
] as const satisfies readonly (keyof WrittenDatabase & InputName)[];

/**
 * Reads what a policy says to an operation.
 *
 * @param file the name of the file, for messages
 * @param wanted the name of the database; undefined where the policy has but one
 * @throws ConfigurationError when the policy is wrong, or it is not clear which database is meant
 */
export function readForTerminal(
  { source, file, wanted }: { source: string; file: string; wanted: string | undefined },
  operation: Operation,
): TerminalInputs {
  const { policy } = parsePolicy(source, file, 'terminal');
  // The name of the repository decides on minutes alone.
  const plan = planJobs(policy, policy.repository ?? '');
  const { name, written, retention, keepChanges } = chooseDatabase(plan.databases, file, wanted);
  const isRead = (input: InputName, only?: readonly Operation[]) =>
    inputs[input].operations.includes(operation) && only?.includes(operation) !== false;
  const named = Object.entries(plainKeys) as [keyof typeof plainKeys, readonly Operation[] | undefined][];
  const found: (readonly [InputName, string | undefined])[] = [
    ...named
      .filter(([key, only]) => isRead(key, only))
      .map(([key]) => [key, [written[key] ?? []].flat().join(', ') || undefined] as const),
    // What runs by the workflows of the policy keeps more than what runs without one.
    ['retention', retention],
    ['keep-changes', keepChanges],
    ['time-zone', policy['time-zone']],
    ['grace-period', policy.cleanup?.['grace-period']],
    // By this name reports and metrics of workflows call it, too.
    ['database', name],
  ];
  return {
    database: name,
    values: new Map(
      found.flatMap(([key, value]) => (value === undefined || !isRead(key) ? [] : [[key, value] as const])),
    ),
    variables: new Map(
      secretKeys.flatMap((key) => {
        const variable = written[key];
        return variable === undefined || !isRead(key) ? [] : [[key, variable] as const];
      }),
    ),
    storageKeys: keysOf(operation === 'cleanup' ? { ...written, ...policy.cleanup } : written),
  };
}

function keysOf(holder: {
  'aws-access-key-id'?: string | undefined;
  'aws-secret-access-key'?: string | undefined;
}): TerminalInputs['storageKeys'] {
  const [id, secret] = [holder['aws-access-key-id'], holder['aws-secret-access-key']];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

function chooseDatabase(
  databases: readonly PlannedDatabase[],
  file: string,
  wanted: string | undefined,
): PlannedDatabase {
  const names = databases.map(({ name }) => name);
  const found = wanted === undefined ? databases : databases.filter(({ name }) => name === wanted);
  const [only, another] = found;
  if (only !== undefined && another === undefined) return only;
  throw new ConfigurationError(
    wanted === undefined
      ? `${file} has ${names.length} databases, and none is selected`
      : `${file} has no database ${JSON.stringify(wanted)}`,
    say`Use ${nameInput('database', names[0])}. The policy has ${list(names, 'and')}.`,
  );
}
