import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Entry, entryBody, readEntry } from '../base/entry.ts';
import { COMMAND_FRAME_BYTES, ENTRY_HEADER_BYTES } from '../base/limits.ts';
import { encodeTransfers } from '../base/transfer-record.ts';
import { type Command, readCommands, transfersCommand } from '../domain/commands.ts';
import { CREATED } from '../domain/refusals.ts';
import { MemoryLog } from '../drivers/memory/memory-log.ts';
import { sha256 } from '../recovery/replica.ts';
import {
  FOREVER,
  codesOf,
  openBooks,
  pay,
  startNode,
  transfer,
} from '../../test/support/engine-rig.ts';
import { giveBackRoom, newPayloadRoom, takeRoomOf } from './entry-room.ts';

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

test('a payload in a room becomes its entry without a copy, and is free once answered', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  const command = roomyCommand();
  const before = Uint8Array.from(command.payload);
  const heard: { readonly isSame: boolean; readonly bytes: Uint8Array }[] = [];
  rig.node.subscribe(({ entry: { bytes } }) => {
    heard.push({ isSame: bytes.buffer === command.payload.buffer, bytes });
  });
  const result = await rig.node.submit(command, FOREVER);
  assert.deepEqual(codesOf([result]), [CREATED, CREATED]);
  const [{ isSame, bytes } = { isSame: false, bytes: before }] = heard;
  assert.equal(isSame, true);
  // A listener that kept what was not its own: nothing is left of it.
  assert.deepEqual([bytes.byteLength, command.payload.byteLength], [0, 0]);
  assert.deepEqual(payloadsOf(log.at(log.end - 1)), [before]);
});

test('the chain goes on behind an entry whose memory has been given back', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  for (const command of [roomyCommand(), pay(transfer()), roomyCommand()]) {
    const result = await rig.node.submit(command, FOREVER);
    assert.ok(codesOf([result]).every((code) => code === CREATED));
  }
  for (let index = log.end - 3; index < log.end; index++) {
    const bytes = log.at(index)?.bytes ?? new Uint8Array(0);
    assert.equal(readEntry(bytes, sha256).kind, 'entry');
    assert.deepEqual(log.at(index)?.previousDigest, log.at(index - 1)?.digest);
  }
});

test('a room is taken and given back once, and only as it was made', () => {
  const payload = newPayloadRoom(256);
  const entry = takeRoomOf(payload);
  assert.ok(entry !== undefined);
  assert.equal(takeRoomOf(payload), undefined);
  giveBackRoom(new Uint8Array(entry));
  assert.equal(payload.byteLength, 256);
  giveBackRoom(entry);
  giveBackRoom(entry);
  assert.equal(payload.byteLength, 0);
  const notTaken = newPayloadRoom(256);
  giveBackRoom(new Uint8Array(notTaken.buffer));
  assert.equal(notTaken.byteLength, 256);
});

test('commands that share an entry are copied into it', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  const commands = [roomyCommand(), roomyCommand()];
  const payloads = commands.map(({ payload }) => Uint8Array.from(payload));
  const results = await Promise.all(commands.map((one) => rig.node.submit(one, FOREVER)));
  assert.deepEqual(codesOf(results), [CREATED, CREATED, CREATED, CREATED]);
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
