import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { JuteReader, JuteWriter } from './jute.ts';
import { PacketReader } from './packets.ts';

void describe('packets of a connection', () => {
  void it('come out whole and in order, however the bytes were cut', () => {
    const property = fc.property(
      fc.array(fc.string(), { maxLength: 8 }),
      fc.array(fc.nat({ max: 40 }), { maxLength: 8 }),
      (texts, cuts) => {
        const bytes = Buffer.concat(texts.map((text) => new JuteWriter().string(text).packet()));
        const reader = new PacketReader();
        const found: string[] = [];
        let offset = 0;
        for (const length of [...cuts, bytes.byteLength]) {
          reader.add(bytes.subarray(offset, offset + length));
          offset += length;
          for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
            found.push(new JuteReader(packet).string());
          }
        }
        assert.deepEqual(found, texts);
      },
    );
    fc.assert(property, { numRuns: 200 });
  });

  void it('are refused when their length is impossible, or they end before what they say', () => {
    for (const length of [-1, 5 * 1024 * 1024]) {
      const reader = new PacketReader();
      const head = Buffer.alloc(4);
      head.writeInt32BE(length);
      reader.add(head);
      assert.throws(() => reader.next(), RangeError);
    }
    const packet = new JuteWriter().string('abc').packet().subarray(4);
    assert.throws(() => new JuteReader(packet.subarray(0, 5)).string(), RangeError);
    assert.throws(() => new JuteReader(packet.subarray(0, 2)).int(), RangeError);
    assert.throws(
      () => new JuteReader(Buffer.from([0x7f, 0xff, 0xff, 0xff])).strings(),
      RangeError,
    );
  });
});
