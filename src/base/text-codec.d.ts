// `base` and `domain` compile without Node's and the browser's types, so that no clock and no I/O
// can creep in. UTF-8 is the one thing they need from outside the language; this admits it.

declare class TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: Uint8Array): string;
}
