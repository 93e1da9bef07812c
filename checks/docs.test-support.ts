/** Blocks of the pages, for tests that run them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The page's Python blocks, in order. */
export function pythonOf(page: string): readonly string[] {
  const text = readFileSync(join(import.meta.dirname, "..", page), "utf8");
  return [...text.matchAll(/^```python\n([\s\S]*?)^```$/gm)].map(([, block]) => block);
}
