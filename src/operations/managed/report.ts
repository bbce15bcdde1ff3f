import type { Outcome } from '../../interface/outcome.ts';
import { tellBroken } from '../sections/findings.ts';
import { describeBoth, tellFigures } from './figures.ts';
import { isSound, type Managed } from './result.ts';

export function describeManaged(managed: Managed): Outcome {
  return {
    exitCode: isSound(managed) ? 0 : 3,
    found: tellBroken(managed.findings),
    outputs: tellFigures(managed),
    report: describeBoth(managed),
  };
}
