/** What pg_restore says when the server refuses an entry. */
export interface Refusal {
  /** The entry's, in the table of contents */
  readonly id: number;
  /** The server's words */
  readonly message: string;
  /** Whether only the owner could not be set: the object is there and belongs to who made it. */
  readonly ofOwner: boolean;
}

/**
 * Finds the entry at which pg_restore ended with --exit-on-error. Undefined when it ended for another reason: the connection was lost,
 * the server is going down, the archive cannot be read. Its own words have to be English (LC_MESSAGES=C); those of the server may not be.
 */
export function findRefusal(stderr: string): Refusal | undefined {
  const [, id, rest = ''] = /^pg_restore: from TOC entry (\d+); .*?\n(.*)$/ms.exec(stderr) ?? [];
  const [, severity, message] = /error: could not execute query: (\S+): +(.*)/.exec(rest) ?? [];
  if (id === undefined || message === undefined || severity === 'FATAL' || severity === 'PANIC')
    return undefined;
  return {
    id: Number(id),
    message: message.trim(),
    ofOwner: /^Command was: ALTER [^;]+ OWNER TO [^;]+;\s*$/m.test(rest),
  };
}
