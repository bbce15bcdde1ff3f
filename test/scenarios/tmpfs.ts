import { spawnSync } from 'node:child_process';

export interface Tmpfs {
  /** Changes the options, `size=64m` for one. */
  remount(options: string): void;
  unmount(): void;
}

/** Mounts a small disk on an existing folder; undefined where this process may not. */
export function mountTmpfs(folder: string, options: string): Tmpfs | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const mount = (given: string) => spawnSync('mount', ['-t', 'tmpfs', '-o', given, 'tmpfs', folder]);
  if (mount(options).status !== 0) return undefined;
  return {
    remount(changed) {
      const { status, stderr } = mount(`remount,${changed}`);
      if (status !== 0) throw new Error(`cannot remount ${folder}: ${stderr}`);
    },
    unmount() {
      spawnSync('umount', ['--lazy', folder]);
    },
  };
}
