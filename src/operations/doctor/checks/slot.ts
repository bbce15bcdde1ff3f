import { tellFinding } from '../../../interface/findings/telling.ts';
import { openSession } from '../../../postgres/session/connection.ts';
import type { ConnectionSettings } from '../../../postgres/session/settings.ts';
import { formatBytes } from '../../../report/quantity.ts';
import type { Repository } from '../../../repository/open.ts';
import type { Context } from '../../../runtime/context.ts';
import { measureSlot, nameSlot } from '../../../source/changes/slot.ts';
import type { SlotState } from '../../../values/slot-look.ts';
import { findSlot } from '../../status/slot.ts';
import { type Examination, type Finding, failed, ok, unchecked, warning } from '../examination.ts';

/** Checks the slot of captures, whose name the repository tells; `status` judges it by the same. */
export async function checkSlot(
  examination: Examination,
  settings: ConnectionSettings,
  repository: Repository,
  context: Context,
): Promise<void> {
  await examination.run('slot', async (signal) => {
    const session = await openSession(settings, signal);
    try {
      const state = await measureSlot(session, nameSlot(repository));
      if (state === undefined)
        return unchecked('a standby does not know the replication slots of its primary');
      return judgeSlot(state, context.now());
    } finally {
      session.destroy();
    }
  });
}

function judgeSlot(state: SlotState | null, at: Date): Finding {
  if (state === null) return ok('there is none: nothing is captured');
  const trouble = findSlot({ at, state }, [])?.trouble;
  if (trouble === undefined)
    return ok(`${state.name} keeps ${formatBytes(state.retainedBytes)} of write-ahead log`);
  const { slot, since } = trouble;
  const seen = { slot, seenAt: at, since, limit: undefined };
  if (trouble.kind === 'lost') {
    const told = tellFinding<'slot-lost'>({
      ...{ kind: 'slot-lost', severity: 'broken', measured: undefined, ...seen },
    });
    return failed(told.sentence, told.remedy);
  }
  const { retainedBytes: measured, safeBytes } = trouble;
  const told = tellFinding<'slot-lag'>({
    ...{ kind: 'slot-lag', severity: 'warning', measured, safeBytes, ...seen },
  });
  return warning(told.sentence, told.remedy);
}
