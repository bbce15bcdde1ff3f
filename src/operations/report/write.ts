import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { tellFinding } from '../../interface/findings/telling.ts';
import type { ReportInputs } from '../../interface/inputs/types.ts';
import type { Context } from '../../runtime/context.ts';
import { ConfigurationError } from '../../runtime/errors.ts';
import { replaceFile } from '../../runtime/replaced-file.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import { refuseInside } from '../../storage/folder-path.ts';
import { listStorages } from '../schedule/storages.ts';
import { isHealthy } from '../status/result.ts';
import type { ReportedDatabase } from './facts.ts';
import { tellUnreadable, withoutNames } from './publicity.ts';
import { readReportFacts } from './read.ts';
import { renderers } from './renderers.ts';
import type { DatabaseVerdict, WrittenReport } from './result.ts';

/** What one of these reports says of people and places is for its user alone. */
const privateFile = 0o600;
const privateFolder = 0o700;

/**
 * Reads all that is known of the databases, and writes the report about them. Changes neither databases nor
 * backups.
 *
 * @throws ConfigurationError when the output cannot be written, or lies in a storage: the latter before anything is
 *   read
 */
export async function writeReport(inputs: ReportInputs, context: Context): Promise<WrittenReport> {
  const renderer = renderers[inputs.kind];
  const output = inputs.output ?? renderer.output;
  await refuseInside(output, 'output', await listStorages(inputs, context));
  const facts = await readReportFacts(inputs, context);
  const texts =
    renderer.form === 'file'
      ? new Map([[output, renderer.render(facts)]])
      : new Map([...renderer.render(facts)].map(([name, text]) => [path.join(output, name), text]));
  if (renderer.form === 'folder') await makeFolder(output);
  for (const [file, text] of texts)
    await replaceFile(file, text, { input: 'output', mode: privateFile }, context);
  return {
    kind: inputs.kind,
    path: output,
    files: texts.size,
    bytes: [...texts.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0),
    databases: facts.databases.map((database) => toVerdict(database, facts.isPublic)),
  };
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: privateFolder });
  } catch (cause) {
    throw new ConfigurationError(
      say`${nameInput('output')}: the folder ${JSON.stringify(folder)} cannot be made`,
      'Write the path of a folder that this user may write to.',
      cause,
    );
  }
}

function toVerdict(database: ReportedDatabase, isPublic: boolean): DatabaseVerdict {
  const { name } = database;
  if (database.kind === 'unreadable')
    return { name, verdict: 'unreadable', broken: [tellUnreadable(database.why, isPublic)] };
  const { status } = database;
  const broken = status.findings.filter(({ severity }) => severity === 'broken');
  return {
    name,
    verdict: isHealthy(status) ? 'healthy' : 'broken',
    broken: broken.map((finding) => tellFinding(isPublic ? withoutNames(finding) : finding).sentence),
  };
}
