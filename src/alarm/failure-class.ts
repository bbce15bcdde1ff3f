import type { Outcome } from '../interface/outcome.ts';

/** Error codes of PostgreSQL (SQLSTATE), the operating system and S3, by the cause to fix */
const causes: readonly (readonly [cause: string, code: RegExp, words: string])[] = [
  [
    'authentication',
    /^(28...|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken)$/,
    'the password or key is refused',
  ],
  ['permission', /^(42501|EACCES|EPERM|EROFS|AccessDenied|Forbidden)$/, 'a right is missing'],
  ['space', /^(53100|ENOSPC|EDQUOT|QuotaExceeded)$/, 'there is no space left'],
  [
    'capacity',
    /^(53[023]..|54...|EMFILE|ENFILE|SlowDown|ServiceUnavailable)$/,
    'the server has no capacity left',
  ],
  ['timeout', /^(57014|55P03|25P0[34]|ETIMEDOUT|TimeoutError)$/, 'something took too long'],
  [
    'connection',
    /^(08...|57P0.|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|EPIPE|ENETUNREACH|EHOSTUNREACH)$/,
    'there is no connection',
  ],
];

/** Descriptions for people of the part of a class before the slash */
const kinds: Readonly<Record<string, string>> = {
  ConfigurationError: 'an input or a setting is wrong',
  SourceError: 'the database cannot be read',
  StorageError: 'the storage fails',
  TargetError: 'the target database refuses something',
  PlatformError: 'the platform that hosts the database refuses something, or does not answer',
  IntegrityError: 'what is stored or restored is not what it should be',
  JobError: 'its job ended before it could begin, or tell how it went',
  Interruption: 'it was stopped before its end',
  Defect: 'an unexpected error',
  parity: 'the restored database differs from the backup',
  drill: 'the backup does not pass its drill',
  rto: 'recovery takes too long',
  damage: 'stored backups are damaged',
  recheck: 'a check of the backup failed',
  'changes-lost': 'changes were lost, so point-in-time recovery has a gap',
  'managed-restore': 'a project that Supabase was asked to restore was not seen to come back',
  managed: "something is wrong with Supabase's own backups",
  gate: 'a release was stopped, because the backups do not cover it',
  limit: 'a limit of the backups is broken, or their slot is lost',
  doctor: 'something is not as a backup needs it',
  alarm: 'an operation did not begin',
  schedule: 'the workflows are not what the policy says, or do not run as they should',
  copies: 'a copy of the backups is not whole, or could not be healed',
  records: 'the records in the database are not those of the repository',
};

/**
 * Classifies a failure by a short word that stays the same as long as the cause does; one issue is kept for
 * each class. The class is the kind of the error and, if the error or one of its causes has a known code, the
 * cause of that code. Messages are not used: they hold numbers and names, and change between versions.
 *
 * @param kind the kind that `toFailure` returns
 */
export function classifyFailure(kind: string, error: unknown): string {
  // An error during an interruption is its consequence, not the cause.
  if (kind === 'Interruption') return kind;
  for (const code of codesOf(error)) {
    const cause = causes.find(([, pattern]) => pattern.test(code))?.[0];
    if (cause !== undefined) return `${kind}/${cause}`;
  }
  return kind;
}

/** Classifies an operation that ran and whose answer is no. */
export function classifyNegative(operation: string, outputs: Outcome['outputs']): string {
  switch (operation) {
    case 'backup':
      return 'recheck';
    case 'capture':
      return 'changes-lost';
    case 'mirror':
    case 'repair':
      return 'copies';
    case 'restore':
      return outputs['managed-restore'] === undefined ? 'parity' : 'managed-restore';
    case 'drill':
      if (outputs.drill === 'passed') return 'rto';
      return outputs.parity === 'different' ? 'parity' : 'drill';
    case 'validate':
    case 'cleanup':
    case 'list':
    case 'show':
    case 'pin':
    case 'unpin':
      return 'damage';
    case 'status':
      return 'limit';
    default:
      return operation;
  }
}

/** Describes a class for people, as the end of a sentence. */
export function describeClass(failureClass: string): string {
  const [kind = '', cause] = failureClass.split('/');
  const words = kinds[kind] ?? kind;
  const because = causes.find(([name]) => name === cause)?.[2];
  return because === undefined ? words : `${words}: ${because}`;
}

/** Lists codes and names of an error and its causes, outermost first; `seen` ends circular causes. */
function codesOf(error: unknown, seen = new Set<unknown>()): string[] {
  if (typeof error !== 'object' || error === null || seen.has(error)) return [];
  seen.add(error);
  const { code, Code, name, cause, errors } = error as Record<string, unknown>;
  const inner = [cause, ...(Array.isArray(errors) ? errors : [])];
  return [
    ...[code, Code, name].filter((word) => typeof word === 'string'),
    ...inner.flatMap((each) => codesOf(each, seen)),
  ];
}
