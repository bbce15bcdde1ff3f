import * as v from 'valibot';
import { type GitHubApi, GitHubFailure, parseAnswer } from './api.ts';

const issueSchema = v.object({
  number: v.pipe(v.number(), v.integer()),
  state: v.picklist(['open', 'closed']),
  title: v.string(),
  body: v.nullish(v.string(), ''),
  html_url: v.string(),
  created_at: v.nullish(v.string(), null),
  closed_at: v.nullish(v.string(), null),
  labels: v.array(v.union([v.string(), v.object({ name: v.nullish(v.string(), '') })])),
  user: v.nullish(v.object({ login: v.optional(v.string(), ''), type: v.optional(v.string(), '') }), null),
  author_association: v.optional(v.string(), 'NONE'),
  pull_request: v.optional(v.unknown()),
});

const userSchema = v.object({ login: v.string() });

export interface Issue {
  readonly number: number;
  readonly state: 'open' | 'closed';
  readonly title: string;
  readonly body: string;
  readonly url: string;
  readonly openedAt: Date | undefined;
  readonly closedAt: Date | undefined;
  readonly labels: readonly string[];
  /** Login of the author; empty when the account was deleted */
  readonly author: string;
  /**
   * Whether the author is an owner, member or collaborator, possibly with read access only, or a bot, which
   * may copy text of others
   */
  readonly trusted: boolean;
}

export interface IssueContent {
  readonly title: string;
  readonly body: string;
  readonly labels: readonly string[];
  readonly assignees: readonly string[];
}

export interface Label {
  readonly name: string;
  /** Six hexadecimal digits */
  readonly color: string;
  readonly description: string;
}

/** The issues of one repository. Every method throws `GitHubFailure`. */
export class Issues {
  readonly #api: GitHubApi;
  readonly #path: string;

  /** @param repository `owner/name` */
  constructor(api: GitHubApi, repository: string) {
    this.#api = api;
    this.#path = `/repos/${repository}`;
  }

  /**
   * Lists issues without the pull requests that the API lists among them. The search API is not used, because
   * its index is minutes late.
   *
   * @param query the parameters of `GET /repos/{owner}/{repo}/issues`
   * @param pages the most pages to read, of 100 elements each
   */
  async list(query: Readonly<Record<string, string>>, pages: number): Promise<Issue[]> {
    const elements = await this.#api.list(`${this.#path}/issues`, query, pages);
    return elements.map(parseRaw).flatMap((raw) => (raw.pull_request ? [] : [fromRaw(raw)]));
  }

  /**
   * Returns the login that issues opened with this token have. A workflow's token, like that of any app, may
   * not ask for its login; it writes as the app of GitHub Actions, which is assumed where GitHub does not
   * tell. With another app's token that assumption opens an issue twice, which is better than opening none.
   */
  async whoAmI(): Promise<string> {
    try {
      return parseAnswer(userSchema, await this.#api.send('GET', '/user'), 'user').login;
    } catch (error) {
      if (!(error instanceof GitHubFailure)) throw error;
      return 'github-actions[bot]';
    }
  }

  /** Opens an issue; labels or assignees that the repository rejects are left out and returned. */
  async open(content: IssueContent): Promise<{ issue: Issue; dropped: readonly string[] }> {
    const path = `${this.#path}/issues`;
    try {
      return { issue: fromRaw(parseRaw(await this.#api.send('POST', path, content))), dropped: [] };
    } catch (error) {
      if (!(error instanceof GitHubFailure) || error.status !== 422) throw error;
      const dropped = (['assignees', 'labels'] as const).filter((field) => error.fields.includes(field));
      if (dropped.length === 0) throw error;
      const lighter = { ...content, ...Object.fromEntries(dropped.map((field) => [field, []])) };
      const rest = await this.open(lighter);
      return { issue: rest.issue, dropped: [...dropped, ...rest.dropped] };
    }
  }

  async change(
    number: number,
    change: {
      readonly body?: string;
      readonly state?: 'open' | 'closed';
      readonly state_reason?: 'completed' | 'not_planned' | 'reopened';
      readonly labels?: readonly string[];
    },
  ): Promise<void> {
    await this.#api.send('PATCH', `${this.#path}/issues/${number}`, change);
  }

  async comment(number: number, body: string): Promise<void> {
    await this.#api.send('POST', `${this.#path}/issues/${number}/comments`, { body });
  }

  async addLabel(number: number, name: string): Promise<void> {
    await this.#api.send('POST', `${this.#path}/issues/${number}/labels`, { labels: [name] });
  }

  /** Creates a label unless it exists. Returns false when it is missing and may not be created. */
  async ensureLabel(label: Label): Promise<boolean> {
    try {
      await this.#api.send('POST', `${this.#path}/labels`, label);
      return true;
    } catch (error) {
      if (!(error instanceof GitHubFailure) || error.rateLimited) throw error;
      if (error.codes.includes('already_exists')) return true;
      if (![403, 404, 422].includes(error.status)) throw error;
      return this.#hasLabel(label.name);
    }
  }

  async #hasLabel(name: string): Promise<boolean> {
    try {
      await this.#api.send('GET', `${this.#path}/labels/${encodeURIComponent(name)}`);
      return true;
    } catch (error) {
      if (!(error instanceof GitHubFailure) || error.rateLimited || ![403, 404].includes(error.status))
        throw error;
      return false;
    }
  }
}

type RawIssue = v.InferOutput<typeof issueSchema>;

function parseRaw(content: unknown): RawIssue {
  return parseAnswer(issueSchema, content, 'issue');
}

const members = ['OWNER', 'MEMBER', 'COLLABORATOR'];

function fromRaw(raw: RawIssue): Issue {
  return {
    number: raw.number,
    state: raw.state,
    title: raw.title,
    body: raw.body,
    url: raw.html_url,
    openedAt: raw.created_at === null ? undefined : new Date(raw.created_at),
    closedAt: raw.closed_at === null ? undefined : new Date(raw.closed_at),
    labels: raw.labels.map((label) => (typeof label === 'string' ? label : label.name)),
    author: raw.user?.login ?? '',
    trusted: raw.user?.type === 'Bot' || members.includes(raw.author_association),
  };
}
