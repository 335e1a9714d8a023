// Operations on the node and its cluster: how it is, who leads, checkpoints, and this document.

import { Type } from 'typebox';
import {
  CheckpointList,
  CheckpointTakenAnswer,
  ClusterAnswer,
  LeaderAnswer,
  LiveAnswer,
  PauseRequest,
  ReadyAnswer,
  ReplicaAnswer,
  StatusAnswer,
  SteeredAnswer,
  SwitchoverAnswer,
  SwitchoverRequest,
  TermList,
} from '../answer-schemas.ts';
import { TermsQuery } from '../query-schemas.ts';
import { NoQuery, NothingRequest } from '../schemas.ts';
import { type Method, type Operation, type OperationAnswer, booked } from './operation.ts';
import { IF_NONE_MATCH_HEADER, LAG, TERMS_LIMIT } from './parameters.ts';
import { BODY, OPTIONAL_BODY } from './problem-codes.ts';

export const CHECKPOINT_OPERATIONS: readonly Operation[] = [
  {
    id: 'takeCheckpoint',
    method: 'post',
    path: '/v1/checkpoints',
    tag: 'Checkpoints',
    summary: 'Take a checkpoint of the present position',
    description:
      'Answers when it is durable; payments go on meanwhile. Where nothing has happened since the last one, that one is the answer.',
    access: 'key',
    query: NoQuery,
    body: { schema: NothingRequest, optional: true },
    answers: { 200: booked('The checkpoint.', CheckpointTakenAnswer) },
    problems: [...OPTIONAL_BODY, 'not_ready', 'checkpoint_failed', 'checkpoint_corrupt'],
  },
  {
    id: 'listCheckpoints',
    method: 'get',
    path: '/v1/checkpoints',
    tag: 'Checkpoints',
    summary: 'The checkpoints of this node',
    access: 'key',
    query: NoQuery,
    answers: {
      200: { description: 'Those that can be read, newest first.', schema: CheckpointList },
    },
    problems: ['not_ready', 'checkpoint_failed', 'checkpoint_corrupt'],
  },
];

export const CLUSTER_OPERATIONS: readonly Operation[] = [
  {
    id: 'getCluster',
    method: 'get',
    path: '/v1/cluster',
    tag: 'Cluster',
    summary: 'Members, leader, failover, coordinator',
    description: 'A node that runs alone is shown as a cluster of one.',
    access: 'key',
    query: NoQuery,
    answers: { 200: { description: 'As this node sees it.', schema: ClusterAnswer } },
    problems: [],
  },
  {
    id: 'listTerms',
    method: 'get',
    path: '/v1/cluster/history',
    tag: 'Cluster',
    summary: 'Who led when, and why',
    access: 'key',
    query: TermsQuery,
    queryParameters: { limit: TERMS_LIMIT },
    answers: { 200: { description: 'Newest first.', schema: TermList } },
    problems: ['field_out_of_range', 'node_runs_alone'],
  },
  {
    id: 'switchOver',
    method: 'post',
    path: '/v1/cluster/switchover',
    tag: 'Cluster',
    summary: 'Hand the leadership over',
    description: 'To `target`, or to the standby that is furthest. Payments see a short pause.',
    access: 'key',
    query: NoQuery,
    body: { schema: SwitchoverRequest, optional: true },
    answers: { 200: { description: 'It was handed over.', schema: SwitchoverAnswer } },
    problems: [
      ...OPTIONAL_BODY,
      'field_out_of_range',
      'node_runs_alone',
      'switchover_refused',
      'not_ready',
      'outcome_unknown',
      'shutting_down',
    ],
  },
  {
    id: 'pauseFailover',
    method: 'post',
    path: '/v1/cluster/pause',
    tag: 'Cluster',
    summary: 'Switch failover off',
    description: 'No money waits: payments go on, but a lost leader is not replaced.',
    access: 'key',
    query: NoQuery,
    body: { schema: PauseRequest },
    answers: { 200: { description: 'What is so now.', schema: SteeredAnswer } },
    problems: [...BODY, 'field_out_of_range', 'node_runs_alone'],
  },
  {
    id: 'resumeFailover',
    method: 'post',
    path: '/v1/cluster/resume',
    tag: 'Cluster',
    summary: 'Switch failover on again',
    access: 'key',
    query: NoQuery,
    body: { schema: NothingRequest, optional: true },
    answers: { 200: { description: 'What is so now.', schema: SteeredAnswer } },
    problems: [...OPTIONAL_BODY, 'node_runs_alone'],
  },
];

