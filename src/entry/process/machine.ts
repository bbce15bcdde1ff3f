import type { Context } from '../../runtime/context.ts';

/** The part of a `Context` that is the same in every run: what this machine lets in. */
export const machine: Pick<Context, 'env' | 'now' | 'random' | 'limitInherited'> = {
  env: process.env,
  now: () => new Date(),
  random: () => Math.random(),
  limitInherited,
};

/** Programs that libraries start take all that `process.env` lists. It lists less meanwhile; what is asked for by its name is still there. */
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
    // Something that was given up may come to its end later than what was begun since.
    if (process.env === veiled) process.env = env;
  }
}
