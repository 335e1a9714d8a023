// What Ajv says about a body or a query, in the codes of this door.

import type { FastifySchemaValidationError } from 'fastify';
import type { InputError } from './problems.ts';
import type { InputCode } from './status-map.ts';
import { childPointer } from './strict-json.ts';

/** `context` is the part of the request that was validated: body, querystring, params. */
export function schemaErrors(
  errors: readonly FastifySchemaValidationError[],
  context: string | undefined,
): readonly InputError[] {
  return errors.map((error) =>
    context === 'querystring' ? queryError(error) : bodyError(error, error.instancePath),
  );
}

function queryError(error: FastifySchemaValidationError): InputError {
  const name = error.params['additionalProperty'];
  const parameter = typeof name === 'string' ? name : error.instancePath.slice(1);
  if (error.keyword === 'type') {
    return { parameter, code: 'query_parameter_repeated', detail: 'It is given more than once.' };
  }
  return { parameter, code: 'query_parameter_unknown', detail: 'There is no such parameter.' };
}

function bodyError(error: FastifySchemaValidationError, pointer: string): InputError {
  const params = error.params;
  switch (error.keyword) {
    case 'additionalProperties': {
      const place = childPointer(pointer, String(params['additionalProperty']));
      return { pointer: place, code: 'unknown_field', detail: 'There is no such member.' };
    }
    case 'required': {
      const place = childPointer(pointer, String(params['missingProperty']));
      return { pointer: place, code: 'field_required', detail: 'This member is missing.' };
    }
    case 'minItems':
      return { pointer, code: 'batch_empty', detail: 'The list is empty.' };
    case 'maxItems':
      return {
        pointer,
        code: 'batch_too_large',
        detail: `The list may have ${String(params['limit'])} elements.`,
      };
    case 'pattern':
      return { pointer, code: 'id_malformed', detail: 'An id is its prefix and 32 hex digits.' };
    default:
      return { pointer, code: otherCode(error.keyword), detail: `It ${error.message ?? ''}.` };
  }
}

function otherCode(keyword: string): InputCode {
  return keyword === 'type' ? 'field_wrong_type' : 'field_out_of_range';
}
