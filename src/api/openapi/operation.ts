// What the document knows of one operation. The list of them is compared with the routes of the
// server by a test, both ways, and so are the schemas that a route validates with.

import type { TObject, TSchema } from 'typebox';
import type { ProblemCode } from '../problems.ts';
import type { Parameter } from './parameters.ts';

export type Method = 'get' | 'put' | 'post' | 'options';

export type OperationAnswer = {
  readonly description: string;
  /** Undefined = no body. */
  readonly schema?: TSchema;
  /** Another than application/json. */
  readonly mediaType?: string;
  /** What else it can be asked for as, by media type. */
  readonly otherTypes?: { readonly [mediaType: string]: TSchema };
  /** Headers beside those that every answer carries. */
  readonly headers?: readonly string[];
};

export type Operation = {
  /** lowerCamelCase, unique: generators of clients make names of it. */
  readonly id: string;
  readonly method: Method;
  /** `/v1/accounts/{id}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** `open` = without key; `browser` = the key also as the password of HTTP Basic. */
  readonly access: 'key' | 'browser' | 'open';
  /** The schema of each name in the path. */
  readonly pathParameters?: { readonly [name: string]: { description: string; schema: TSchema } };
  /** The schema that the route validates the query with; its names stand in parameters.ts. */
  readonly query?: TObject;
  /** Parameters whose range differs from that of the same name elsewhere. */
  readonly queryParameters?: { readonly [name: string]: Parameter };
  readonly headers?: { readonly [name: string]: Parameter };
  readonly body?: { readonly schema: TSchema; readonly optional?: boolean };
  /** By status. */
  readonly answers: { readonly [status: number]: OperationAnswer };
  readonly problems: readonly ProblemCode[];
};

const POSITION = 'Holdfast-Position';

/** An answer that reflects a position of the books. */
export function booked(description: string, schema: TSchema): OperationAnswer {
  return { description, schema, headers: [POSITION] };
}
