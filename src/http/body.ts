/** Thrown when an answer is longer than any that is expected */
export class BodyTooLong extends Error {}

type Answer = Pick<Response, 'body'>;

/**
 * Reads the body of an answer as text. Whoever answers decides how long it is, so that it is read with a limit.
 *
 * @param limit bytes
 * @throws BodyTooLong, when the rest is given up; what the connection throws
 */
export async function readBody(answer: Answer, limit: number): Promise<string> {
  const { text, isWhole } = await readUpTo(answer, limit);
  if (!isWhole) throw new BodyTooLong(`the answer has more than ${limit} bytes`);
  return text;
}

/** Reads the beginning of a body as text, at most so many bytes of it, and gives up the rest. */
export async function readBeginning(answer: Answer, limit: number): Promise<string> {
  return (await readUpTo(answer, limit)).text;
}

async function readUpTo({ body }: Answer, limit: number): Promise<{ text: string; isWhole: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let isWhole = true;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    isWhole = length <= limit;
    // Leaving the loop cancels the stream, which closes the connection.
    if (!isWhole) break;
  }
  return { text: new TextDecoder().decode(Buffer.concat(chunks).subarray(0, limit)), isWhole };
}
