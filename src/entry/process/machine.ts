import type { Context } from '../../runtime/context.ts';

/** The part of a `Context` that comes from this machine and is the same in every run */
export const machine: Pick<Context, 'env' | 'now' | 'random' | 'limitInherited'> = {
  env: process.env,
  now: () => new Date(),
  random: () => Math.random(),
  limitInherited,
};

/**
 * Limits what programs that libraries start inherit: while `body` runs, `process.env` lists only these
 * variables. A variable that is asked for by its name is still there.
 */
async function limitInherited<T>(isInherited: (name: string) => boolean, body: () => Promise<T>): Promise<T> {
  const { env } = process;
  const veiled = new Proxy(env, {
    ownKeys: (all) => Reflect.ownKeys(all).filter((name) => typeof name === 'string' && isInherited(name)),
    set: (all, name, value) => Reflect.set(all, name, value),
  });
  process.env = veiled;
  try {
    return await body();
  } finally {
    // A `body` that was given up may end after another one has begun.
    if (process.env === veiled) process.env = env;
  }
}
