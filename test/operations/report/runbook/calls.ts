import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A call of supabase-backup, as the shell makes it */
export interface Call {
  readonly words: readonly string[];
  /** Its own variables */
  readonly env: Readonly<Record<string, string>>;
}

const noted = `#!/bin/sh
{ for word; do printf '%s\\0' "$word"; done; printf '\\001'; env -0 | grep -z '^SUPABASE_BACKUP_'; printf '\\002'; } >>"$CALLS"
`;

/** Runs pieces of commands, each in a shell of its own, with programs that do nothing, and returns what is called. */
export function listCalls(pieces: readonly string[], env: Readonly<Record<string, string>>): Call[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'runbook-calls-'));
  try {
    const file = path.join(folder, 'calls');
    writeFileSync(file, '');
    writeFileSync(path.join(folder, 'supabase-backup'), noted, { mode: 0o755 });
    for (const program of ['psql', 'gh', 'aws', 'rclone', 'curl', 'age-keygen'])
      writeFileSync(path.join(folder, program), '#!/bin/sh\n', { mode: 0o755 });
    for (const input of pieces) {
      const given = { ...env, CALLS: file, PATH: `${folder}:/usr/bin:/bin` };
      const { status, stderr } = spawnSync('sh', { cwd: folder, env: given, input, encoding: 'utf8' });
      if (status !== 0 || stderr !== '') throw new Error(`${input}\n${stderr}`);
    }
    const calls = readFileSync(file, 'utf8').split('\u0002').slice(0, -1);
    return calls.map((call) => {
      const [words = '', variables = ''] = call.split('\u0001');
      const pairs = variables.split('\0').slice(0, -1);
      return {
        words: words.split('\0').slice(0, -1),
        env: Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s).slice(0, 2))),
      };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
