import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CallToolResult,
  Client,
  type ClientCapabilities,
  type ElicitResult,
  type InputRequiredResult,
} from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const server = new URL('../../dist/mcp.cjs', import.meta.url).pathname;

/** Which protocol a client speaks: that of 2025-11-25, as by default, or that of 2026-07-28. */
export type Era = '2025' | '2026';
export const eras: readonly Era[] = ['2025', '2026'];

export interface McpOptions {
  readonly era: Era;
  readonly env: Readonly<Record<string, string>>;
  /** What a person answers; without it the client declares that it cannot ask. */
  readonly answer?: (message: string) => ElicitResult | Promise<ElicitResult>;
  /** Whether questions come back to the caller, who answers them by hand; of 2026 alone */
  readonly manual?: boolean;
  /** Whether a client of 2026 asks for the protocol first, as by default, in a process of its own; else it insists. */
  readonly probe?: boolean;
  /** Words for Node before the bundle */
  readonly node?: readonly string[];
}

/** What a tool answered, as far as tests look at it */
export interface Answered {
  readonly isError: boolean;
  readonly text: string;
  /** The fields of the answer; undefined where it failed */
  // biome-ignore lint/suspicious/noExplicitAny: each tool has fields of its own, which its schema describes.
  readonly answer: any;
  readonly warnings: readonly string[];
  /** What was asked instead of an answer */
  readonly question: InputRequiredResult | undefined;
}

export interface McpClient extends AsyncDisposable {
  readonly client: Client;
  /** The number of the server's process */
  readonly pid: number;
  stderr(): string;
  call(
    tool: string,
    args?: Record<string, unknown>,
    retry?: { readonly requestState?: string; readonly inputResponses?: Record<string, unknown> },
  ): Promise<Answered>;
}

export const yes: ElicitResult = { action: 'accept', content: { start: true } };

/** Starts `dist/mcp.cjs` and connects the official client to it. */
export async function connectMcp(options: McpOptions): Promise<McpClient> {
  const { era, env, answer, manual = false, probe = false, node = [] } = options;
  const folder = mkdtempSync(join(tmpdir(), 'mcp-'));
  const capabilities: ClientCapabilities = answer || manual ? { elicitation: { form: {} } } : {};
  const client = new Client(
    { name: 'test', version: '1.0.0' },
    {
      capabilities,
      ...(era === '2026' ? { versionNegotiation: { mode: probe ? 'auto' : { pin: '2026-07-28' } } } : {}),
      ...(manual ? { inputRequired: { autoFulfill: false } } : {}),
    },
  );
  if (answer !== undefined)
    client.setRequestHandler('elicitation/create', ({ params }) => answer(params.message));
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [...node, server],
    env: { TMPDIR: folder, AWS_EC2_METADATA_DISABLED: 'true', ...env },
    stderr: 'pipe',
  });
  let stderr = '';
  transport.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  await client.connect(transport);
  return {
    client,
    pid: transport.pid ?? 0,
    stderr: () => stderr,
    call: async (name, args = {}, retry = {}) => {
      const result = (await client.callTool(
        { name, arguments: args, ...retry },
        { timeout: 80_000, ...(manual ? { allowInputRequired: true as const } : {}) },
      )) as CallToolResult | InputRequiredResult;
      return read(result);
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function read(result: CallToolResult | InputRequiredResult): Answered {
  if (!('content' in result)) {
    const question = result as InputRequiredResult;
    return { isError: false, text: '', answer: undefined, warnings: [], question };
  }
  const { content, structuredContent, isError = false } = result as CallToolResult;
  const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
  const fields = structuredContent as { answer?: unknown; warnings?: string[] } | undefined;
  return { isError, text, answer: fields?.answer, warnings: fields?.warnings ?? [], question: undefined };
}
