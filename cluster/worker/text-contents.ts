/** Numbers the blocks of a text: two blocks have one number where the texts are equal up to the ends of these blocks. */
import { createHash } from "node:crypto";
import type { ContentOf } from "../../engine/tokens/kv-blocks.ts";

/** Drawn contents are far above. */
const TEXTS = -(2 ** 50);
const HASH_BYTES = 6;

/** Tokens may be added; a block is asked for when all its tokens are there. */
export function contentsOfText(tokens: readonly number[], blockTokens: number): ContentOf {
  const contents: number[] = [];
  return (block) => {
    for (let i = contents.length; i <= block; i++) {
      const own = tokens.slice(i * blockTokens, (i + 1) * blockTokens);
      const hash = createHash("sha256")
        .update(JSON.stringify([contents.at(-1), own]))
        .digest();
      contents.push(TEXTS - hash.readUIntBE(0, HASH_BYTES));
    }
    return contents[block];
  };
}
