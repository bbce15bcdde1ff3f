import { parse } from 'yaml';
import { workflowFiles } from '../plan/plan.ts';
import type { FileChange } from './files.ts';

/**
 * Databases whose changes the workflows captured until now, and do not any more: the slot of each stays on its server, which keeps its
 * write-ahead log from there on, until somebody drops it.
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
