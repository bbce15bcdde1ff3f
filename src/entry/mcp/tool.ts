import type { InputRequiredResult, ServerContext } from '@modelcontextprotocol/server';
import * as v from 'valibot';
import type { Input, Parser } from '../../interface/inputs/input.ts';
import type { InputName, ReadInput } from '../../interface/inputs/schema.ts';
import type { Context } from '../../runtime/context.ts';
import type { Confirmations } from './confirmation.ts';
import type { Runs } from './runs.ts';

/** An argument that no operation of the command line has. */
export interface OwnArgument extends Pick<Input, 'description'> {
  /** The text of an absent argument; undefined: it is absent */
  readonly default?: string;
  readonly parse: Parser;
}

export type OwnArguments = Readonly<Record<string, OwnArgument>>;

type Parsed<Own extends OwnArguments> = {
  readonly [Name in keyof Own]: Own[Name] extends { readonly default: string }
    ? ReturnType<Own[Name]['parse']>
    : ReturnType<Own[Name]['parse']> | undefined;
};

/** One call of a tool. */
export interface Call<Own extends OwnArguments = OwnArguments> {
  /** The name of the tool */
  readonly tool: string;
  /** The arguments as they were written, by name */
  readonly given: Readonly<Record<string, string>>;
  /** Reads an input: an argument, or else what the environment of this server says. */
  readonly read: ReadInput;
  /** The arguments of the tool's own, parsed */
  readonly own: Parsed<Own>;
  /** With a temporary folder of this call, and a signal that aborts when the client takes the call back */
  readonly context: Context;
  readonly request: ServerContext;
  readonly server: Services;
}

/** What calls share for as long as a client is connected. */
export interface Services {
  readonly runs: Runs;
  readonly confirmations: Confirmations;
}

/**
 * An answer: fields by the schema of the tool. `isError` where what was asked for did not come about. The
 * other kind of answer is a question to the person at the client.
 */
export type Answer<Value> = { readonly value: Value; readonly isError?: boolean } | InputRequiredResult;

/** What hosts decide by whether they ask before a call. */
export interface Hints {
  /** Whether it leaves databases, backups and the machine as they are */
  readonly readOnlyHint: boolean;
  /** Whether it can destroy anything */
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  /** Whether it speaks with anything outside of this machine */
  readonly openWorldHint: boolean;
}

interface Definition<Own extends OwnArguments, Fields extends v.ObjectEntries> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly hints: Hints;
  /** The inputs of the command line that it takes; none is a secret */
  readonly inputs: readonly InputName[];
  /** Texts of absent inputs, where they are others than those of the command line */
  readonly defaults?: Readonly<Partial<Record<InputName, string>>>;
  readonly own: Own;
  readonly output: Fields;
  answer(call: Call<Own>): Promise<Answer<v.InferOutput<v.StrictObjectSchema<Fields, undefined>>>>;
}

/** A tool, whatever it takes and answers. */
export interface Tool extends Omit<Definition<OwnArguments, v.ObjectEntries>, 'answer'> {
  answer(call: Call): Promise<Answer<unknown>>;
}

/** Checks that a tool answers what its schema says. */
export function defineTool<const Own extends OwnArguments, const Fields extends v.ObjectEntries>(
  definition: Definition<Own, Fields>,
): Tool {
  return { ...definition, answer: (call) => definition.answer(call as Call<Own>) };
}

/** What stands around the fields of every answer */
export function describeEnvelope(fields: v.ObjectEntries) {
  return v.strictObject({
    notice: v.pipe(v.string(), v.description('How the rest is to be read.')),
    warnings: v.pipe(
      v.array(v.string()),
      v.description('What was passed over, and why. It may quote databases and storages.'),
    ),
    answer: v.strictObject(fields),
  });
}
