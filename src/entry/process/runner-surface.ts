import { type InputName, inputs } from '../../interface/inputs/schema.ts';
import { type NameInput, nameForWorkflow } from '../../runtime/wording.ts';

/** Names inputs as a step of a workflow sets them, below `with:`. */
export const nameOnRunner: NameInput = (reference) => {
  const { input, sample } = reference;
  const named = nameForWorkflow(reference);
  const isSecret = Object.hasOwn(inputs, input) && inputs[input as InputName].secret === true;
  // A runner hands over an empty text for a secret that it does not have.
  return sample !== undefined && isSecret
    ? `If the step takes ${input} from a secret, that secret is empty or does not exist, or this run may not read it (one of a fork, or of Dependabot). ${named}`
    : named;
};
