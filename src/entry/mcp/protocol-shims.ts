import process from 'node:process';
import type { JsonSchemaValidator, jsonSchemaValidator } from '@modelcontextprotocol/server';

/*
 * What `@modelcontextprotocol/server` asks of a platform. The bundle has this in place of the library's own
 * choice for Node (scripts/build.ts), which brings a validator of JSON Schema as large as the rest of it.
 */

/**
 * Lets no value pass. Arguments and answers are checked by schemas of their own, and answers of people by the
 * code that asked: whatever else would be checked by a JSON Schema here, nobody has thought of.
 */
export class DefaultJsonSchemaValidator implements jsonSchemaValidator {
  getValidator<T>(): JsonSchemaValidator<T> {
    return () => ({ valid: false, data: undefined, errorMessage: 'nothing is checked by JSON Schema here' });
  }
}

export { process };
