/** The command uses the library and nothing else: the work is there, as functions over data. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";

/** All that a command may import beside the library's entry, by purpose. */
const APPROVED: Readonly<Record<string, readonly string[]>> = {
  "to parse arguments: names, ranges, near words": [
    "scenario/reading/issues.ts",
    "scenario/parse.ts",
    "scenario/schema/",
    "schedulers/registry.ts",
    "sweep/engines/engine.ts",
    "cluster/load/specification.ts",
    "library/option.ts",
    "library/options.ts",
  ],
  "to print: tables, and how long the rest takes": [
    "reports/tables/",
    "scenario/inventory/command-words.ts",
    "cluster/load/load-report.ts",
    "schedulers/catalogue.ts",
    "schedulers/catalogue.ts",
  ],
  "to write files": ["sweep/atomic-file.ts"],
  "to start and end": ["engine/basics/fault.ts", "build/"],
};

/** Commands that no program calls: they serve, look at the machine, or write files for other tools. */
const OF_ONE_COMMAND: Readonly<Record<string, readonly string[]>> = {
  "cli/results.ts": ["reports/html/page.ts"],
  "cli/deploy.ts": [
    "cluster/containers/",
    "cluster/security/",
    "library/check.ts",
    "library/scenario.ts",
    "sim/replication.ts",
  ],
};

const ROOT = join(import.meta.dirname, "..");
const commands = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".ts") && !/\.test(-support)?\.ts$/.test(name))
  .map((name) => `cli/${name}`);

/** Modules outside cli/ whose code a file loads; types alone are erased. */
function importsOf(file: string): readonly string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const found = text.matchAll(
    /^(?:import|export) (?!type )[^;]*? from "(\.\.\/[^"]+)"|import\("(\.\.\/[^"]+)"\)/gm,
  );
  return [...found].map(([, fixed, late]) => relative(ROOT, join(ROOT, "cli", fixed ?? late)));
}

const loaded = commands.flatMap((file) => importsOf(file).map((module) => ({ file, module })));
const general = Object.values(APPROVED).flat();

test("commands import the library's entry, and what they parse, print and start with", () => {
  expect(loaded.length).toBeGreaterThan(80);
  const wrong = loaded
    .filter(({ file, module }) => {
      const own = [...general, ...(OF_ONE_COMMAND[file] ?? []), "library/index.ts"];
      return !own.some((place) => module.startsWith(place));
    })
    .map(({ file, module }) => `${file} imports ${module}`);
  expect(wrong).toEqual([]);
});

test("nothing is approved that no command imports", () => {
  const unused = general.filter((place) => !loaded.some(({ module }) => module.startsWith(place)));
  const own = Object.entries(OF_ONE_COMMAND).flatMap(([file, places]) =>
    places.filter((place) => !importsOf(file).some((module) => module.startsWith(place))),
  );
  expect([...unused, ...own]).toEqual([]);
});
