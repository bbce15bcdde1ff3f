import type { Manifest } from '../format/manifest.ts';
import type { Definition, Freshness, Supplement } from '../format/supplement.ts';
import { matchDescriptions, readDescription, versionOf } from '../postgres/catalog/description.ts';
import { countObjects } from '../postgres/catalog/facts.ts';
import { readGlobals } from '../postgres/catalog/globals.ts';
import { apiRoles, readPrivileges } from '../postgres/catalog/privileges.ts';
import { askQuestions, readFreshness } from '../postgres/catalog/questions.ts';
import { letRead, openSession, type Session } from '../postgres/session/connection.ts';
import { applySettings } from '../postgres/session/output-settings.ts';
import type { ConnectionSettings } from '../postgres/session/settings.ts';
import { ConfigurationError, messageOf } from '../runtime/errors.ts';
import { compareAnswers, compareFreshness, type FreshnessFound } from './answers.ts';
import { compareDefinitions } from './definitions.ts';
import type { DefinitionContext } from './explanations.ts';
import { compareGlobals } from './globals.ts';
import {
  collectKnownDifferences,
  collectRestored,
  type KnownDifference,
  tellLosses,
} from './known-differences.ts';
import type { ParityLine } from './line.ts';
import { compareObjects } from './objects.ts';
import { comparePrivileges, type ReachBehindRls } from './privileges.ts';
import { putInWordsOf } from './reading.ts';
import { compareRows, type RowsOptions } from './rows.ts';
import type { ParityScope } from './scope.ts';
import { compareSequences, expectSequences } from './sequences.ts';

/** The groups of lines in the order of a report; docs/parity.md describes each. */
export const parityGroups = [
  'tables',
  'sequences',
  'definitions',
  'privileges',
  'objects',
  'server',
  'freshness',
  'answers',
] as const;

export type ParityGroup = (typeof parityGroups)[number];

/** The comparison of a restored database with the facts of its backup */
export interface Parity {
  /** True when no line is `different`; lines that are `not carried` have a known reason, and are reported. */
  readonly equal: boolean;
  /** The lines of each group; a group that was not compared has no lines. */
  readonly groups: Readonly<Record<ParityGroup, readonly ParityLine[]>>;
  /** What each role can reach; empty when only a part was restored */
  readonly reach: readonly ReachBehindRls[];
}

/** Reads the target back and compares it with the backup. A difference is a result and never throws. */
export async function compareWithBackup(
  settings: ConnectionSettings,
  manifest: Manifest,
  supplement: Supplement,
  scope: ParityScope,
  options: RowsOptions & {
    /** Called when everything that depends on rows is compared: the right to read rows may end then. */
    readonly afterRows?: () => Promise<void>;
  },
): Promise<Parity> {
  await using session = await openSession(settings, options.signal);
  await applySettings(session, manifest.source.encoding);
  const known = collectKnownDifferences(scope, manifest);
  const tables = await compareRows(session, settings, manifest, scope, known, options);
  const sequences = await compareValues(session, manifest, scope, known);
  const asked = await inOwnSession(settings, manifest, options.signal, (own) =>
    compareAsked(own, manifest, supplement, scope, known),
  );
  await options.afterRows?.();
  await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const there = await readDescription(session, supplement.definitions);
  const { expected, found } = matchDescriptions(supplement.definitions, there);
  const { encoding } = manifest.source;
  const printed = await putInWordsOf(settings, encoding, expected, found, options.signal);
  const rest = await compareRest(session, manifest, supplement, { expected: printed, found }, scope, known);
  await session.query('COMMIT');
  const compared = { tables, sequences, ...rest.groups, ...asked };
  const lost = tellLosses(scope.notCarried, Object.values(compared).flat());
  const groups = { ...compared, definitions: [...compared.definitions, ...lost] };
  const equal = Object.values(groups).every((lines) => lines.every((line) => line.status !== 'different'));
  return { equal, groups, reach: rest.reach };
}

type Asked = 'freshness' | 'answers';

async function compareValues(
  session: Session,
  manifest: Manifest,
  scope: ParityScope,
  known: KnownDifference,
): Promise<Parity['groups']['sequences']> {
  if (manifest.kind === 'schema') return [];
  const isRestored = collectRestored(scope.selection);
  const facts = expectSequences(manifest.facts.sequences, scope.advanced?.sequences).filter(
    ({ schema, name }) => scope.whole || isRestored({ kind: 'sequence set', schema, relation: null, name }),
  );
  return compareSequences(session, facts, known);
}

/**
 * Runs `body` in a session that may read views, which the other sessions prevent: the user's questions may be
 * about views.
 */
