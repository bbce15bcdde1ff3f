import type { Validation } from '../../../operations/validate/result.ts';
import { isSound } from '../../../operations/validate/result.ts';
import { tellValidation } from '../../../operations/validate/validate.ts';
import { fileCertificates } from '../../../postgres/session/root-certificates.ts';
import { defineTool } from '../tool.ts';
import { take } from './fields.ts';
import { parseFor } from './parsed-inputs.ts';
import { type RunResult, runSchema, startRun, wait } from './run-fields.ts';

const mostDamages = 50;

export const backupValidate = defineTool({
  name: 'backup_validate',
  title: 'Read backups back',
  description:
    'Reads back what is stored and checks it, byte by byte: needs no database, changes no backup, and records what it found. It reads as much as `share` says, which a storage may bill. ' +
    'Waits a while for its end; where it still runs, ask with backup_run_show.',
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  inputs: ['backup-id', 'share'],
  defaults: { 'backup-id': 'latest' },
  own: wait,
  output: runSchema.entries,
  async answer(call) {
    const inputs = parseFor('validate', call);
    return startRun<'validate'>(call, inputs, call.own['wait-seconds'], async (context) => {
      const { result, outcome } = await tellValidation(fileCertificates(inputs, context), context);
      return { result: toFields(result), outcome };
    });
  },
});

function toFields(validation: Validation): RunResult {
  const { backups, broken, objects, objectsChecked, read, encryption, damages, unread } = validation;
  const { shown, more } = take([...damages, ...unread], mostDamages);
  return {
    ...{ operation: 'validate', sound: isSound(validation), backups, objects, objectsChecked },
    ...{ damagedBackups: [...broken], bytesRead: read, opened: encryption !== 'sealed' },
    damages: shown.map(({ backup, part, how }) => ({ backup, part, how })),
    moreDamages: more,
  };
}
