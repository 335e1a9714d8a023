// Requests that no route answers: 405 with Allow where the address is known under other methods,
// 404 where it is not. Asked only after routing has failed, so it costs other requests nothing.

import type { FastifyInstance, FastifySchema } from 'fastify';
import { ApiProblem } from './problems.ts';

export type Unrouted = (path: string) => ApiProblem;

/** `/v1/accounts/:id` under one method. */
export type ServerRoute = {
  readonly method: string;
  readonly url: string;
  readonly schema: FastifySchema;
};

export type Routes = {
  readonly unrouted: Unrouted;
  /** All that were registered so far. */
  readonly routes: readonly ServerRoute[];
};

/** Must be called before the routes are registered: it takes note of them. */
export function rememberRoutes(app: FastifyInstance): Routes {
  const routes: ServerRoute[] = [];
  const methodsByPattern = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method, schema = {} }) => {
    for (const name of [method].flat()) routes.push({ method: name, url, schema });
    const pattern = `^${url.replaceAll(/:[a-z]+/g, '[^/]+')}$`;
    const methods = methodsByPattern.get(pattern) ?? new Set();
    for (const name of [method].flat()) methods.add(name);
    methodsByPattern.set(pattern, methods);
  });
  const unrouted: Unrouted = (path) => {
    const allowed = new Set<string>();
    for (const [pattern, methods] of methodsByPattern) {
      if (new RegExp(pattern).test(path)) for (const name of methods) allowed.add(name);
    }
    if (allowed.size === 0) return new ApiProblem('route_not_found');
    return new ApiProblem('method_not_allowed', { allow: [...allowed].sort().join(', ') });
  };
  return { unrouted, routes };
}