async function inOwnSession<Result>(
  settings: ConnectionSettings,
  manifest: Manifest,
  signal: AbortSignal,
  body: (session: Session) => Promise<Result>,
): Promise<Result> {
  await using session = await openSession(settings, signal);
  await letRead(session);
  await applySettings(session, manifest.source.encoding);
  return await body(session);
}

async function compareAsked(
  session: Session,
  manifest: Manifest,
  supplement: Supplement,
  scope: ParityScope,
  known: KnownDifference,
): Promise<Pick<Parity['groups'], Asked>> {
  // Newest values and answers of the backup do not apply to a later point in time.
  const asBackedUp = manifest.kind !== 'schema' && scope.advanced === undefined;
  await session.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const groups = {
    freshness: asBackedUp ? await askFreshness(session, supplement.freshness, scope, known) : [],
    answers: asBackedUp ? await askAgain(session, supplement, scope) : [],
  };
  await session.query('COMMIT');
  return groups;
}

async function compareRest(
  session: Session,
  manifest: Manifest,
  supplement: Supplement,
  { expected, found }: Readonly<Record<'expected' | 'found', readonly Definition[]>>,
  scope: ParityScope,
  known: KnownDifference,
): Promise<{
  groups: Omit<Parity['groups'], 'tables' | 'sequences' | Asked>;
  reach: readonly ReachBehindRls[];
}> {
  const isRestored = collectRestored(scope.selection);
  const schemas = expected.filter(({ kind }) => kind === 'schema').map(({ name }) => name);
  // A backup of definitions holds no values of sequences and nothing that depends on rows.
  const withRows = manifest.kind !== 'schema';
  const context: DefinitionContext = {
    ...{ scope, known, isRestored, withRows },
    schemas: new Set(['public', ...schemas]),
    major: Math.trunc(session.serverVersion / 10_000),
    present: await readNames(session, 'SELECT nspname FROM pg_namespace'),
  };
  const globals = await readGlobals(session);
  // Every new database has a schema public; where the source had dropped its own, the target's is ignored.
  const isTheirs = schemas.includes('public') ? () => true : isNotPublic;
  const definitions = compareDefinitions(expected, found.filter(isTheirs), context);
  const roles = new Set(supplement.roles.map((role) => role.name));
  const { lines: privileges, reach } = comparePrivileges(
    supplement.privileges,
    (await readPrivileges(session)).filter(
      ({ kind, schema }) => kind !== 'schema' || isTheirs({ kind, schema: null, name: schema }),
    ),
    { ...context, roles, unknown: await findUnknownRoles(session, manifest) },
  );
  const { whole } = scope;
  return {
    groups: {
      definitions,
      privileges,
      objects: whole
        ? compareObjects(
            manifest,
            await countObjects(session),
            definitions,
            versionOf(supplement.definitions),
          )
        : [],
      server: whole ? compareGlobals(supplement, globals, scope, known) : [],
    },
    reach: whole ? reach : [],
  };
}

function isNotPublic({ kind, schema, name }: Pick<Definition, 'kind' | 'schema' | 'name'>): boolean {
  return kind === 'schema'
    ? name !== 'public'
    : !(kind === 'owner' && schema === 'public' && name === '(schema)');
}

/** Finds roles of the API that the source's database does not mention and that the target's server lacks. */
async function findUnknownRoles(session: Session, { facts }: Manifest): Promise<Set<string>> {
  const there = await readNames(session, 'SELECT rolname FROM pg_roles');
  return new Set(apiRoles.filter((role) => !facts.roles.includes(role) && !there.has(role)));
}

async function readNames(session: Session, sql: string): Promise<Set<string>> {
  const rows = await session.query<Record<string, string>>(sql);
  return new Set(rows.flatMap((row) => Object.values(row)));
}

async function askFreshness(
  session: Session,
  recorded: readonly Freshness[],
  { whole, tables }: ParityScope,
  known: KnownDifference,
): Promise<ParityLine[]> {
  const chosen = recorded.filter(
    ({ schema, table }) =>
      whole || tables.some((restored) => restored.schema === schema && restored.name === table),
  );
  const found: FreshnessFound[] = [];
  for (const column of chosen) found.push(await askNewest(session, column));
  return compareFreshness(chosen, found, known);
}

async function askNewest(session: Session, column: Freshness): Promise<FreshnessFound> {
  try {
    const [answer] = await readFreshness(session, [column]);
    return { newest: answer?.newest ?? null };
  } catch (error) {
    // The column is missing in the target, which is a result of the comparison and no wrong input.
    if (error instanceof ConfigurationError) return { refused: messageOf(error) };
    throw error;
  }
}

async function askAgain(
  session: Session,
  { answers }: Supplement,
  scope: ParityScope,
): Promise<ParityLine[]> {
  const found = scope.whole
    ? await askQuestions(
        session,
        answers.map(({ sql }) => sql),
      )
    : [];
  return compareAnswers(answers, found, scope);
}
