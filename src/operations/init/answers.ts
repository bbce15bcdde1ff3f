import { parseRecipientsOfMail, parseSender } from '../../interface/inputs/mail-values.ts';
import { parseProjectRef } from '../../interface/inputs/management-values.ts';
import type { NotifyChannel } from '../../interface/inputs/operations.ts';
import { inputs as inputSchema, schema } from '../../interface/inputs/schema.ts';
import type { InitInputs } from '../../interface/inputs/setup-types.ts';
import { checkEndpoint, parseRegion, parseStorage } from '../../interface/inputs/storage-values.ts';
import { Problem } from '../../interface/inputs/values.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { actionPin } from '../../runtime/version.ts';
import { findRepository } from '../../schedule/plan/policy-file.ts';

/** All that a policy is made from. */
export interface Answers {
  readonly databases: readonly string[];
  readonly storage: string;
  readonly s3Endpoint: string | undefined;
  readonly s3Region: string | undefined;
  readonly projectRef: string | undefined;
  readonly notify: readonly NotifyChannel[];
  readonly mailFrom: string | undefined;
  readonly mailTo: readonly string[];
  readonly action: string;
  /** OWNER/REPO of the workflows */
  readonly repository: string;
  /** Whether the checkout itself tells the repository */
  readonly isRepositoryKnown: boolean;
}

type Ask = NonNullable<Context['ask']>;

/** Takes one answer after another: what was given, or what a person says, or a note that it is missing. */
class Interview {
  readonly missing: string[] = [];
  readonly #ask: Ask | undefined;
  readonly #log: Pick<Context['log'], 'warn'>;

  constructor({ ask, log }: Pick<Context, 'ask' | 'log'>) {
    this.#ask = ask;
    this.#log = log;
  }

  /** @param fallback what an empty answer means; where it is empty, the question is asked again */
  async need<T>(
    given: T | undefined,
    question: { input: string; text: string; fallback: string; parse: (text: string) => T },
  ): Promise<T> {
    if (given !== undefined) return given;
    if (this.#ask !== undefined) {
      for (;;) {
        const answer = await this.#put(this.#ask, question);
        if (answer !== undefined) return answer;
      }
    }
    this.missing.push(question.input);
    // What is missing is told before this is used.
    return undefined as T;
  }

  /** The same, where nothing is an answer, too. */
  async may<T>(
    given: T | undefined,
    question: { input: string; text: string; parse: (text: string) => T },
  ): Promise<T | undefined> {
    if (given !== undefined || this.#ask === undefined) return given;
    const parse = (text: string) => (text === '-' ? { nothing: true as const } : question.parse(text));
    const answer = await this.need<T | { nothing: true }>(undefined, { ...question, fallback: '-', parse });
    return typeof answer === 'object' && answer !== null && 'nothing' in answer ? undefined : (answer as T);
  }

  async #put<T>(
    ask: Ask,
    {
      input,
      text,
      fallback,
      parse,
    }: { input: string; text: string; fallback: string; parse: (t: string) => T },
  ): Promise<T | undefined> {
    const answer = (await ask({ text, fallback })).trim() || fallback;
    try {
      if (answer === '') throw new Problem('is needed', 'Write one.');
      return parse(answer);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#log.warn(`${input} ${problem.message}. ${problem.remedy}`);
      return undefined;
    }
  }
}

/**
 * Settles everything that a policy needs. Asks where somebody can be asked, and changes nothing.
 *
 * @throws ConfigurationError listing all that is missing, where nobody can be asked
 */
