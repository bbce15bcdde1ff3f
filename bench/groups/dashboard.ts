import { join } from 'node:path';
import { formatDuration } from '../../src/report/quantity.ts';
import type { Group } from '../contender.ts';
import { root, type Workshop } from '../workshop.ts';

/** The page of a repository with years of backups in it. */
export function createDashboardGroup({ scratch }: Workshop, scale: number): Group {
  const backups = Math.max(1, Math.round(5000 * scale));
  return {
    id: 'dashboard',
    title: `Dashboard of ${backups.toLocaleString('en-US')} backups`,
    note: 'The facts are made up, and the process has to start and make them; the phase is what rendering took of it.',
    contenders: [
      {
        id: 'dashboard',
        name: 'report',
        command: {
          file: process.execPath,
          args: [join(root, 'bench/rendering.ts'), String(backups), join(scratch, 'dashboard.html')],
          env: {},
        },
        inspect: async (stdout) => {
          const { milliseconds, bytes } = JSON.parse(stdout);
          return { storedBytes: bytes, phases: { render: formatDuration(milliseconds) } };
        },
      },
    ],
    baselines: [],
    targets: [
      { kind: 'seconds', contender: 'dashboard', mostSeconds: 3 },
      { kind: 'memory', contender: 'dashboard', mostBytes: 512e6 },
    ],
  };
}
