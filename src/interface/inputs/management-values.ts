import { projectRefPattern } from '../../values/project-ref.ts';
import { matching } from './values.ts';

/* Values of the platform that an input and a policy hold alike. */

/** @throws Problem when the text names no project */
export const parseProjectRef = matching(
  projectRefPattern,
  'is not the name of a project',
  'Write the twenty lower-case letters in the URL of its dashboard.',
);

/** @throws Problem when the text is no token that a header could hold; its shape is not checked */
export const parseToken = matching(
  /^[\x21-\x7e]{1,4000}$/,
  'contains a space, a line break or a character that an HTTP header cannot have',
  'Copy only the token, as the dashboard shows it.',
);
