import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Entry, entryBody } from '../base/entry.ts';
import { COMMAND_FRAME_BYTES, ENTRY_HEADER_BYTES } from '../base/limits.ts';
import { encodeTransfers } from '../base/transfer-record.ts';
import { type Command, readCommands, transfersCommand } from '../domain/commands.ts';
import { CREATED, REFUSAL } from '../domain/refusals.ts';
import { MemoryLog } from '../drivers/memory/memory-log.ts';
import { FOREVER, codesOf, openBooks, startNode, transfer } from '../../test/support/engine-rig.ts';
import { newPayloadRoom, takeRoomOf } from './entry-room.ts';

const FREE_BYTES = ENTRY_HEADER_BYTES + COMMAND_FRAME_BYTES;

function roomyCommand(): Command {
  const records = encodeTransfers([transfer(), transfer()]);
  const payload = newPayloadRoom(records.byteLength);
  payload.set(records);
  return transfersCommand(payload);
}

function payloadsOf(entry: Entry | undefined): Uint8Array[] {
  assert.ok(entry !== undefined);
  return readCommands(entryBody(entry), entry.commandCount).map(({ payload }) => payload);
}

test('a payload in a room becomes its entry without a copy', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  const command = roomyCommand();
  const before = Uint8Array.from(command.payload);
  const result = await rig.node.submit(command, FOREVER);
  assert.deepEqual(codesOf([result]), [CREATED, CREATED]);
  const entry = log.at(log.end - 1);
  assert.equal(entry?.bytes.buffer, command.payload.buffer);
  assert.deepEqual(payloadsOf(entry), [before]);
});

test('a room is taken once: the same payload again is copied', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  const command = roomyCommand();
  await rig.node.submit(command, FOREVER);
  const first = log.at(log.end - 1);
  const sealed = Uint8Array.from(first?.bytes ?? []);
  const again = await rig.node.submit(command, FOREVER);
  assert.deepEqual(codesOf([again]), [REFUSAL.exists, REFUSAL.exists]);
  assert.deepEqual(Uint8Array.from(first?.bytes ?? []), sealed);
  assert.notEqual(log.at(log.end - 1)?.bytes.buffer, command.payload.buffer);
});

test('commands that share an entry are copied into it', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  const commands = [roomyCommand(), roomyCommand()];
  const results = await Promise.all(commands.map((one) => rig.node.submit(one, FOREVER)));
  assert.deepEqual(codesOf(results), [CREATED, CREATED, CREATED, CREATED]);
  const payloads = commands.map(({ payload }) => Uint8Array.from(payload));
  assert.deepEqual(payloadsOf(log.at(log.end - 1)), payloads);
});

test('a view that only happens to stand where a room has its payload is left alone', () => {
  const chunk = new Uint8Array(FREE_BYTES + 128).fill(7);
  assert.equal(takeRoomOf(chunk.subarray(FREE_BYTES)), undefined);
  const payload = newPayloadRoom(256);
  assert.equal(takeRoomOf(payload.subarray(0, 128)), undefined);
  assert.equal(takeRoomOf(payload.subarray(128)), undefined);
  assert.equal(takeRoomOf(payload)?.byteLength, FREE_BYTES + 256);
  assert.equal(takeRoomOf(payload), undefined);
});
