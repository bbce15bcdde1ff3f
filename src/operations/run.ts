import type { Inputs } from '../inputs.ts';
import type { World } from '../world.ts';
import type { Outcome } from './outcome.ts';

/** Runs the operation that the inputs name. Throws the errors of `errors.ts`; anything else thrown is a defect of ours. */
export async function run(inputs: Inputs, world: World): Promise<Outcome> {
  switch (inputs.operation) {
    case 'backup': {
      const { backup } = await import('./backup.ts');
      return backup(inputs, world);
    }
    case 'validate': {
      const { validate } = await import('./validate.ts');
      return validate(inputs, world);
    }
    case 'restore': {
      const { restore } = await import('./restore.ts');
      return restore(inputs, world);
    }
  }
}
