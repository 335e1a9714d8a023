// The examples of the document are what real nodes answer, and there is one for every answer.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { JSON_TYPE, OPERATIONS, problemCodes } from '../../../src/api/openapi/document.ts';
import { type Example, type Examples, readExamples } from '../../../src/api/openapi/examples.ts';
import { problemKind } from '../../../src/api/problems.ts';
import { DOCUMENTED, validatorOf } from './document.ts';
import { takeExamples } from './examples.ts';
import { assertShape, isVolatile } from './shape.ts';

const RENEW = 'The examples are not what the nodes answer. Renew: npm run openapi';
const KEPT = readExamples();

let taken: Examples;

before(async () => {
  taken = await takeExamples();
});

test('what the nodes answer is what was kept', () => {
  assert.deepEqual(Object.keys(taken.operations), Object.keys(KEPT.operations), RENEW);
  for (const [id, examples] of Object.entries(taken.operations)) {
    const kept = KEPT.operations[id]!;
    assert.deepEqual(
      examples.map(({ name }) => name),
      kept.map(({ name }) => name),
      RENEW,
    );
    for (const [index, example] of examples.entries()) {
      const { name, answer, ...rest } = example;
      const { answer: keptAnswer, ...keptRest } = kept[index]!;
      assert.deepEqual(
        { name, ...rest, request: plain(rest.request) },
        { ...keptRest, request: plain(keptRest.request) },
        RENEW,
      );
      const place = `${id}, ${name}. ${RENEW}`;
      if (isVolatile(id, name)) assertShape(answer, keptAnswer, place);
      else assert.deepEqual(plain(answer), keptAnswer, place);
    }
  }
});

test('the problems that the nodes answer are those that were kept', () => {
  assert.deepEqual(Object.keys(taken.problems), Object.keys(KEPT.problems), RENEW);
  for (const [code, problem] of Object.entries(taken.problems)) {
    const { detail, ...rest } = problem;
    const { detail: keptDetail, ...keptRest } = KEPT.problems[code]!;
    assert.deepEqual(rest, keptRest, RENEW);
    assert.equal(typeof detail, typeof keptDetail);
  }
});

/** As it is read from a file: members that are undefined are not there. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}

test('every answer of every operation has an example', () => {
  for (const operation of OPERATIONS) {
    for (const [status, answer] of Object.entries(operation.answers)) {
      const examples = KEPT.operations[operation.id] ?? [];
      const { mediaType: first = JSON_TYPE, otherTypes = {} } = answer;
      for (const type of [first, ...Object.keys(otherTypes)]) {
        const isHeard = (one: Example) =>
          String(one.status) === status && (one.mediaType ?? first) === type;
        assert.ok(examples.some(isHeard), `${operation.id} ${status} ${type}`);
      }
    }
    const statuses = Map.groupBy(problemCodes(operation), (code) => problemKind(code).status);
    for (const [status, codes] of statuses) {
      const isHeard = codes.some((code) => KEPT.problems[code] !== undefined);
      assert.ok(isHeard, `${operation.id} ${status}: none of ${codes.join(', ')} was heard`);
    }
  }
});

test('the requests of the examples are as the document says', () => {
  for (const { id, body } of DOCUMENTED) {
    for (const { name, request } of KEPT.operations[id] ?? []) {
      if (request.body === undefined) continue;
      assert.ok(body !== undefined, `${id} takes a body`);
      assert.ok(validatorOf(body.schema).Check(request.body), `${id}, ${name}`);
    }
  }
});