/** All that is answered where the document or its page is asked for. */
const DocumentAnswer = Type.Object(
  {
    openapi: Type.String({ pattern: '^3\\.1\\.' }),
    info: Type.Object({}, { additionalProperties: true }),
    paths: Type.Object({}, { additionalProperties: true }),
  },
  { additionalProperties: true },
);

export const NODE_OPERATIONS: readonly Operation[] = [
  {
    id: 'getStatus',
    method: 'get',
    path: '/v1/status',
    tag: 'Node',
    summary: 'How the node and its books are',
    description: 'Answered in every role; `books` is null before they are restored.',
    access: 'key',
    query: NoQuery,
    answers: { 200: booked('The status.', StatusAnswer) },
    problems: [],
  },
  {
    id: 'getMetrics',
    method: 'get',
    path: '/metrics',
    tag: 'Node',
    summary: 'Metrics for Prometheus',
    access: 'key',
    query: NoQuery,
    answers: {
      200: { description: 'Prometheus text.', schema: Type.String(), mediaType: 'text/plain' },
    },
    problems: [],
  },
  {
    id: 'getOpenApi',
    method: 'get',
    path: '/v1/openapi.json',
    tag: 'Node',
    summary: 'This document',
    access: 'key',
    query: NoQuery,
    headers: { 'If-None-Match': IF_NONE_MATCH_HEADER },
    answers: {
      200: { description: 'OpenAPI 3.1.', schema: DocumentAnswer, headers: ['ETag'] },
      304: { description: 'It is still the one that you have.', headers: ['ETag'] },
    },
    problems: [],
  },
  {
    id: 'getDocsPage',
    method: 'get',
    path: '/docs',
    tag: 'Node',
    summary: 'This document as a page',
    description:
      'For browsers, which cannot send a bearer key by themselves: the key is also taken as the password of HTTP Basic, under any user name. Nothing but this page takes it so.',
    access: 'browser',
    query: NoQuery,
    headers: { 'If-None-Match': IF_NONE_MATCH_HEADER },
    answers: {
      200: {
        description: 'A page without anything from elsewhere.',
        schema: Type.String(),
        mediaType: 'text/html',
        headers: ['ETag'],
      },
      304: { description: 'It is still the one that you have.', headers: ['ETag'] },
    },
    problems: [],
  },
];

type Probe = Pick<Operation, 'access' | 'path' | 'summary' | 'queryParameters' | 'problems'> & {
  readonly id: string;
  readonly answers: { readonly [status: number]: OperationAnswer };
};

const PROBES: readonly Probe[] = [
  {
    id: 'livez',
    path: '/livez',
    access: 'open',
    summary: 'Whether the process answers',
    answers: { 200: { description: 'It does; nothing else is looked at.', schema: LiveAnswer } },
    problems: [],
  },
  {
    id: 'readyz',
    path: '/readyz',
    access: 'open',
    summary: 'Whether requests may be sent here',
    answers: {
      200: { description: 'They may.', schema: ReadyAnswer },
      503: { description: 'They may not; `checks` says why.', schema: ReadyAnswer },
    },
    problems: [],
  },
  {
    id: 'leader',
    path: '/leader',
    access: 'key',
    summary: 'Whether this node leads and takes payments',
    answers: {
      200: { description: 'It does.', schema: LeaderAnswer },
      503: { description: 'It does not; `leads` says who does.', schema: LeaderAnswer },
    },
    problems: [],
  },
  {
    id: 'replica',
    path: '/replica',
    access: 'key',
    summary: 'Whether this node follows closely',
    queryParameters: { lag: LAG },
    answers: {
      200: { description: 'It follows, at most `lag` positions behind.', schema: ReplicaAnswer },
      503: { description: 'It leads, or is further behind.', schema: ReplicaAnswer },
    },
    problems: ['field_out_of_range'],
  },
];

function probe({ id, ...rest }: Probe, method: Method): Operation {
  const name = id[0]!.toUpperCase() + id.slice(1);
  const description =
    'For load balancers; GET, HEAD and OPTIONS alike. Query parameters that it does not know are passed over.';
  return {
    ...rest,
    id: `${method === 'get' ? 'probe' : 'options'}${name}`,
    method,
    tag: 'Probes',
    description,
  };
}

export const PROBE_OPERATIONS: readonly Operation[] = PROBES.flatMap((one) => [
  probe(one, 'get'),
  probe(one, 'options'),
]);
