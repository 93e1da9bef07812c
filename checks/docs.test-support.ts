/** Blocks of the pages, for tests that run them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The page's blocks of a language, in order. */
export function blocksOf(page: string, language: "python" | "sh"): readonly string[] {
  const text = readFileSync(join(import.meta.dirname, "..", page), "utf8");
  const all = text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm);
  return [...all].flatMap(([, own, block]) => (own === language ? [block] : []));
}
