// The cluster as a client sees and steers it (docs/reference/cluster.md). Answers are in the
// node's own words. What is asked for may be sent again after a lost answer: pausing twice is
// pausing once, and a hand-over names its target, so that whoever leads already refuses a second.

import type { CallOptions, Transport } from './transport.ts';
import type { JsonObject } from './wire.ts';

export type ClusterApi = {
  view(options?: CallOptions): Promise<JsonObject>;
  /** Terms of leadership, newest first; 1 to 1000. */
  history(limit: number, options?: CallOptions): Promise<JsonObject>;
  switchover(target: string, options?: CallOptions): Promise<JsonObject>;
  pause(reason: string, options?: CallOptions): Promise<JsonObject>;
  resume(options?: CallOptions): Promise<JsonObject>;
};

export function clusterApi(transport: Transport): ClusterApi {
  const read = async (path: string, call: CallOptions | undefined): Promise<JsonObject> => {
    const answer = await transport.send({ ...call, method: 'GET', kind: 'read', path });
    return answer.body as JsonObject;
  };
  const act = async (
    name: string,
    body: JsonObject,
    call: CallOptions | undefined,
  ): Promise<JsonObject> => {
    const path = `/v1/cluster/${name}`;
    const answer = await transport.send({ ...call, method: 'POST', kind: 'write', path, body });
    return answer.body as JsonObject;
  };
  return {
    view: (call) => read('/v1/cluster', call),
    history: (limit, call) => read(`/v1/cluster/history?limit=${limit}`, call),
    switchover: (target, call) => act('switchover', { target }, call),
    pause: (reason, call) => act('pause', { reason }, call),
    resume: (call) => act('resume', {}, call),
  };
}
