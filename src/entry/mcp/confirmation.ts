import { createHash, randomBytes, randomUUID } from 'node:crypto';
import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  createRequestStateCodec,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  PROTOCOL_VERSION_META_KEY,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as v from 'valibot';
import { printableLines } from '../../report/printable.ts';
import type { Redact } from '../../report/redact.ts';

/*
 * Before something starts, the client asks a person. What it answers is no proof that a person has: the client
 * program answers, and could forge it. So nothing that destroys may start here, confirmed or not.
 */

/** How long a person may take to answer */
const lifetimeSeconds = 600;

/** Nothing was started. */
export class NotConfirmedError extends Error {
  readonly next: string;

  constructor(message: string, next: string) {
    super(message);
    this.name = 'NotConfirmed';
    this.next = next;
  }
}

/** What was asked about, and comes back with the answer, signed by this process */
const stateSchema = v.strictObject({
  tool: v.string(),
  /** SHA-256 of the arguments of the call, hexadecimal */
  arguments: v.string(),
  /** SHA-256 of the plan that the person was shown, hexadecimal */
  plan: v.string(),
  /** What was resolved for the question, so that it is not resolved again */
  bound: v.nullable(v.record(v.string(), v.string())),
  /** An answer counts once. */
  nonce: v.string(),
});

type State = v.InferOutput<typeof stateSchema>;

export interface Question {
  /** What the person reads, ending with the question */
  readonly message: string;
  /** What would be done, as JSON; an answer counts for this and nothing else */
  readonly plan: unknown;
  readonly bound?: Readonly<Record<string, string>>;
  /** What to do in a terminal where the client cannot ask */
  readonly otherwise: string;
}

interface Asked {
  readonly tool: string;
  readonly given: Readonly<Record<string, string>>;
  readonly request: ServerContext;
}

/** The questions of one connection. Their key is of this process: no other one believes an answer to them. */
export class Confirmations {
  readonly codec = createRequestStateCodec<State>({
    key: randomBytes(32),
    ttlSeconds: lifetimeSeconds,
    bind: ({ mcpReq }) => mcpReq.method,
  });
  readonly #answered = new Set<string>();
  readonly #redact: Redact;
  /** The capabilities of a client of before 2026, which tells them once */
  readonly #declared: () => ClientCapabilities | undefined;

  constructor(redact: Redact, declared: () => ClientCapabilities | undefined) {
    this.#redact = redact;
    this.#declared = declared;
  }

  /**
   * Returns what was resolved for the question that this call answers; undefined where it answers none.
   *
   * @throws NotConfirmedError when the question was about something else
   */
  readBound(asked: Asked): Readonly<Record<string, string>> | undefined {
    return this.#read(asked)?.bound ?? undefined;
  }

  /**
   * Asks, or takes the answer.
   *
   * @returns the question to hand to the client; undefined where the person agreed to exactly this
   * @throws NotConfirmedError when the person did not agree, or cannot be asked
   */
  async ask(asked: Asked, question: Question): Promise<InputRequiredResult | undefined> {
    const state = this.#read(asked);
    const plan = digest(question.plan);
    const response = inputResponse(asked.request.mcpReq.inputResponses, 'confirm');
    if (state === undefined || response.kind !== 'elicit') return this.#pose(asked, question, plan, '');
    if (response.action !== 'accept' || response.content?.start !== true)
      throw new NotConfirmedError(
        `nothing was started: the question was ${response.action === 'cancel' ? 'dismissed' : 'answered with no'}`,
        'Do not start it by other means. Ask the person what to do instead.',
      );
    if (state.plan !== plan)
      return this.#pose(asked, question, plan, 'What would be done has changed since you were asked.\n\n');
    if (this.#answered.has(state.nonce))
      throw new NotConfirmedError(
        'nothing was started: this answer has started something already, and counts once',
        'Call the tool again without it; the person is asked anew.',
      );
    this.#answered.add(state.nonce);
    return undefined;
  }

  async #pose(
    { tool, given, request }: Asked,
    { message, bound = {}, otherwise }: Question,
    plan: string,
    lead: string,
  ): Promise<InputRequiredResult> {
    if (isOfBefore(request) && !canAsk(this.#declared()))
      throw new NotConfirmedError(
        'nothing was started: this client cannot ask a person (it has not declared elicitation)',
        otherwise,
      );
    // A client of 2026 that cannot ask is refused by the protocol's own error, -32021.
    const state = { tool, arguments: digest(given), plan, bound: { ...bound }, nonce: randomUUID() };
    return inputRequired({
      requestState: await this.codec.mint(state, request),
      inputRequests: {
        confirm: inputRequired.elicit({
          message: printableLines(this.#redact(`${lead}${message}`)),
          requestedSchema: {
            type: 'object',
            properties: { start: { type: 'boolean', title: 'Start it', default: false } },
            required: ['start'],
          },
        }),
      },
    });
  }

  /** The protocol has verified the signature and the time before the tool was called. */
  #read({ tool, given, request }: Asked): State | undefined {
    const claimed = request.mcpReq.requestState<unknown>();
    if (claimed === undefined) return undefined;
    const { success, output } = v.safeParse(stateSchema, claimed);
    if (success && output.tool === tool && output.arguments === digest(given)) return output;
    throw new NotConfirmedError(
      'nothing was started: the answer is to a question about something else',
      'Call the tool again without it; the person is asked anew.',
    );
  }
}

/** Keys are sorted, so that the same arguments in another order are the same. */
function digest(value: unknown): string {
  const sorted = (_: string, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one;
  return createHash('sha256').update(JSON.stringify(value, sorted)).digest('hex');
}

/** Whether the request came without the envelope of protocol 2026-07-28. */
function isOfBefore({ mcpReq: { envelope } }: ServerContext): boolean {
  const told: Readonly<Record<string, unknown>> = { ...envelope };
  return told[PROTOCOL_VERSION_META_KEY] === undefined && told[CLIENT_CAPABILITIES_META_KEY] === undefined;
}

/** A bare declaration means forms, as before there were other modes. */
function canAsk(capabilities: ClientCapabilities | undefined): boolean {
  const elicitation = capabilities?.elicitation;
  if (elicitation === undefined) return false;
  return Object.keys(elicitation).length === 0 || 'form' in elicitation;
}
