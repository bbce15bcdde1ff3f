import type { Section } from '../../report/section.ts';
import { describeLayers } from '../managed/layers.ts';
import type { Status } from './result.ts';

/** Shows both layers, where the platform was asked for its own backups; nothing without. */
export function describePlatform({ managed }: Pick<Status, 'managed'>): Section[] {
  return managed === undefined ? [] : describeLayers(managed);
}
