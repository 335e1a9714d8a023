// Members in the test's own process, and what tests ask of them.

import type { Candidacy, Coordinator } from '../../../src/ports/coordinator.ts';
import { until } from '../../support/until.ts';
import type { ClusterUnderTest, CoordinatorHarness } from './harness.ts';

export const FOREVER = new AbortController().signal;

/** Closes every member before the cluster goes. */
export class Members implements AsyncDisposable {
  readonly cluster: ClusterUnderTest;
  readonly #all: Coordinator[] = [];

  constructor(cluster: ClusterUnderTest) {
    this.cluster = cluster;
  }

  create(): Coordinator {
    const coordinator = this.cluster.create();
    this.#all.push(coordinator);
    return coordinator;
  }

  async join(id: string, detail = ''): Promise<Coordinator> {
    const coordinator = this.create();
    await coordinator.open({ id, detail }, FOREVER);
    return coordinator;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((coordinator) => coordinator.close()));
  }
}

export async function withMembers(
  harness: CoordinatorHarness,
  body: (members: Members) => Promise<void>,
): Promise<void> {
  await using cluster = await harness.make();
  await using members = new Members(cluster);
  await body(members);
}

export async function seesMembers(coordinator: Coordinator, ids: readonly string[]): Promise<void> {
  const wanted = ids.join(' ');
  await until(
    () =>
      coordinator
        .members()
        .map(({ id }) => id)
        .join(' ') === wanted,
    `members ${wanted}`,
  );
}

/** Whether a promise is settled, looked at without waiting for it. */
export function watch(promise: Promise<unknown>): { readonly isSettled: () => boolean } {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  promise.then(settle, settle);
  return { isSettled: () => isSettled };
}

export function isHeld(candidacy: Candidacy): boolean {
  return candidacy.heldUntilMs() > performance.now();
}