export async function settleAnswers(
  inputs: InitInputs,
  context: Pick<Context, 'ask' | 'log' | 'env'>,
): Promise<Answers> {
  const interview = new Interview(context);
  const databases = await interview.need(inputs.databases, {
    ...{ input: 'databases', fallback: 'production', parse: schema.databases.parse },
    text: 'What the databases are called, separated by commas',
  });
  const place = await settlePlace(inputs, interview);
  const projectRef =
    databases?.length === 1
      ? await interview.may(inputs.projectRef, {
          ...{ input: 'project-ref', parse: parseProjectRef },
          text: "Supabase project: the twenty letters in its dashboard's address (- for none)",
        })
      : inputs.projectRef;
  const alarms = await settleAlarms(inputs, interview, context.ask !== undefined);
  const found = inputs.githubRepository ?? (await findRepository(inputs.policy, context.env));
  const repository = await interview.need(found, {
    ...{ input: 'github-repository', fallback: '', parse: schema['github-repository'].parse },
    text: 'Repository on GitHub, OWNER/REPO',
  });
  const action = await interview.need(inputs.action ?? actionPin, {
    ...{ input: 'action', fallback: '', parse: schema.action.parse },
    text: 'This action, pinned, OWNER/REPO@COMMIT (the release page names it)',
  });
  refuseMissing(interview.missing);
  const isRepositoryKnown = found !== undefined && inputs.githubRepository === undefined;
  return { databases, ...place, projectRef, ...alarms, action, repository, isRepositoryKnown };
}

async function settlePlace(
  inputs: InitInputs,
  interview: Interview,
): Promise<Pick<Answers, 'storage' | 's3Endpoint' | 's3Region'>> {
  const storage = await interview.need(inputs.storage, {
    ...{ input: 'storage', fallback: 'artifact://database-backups', parse: parseStorage },
    text: 'Where backups are kept: s3://bucket/prefix, artifact://name (kept by GitHub: to begin with), or a folder of a runner of yours',
  });
  if (!/^s3:/i.test(storage ?? ''))
    return { storage, s3Endpoint: inputs.s3Endpoint, s3Region: inputs.s3Region };
  const s3Endpoint = await interview.may(inputs.s3Endpoint, {
    ...{ input: 's3-endpoint', parse: checkEndpoint },
    text: 'Address of the S3 service (- for Amazon)',
  });
  const s3Region = await interview.need(inputs.s3Region, {
    ...{ input: 's3-region', fallback: s3Endpoint === undefined ? '' : 'auto', parse: parseRegion },
    text: 'Region of the bucket, such as eu-central-1',
  });
  return { storage, s3Endpoint, s3Region };
}

async function settleAlarms(
  inputs: InitInputs,
  interview: Interview,
  canAsk: boolean,
): Promise<Pick<Answers, 'notify' | 'mailFrom' | 'mailTo'>> {
  const notify: readonly NotifyChannel[] = await interview.need(
    inputs.notify ?? (canAsk ? undefined : ['issues']),
    {
      ...{ input: 'notify', fallback: 'issues', parse: schema.notify.parse },
      text: 'Who is told of failures: issues, webhook, slack, mail, heartbeat, separated by commas, or none',
    },
  );
  if (!notify.includes('mail')) return { notify, mailFrom: undefined, mailTo: [] };
  const mailFrom = await interview.need(inputs.mailFrom, {
    ...{ input: 'mail-from', fallback: '', parse: checkedBy(parseSender) },
    text: 'Whom mail comes from, such as Backups <backups@example.com>',
  });
  const mailTo = await interview.need(inputs.mailTo, {
    ...{ input: 'mail-to', fallback: '', text: 'Who gets mail, separated by commas' },
    parse: (text) => parseRecipientsOfMail(text).map(({ address }) => address),
  });
  return { notify, mailFrom, mailTo };
}

function checkedBy(parse: (text: string) => unknown): (text: string) => string {
  return (text) => {
    parse(text);
    return text;
  };
}

function refuseMissing(missing: readonly string[]): void {
  const [first] = missing;
  if (first === undefined) return;
  throw new ConfigurationError(
    `init: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not given, and there is no terminal to ask in`,
    `Give ${missing.map((name) => `--${name} <${placeholderOf(name)}>`).join(' ')}, or run it in a terminal.`,
  );
}

function placeholderOf(name: string): string {
  const known: Readonly<Record<string, { readonly placeholder: string }>> = inputSchema;
  return known[name]?.placeholder ?? 'value';
}
