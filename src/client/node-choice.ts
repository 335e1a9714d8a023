// Which of several nodes a client asks next. The order is the caller's preference; a node that
// failed rests for a while (twice as long after each failure) and is asked last until then. When
// its rest ends, one caller tries it and the others wait for what he finds.

export type NodeChoiceOptions = {
  /** Begin at a node chosen at random, so that many clients use all of them. */
  readonly spread?: boolean;
  readonly restMs?: number;
  readonly restMsMax?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
};

/** One node as a client knows it. */
export type NodePlace = {
  readonly url: string;
  /** Since it worked last. */
  readonly failures: number;
  readonly failedMs: number;
  readonly restsUntilMs: number;
};

type Place = { -readonly [Key in keyof NodePlace]: NodePlace[Key] };

const REST_MS_DEFAULT = 1_000;
const REST_MS_MAX_DEFAULT = 15_000;

export class NodeChoice {
  readonly #options: Required<NodeChoiceOptions>;
  #places: Place[] = [];

  /** Throws a RangeError where there is no address at all. */
  constructor(urls: readonly string[], options: NodeChoiceOptions = {}) {
    if (urls.length === 0) throw new RangeError('A client wants at least one address.');
    this.#options = {
      spread: options.spread ?? false,
      restMs: options.restMs ?? REST_MS_DEFAULT,
      restMsMax: options.restMsMax ?? REST_MS_MAX_DEFAULT,
      now: options.now ?? (() => performance.now()),
    };
    this.replace(urls);
  }

  get count(): number {
    return this.#places.length;
  }

  /** In the order of preference. */
  get urls(): string[] {
    return this.#places.map(({ url }) => url);
  }

  /** Forgets all and takes these. */
  replace(urls: readonly string[]): void {
    this.#places = [];
    this.add(urls);
    if (!this.#options.spread) return;
    const first = Math.floor(Math.random() * this.count);
    this.#places = [...this.#places.slice(first), ...this.#places.slice(0, first)];
  }

  /** Takes in those that are not known, behind all others. */
  add(urls: readonly string[]): void {
    const known = new Set(this.#places.map(({ url }) => new URL(url).href));
    for (const url of urls) {
      const { href } = new URL(url);
      if (known.has(href)) continue;
      known.add(href);
      this.#places.push({ url, failures: 0, failedMs: -Infinity, restsUntilMs: -Infinity });
    }
  }

  /** How many are not among `tried`. */
  left(tried: ReadonlySet<NodePlace>): number {
    return this.#places.filter((place) => !tried.has(place)).length;
  }

  /** The one to ask now; where `tried` holds all of them, as if it held none. */
  next(tried: ReadonlySet<NodePlace>): NodePlace {
    const left = this.#places.filter((place) => !tried.has(place));
    const places = left.length > 0 ? left : this.#places;
    const nowMs = this.#options.now();
    const rested = places.find(({ restsUntilMs }) => restsUntilMs <= nowMs);
    if (rested === undefined) return places.toSorted((a, b) => a.failedMs - b.failedMs)[0]!;
    if (rested.failures > 0) rested.restsUntilMs = nowMs + this.#restMs(rested);
    return rested;
  }

  /** An attempt that began at `sinceMs` failed. Many that fail together are one failure. */
  failed(place: NodePlace, sinceMs: number): void {
    const own = this.#places.find((other) => other === place);
    if (own === undefined || sinceMs < own.failedMs) return;
    own.failures++;
    own.failedMs = this.#options.now();
    own.restsUntilMs = own.failedMs + this.#restMs(own);
  }

  worked(place: NodePlace): void {
    if (place.failures === 0) return;
    const own = this.#places.find((other) => other === place);
    if (own === undefined) return;
    own.failures = 0;
    own.restsUntilMs = -Infinity;
  }

  #restMs({ failures }: NodePlace): number {
    const { restMs, restMsMax } = this.#options;
    return Math.min(restMsMax, restMs * 2 ** (failures - 1));
  }
}
