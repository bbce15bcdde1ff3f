import { parse } from 'yaml';
import { workflowFiles } from '../plan/plan.ts';
import type { FileChange } from './files.ts';

/**
 * Finds databases whose changes the workflows no longer capture. The slot of each stays on its server, which
 * retains write-ahead log for it until a person drops the slot.
 */
export function findEndedCaptures(changes: readonly FileChange[]): string[] {
  const change = changes.find(({ file }) => file === workflowFiles.capture);
  if (change === undefined || !['update', 'remove'].includes(change.state)) return [];
  const left = listCaptured(change.after);
  return listCaptured(change.before).filter((database) => !left.includes(database));
}

function listCaptured(workflow: string): string[] {
  const { jobs = {} } = (parse(workflow) ?? {}) as { jobs?: object };
  return Object.keys(jobs).flatMap((id) => /^(.+)-capture$/.exec(id)?.[1] ?? []);
}
