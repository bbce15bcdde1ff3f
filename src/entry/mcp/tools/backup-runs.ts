import * as v from 'valibot';
import { matching } from '../../../interface/inputs/values.ts';
import { defineTool } from '../tool.ts';
import { runSchema, tellRun, toRunFields, wait } from './run-fields.ts';

const parseRun = matching(/^[0-9a-f-]{36}$/, 'is no id of a run', 'Copy it from the answer that started it.');

export const backupRunShow = defineTool({
  name: 'backup_run_show',
  title: 'How a run stands',
  description:
    'Tells how the backups, drills and validations stand that were started here, newest first, and waits a while for the end of the one that is named.',
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  inputs: [],
  own: {
    run: {
      description: 'The id that its start answered; all of them where it is left out.',
      parse: parseRun,
    },
    ...wait,
  },
  output: { runs: v.array(runSchema) },
  async answer({ own, server: { runs }, request }) {
    const { run, 'wait-seconds': seconds } = own;
    const states =
      run === undefined ? runs.list() : [await runs.watch(run, seconds * 1000, request.mcpReq.signal)];
    return { value: { runs: states.map(toRunFields) } };
  },
});

export const backupRunStop = defineTool({
  name: 'backup_run_stop',
  title: 'Stop a run',
  description:
    'Stops a backup, drill or validation that was started here, as Ctrl-C does: what is incomplete never counts as a backup, locks are released, the scratch database is dropped.',
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  inputs: [],
  own: {
    run: { description: 'The id that its start answered.', default: '', parse: parseRun },
    ...wait,
  },
  output: runSchema.entries,
  async answer({ own, server: { runs }, request }) {
    runs.stop(own.run);
    const { value } = tellRun(await runs.watch(own.run, own['wait-seconds'] * 1000, request.mcpReq.signal));
    return { value };
  },
});
