// What has gone through the HTTP door since it was made: for each route how many requests by
// status, and how long they took (RED: rate, errors, duration). Plain counters that belong to their
// route, so that a request costs no look-up; read when a scraper asks.

import type { FastifyInstance } from 'fastify';
import type { Readings } from '../telemetry/metrics.ts';

/** Seconds. */
const BOUNDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10] as const;
const BOUNDS_MS = BOUNDS.map((bound) => bound * 1000);

/** The route of requests that no route answers. */
const NO_ROUTE = 'none';

class RouteTraffic {
  readonly method: string;
  readonly route: string;
  /** By status. */
  readonly answered = new Map<number, number>();
  /** Of each bound those above the one before; the last: above all bounds. */
  readonly durations = new Float64Array(BOUNDS.length + 1);
  sumMs = 0;

  constructor(method: string, route: string) {
    this.method = method;
    this.route = route;
  }

  observe(status: number, ms: number): void {
    this.answered.set(status, (this.answered.get(status) ?? 0) + 1);
    let bound = 0;
    while (bound < BOUNDS_MS.length && ms > BOUNDS_MS[bound]!) bound++;
    this.durations[bound]! += 1;
    this.sumMs += ms;
  }
}

export class HttpTraffic {
  readonly #routes: RouteTraffic[] = [];
  readonly #unrouted = new RouteTraffic('any', NO_ROUTE);

  /** Must be called before the routes are registered. */
  watch(app: FastifyInstance): void {
    app.addHook('onRoute', (route) => {
      const traffic = new RouteTraffic([route.method].flat().join('|'), route.url);
      this.#routes.push(traffic);
      // The framework makes the HEAD of a GET from its settings: a route of its own, counted once.
      route.onResponse = (_request, reply, done) => {
        traffic.observe(reply.statusCode, reply.elapsedTime);
        done();
      };
    });
    app.addHook('onRequest', (request, reply, done) => {
      if (request.is404) {
        const startMs = performance.now();
        reply.raw.once('finish', () => {
          this.#unrouted.observe(reply.statusCode, performance.now() - startMs);
        });
      }
      done();
    });
  }

  readings(): Readings {
    const all = (): readonly RouteTraffic[] => [...this.#routes, this.#unrouted];
    return [
      {
        type: 'counter',
        name: 'holdfast_http_requests_total',
        help: 'Requests answered over HTTP since start, by route and status.',
        labelNames: ['method', 'route', 'status'],
        read: () =>
          all().flatMap(({ method, route, answered }) =>
            [...answered].map(([status, value]) => ({
              labels: { method, route, status: String(status) },
              value,
            })),
          ),
      },
      {
        type: 'histogram',
        name: 'holdfast_http_request_duration_seconds',
        help: 'From the head of a request over HTTP until its answer was handed to the network.',
        labelNames: ['method', 'route'],
        bounds: BOUNDS,
        // Routes that nobody has asked would be a thousand lines of zeros.
        read: () =>
          all()
            .filter(({ answered }) => answered.size > 0)
            .map(({ method, route, durations, sumMs }) => ({
              labels: { method, route },
              counts: durations,
              sum: sumMs / 1000,
            })),
      },
    ];
  }
}
