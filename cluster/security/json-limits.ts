/** Limits on JSON, checked before it is parsed: parsing is what they protect. */
import { Fault } from "../../core/fault.ts";
import { LIMITS } from "./limits.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/** Throws Fault("limit-exceeded") for what is too large, too deep, or of too many parts. */
export function checkJsonLimits(json: Uint8Array): void {
  if (json.length > LIMITS.jsonBytes) {
    throw new Fault("limit-exceeded", `the JSON has more than ${LIMITS.jsonBytes} bytes`, {
      hint: "send large tensors by the binary extension, or over gRPC",
    });
  }
  let depth = 0;
  let structures = 0;
  let inText = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (inText) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (OPENING.has(byte)) {
      structures++;
      if (++depth > LIMITS.jsonDepth) throw exceeded(`${LIMITS.jsonDepth} levels`);
    } else if (CLOSING.has(byte)) depth--;
  }
  if (structures > LIMITS.jsonStructures) throw exceeded(`${LIMITS.jsonStructures} parts`);
}

function exceeded(what: string): Fault {
  return new Fault("limit-exceeded", `the JSON has more than ${what}`);
}
