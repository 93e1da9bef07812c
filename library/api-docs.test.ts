/** docs/api names all that the entries export; `npm run docs:api` writes it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

test.each([
  ["library/index.ts", "docs/api/tandem-serving.md"],
  ["library/vega.ts", "docs/api/vega.md"],
  ["library/notebook.ts", "docs/api/notebook.md"],
  ["library/browser.ts", "docs/api/browser.md"],
])("every export of %s is described", (entry, page) => {
  const text = read(entry);
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gms)].flatMap(([, names]) =>
    names.split(","),
  );
  const declared = [...text.matchAll(/^export (?:async )?(?:function|const|interface) (\w+)/gm)];
  const names = [
    ...lists.map((name) => name.replace(/^\s*type\s|^.* as /, "").trim()),
    ...declared.map(([, name]) => name),
  ];
  const described = new Set([...read(page).matchAll(/^### (\w+)/gm)].map(([, name]) => name));
  expect(names.length).toBeGreaterThan(1);
  expect(names.filter((name) => name !== "" && !described.has(name))).toEqual([]);
});
