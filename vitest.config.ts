import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/**
 * `npm test` runs the quick tests, `npm run test:long` (TANDEM_TESTS=long) the long ones, and `npm run test:smoke`
 * (TANDEM_TESTS=smoke) those of the long files that are tagged `smoke`.
 */
const form = process.env.TANDEM_TESTS ?? "quick";
const LONG = "**/*.long.test.ts";
const OTHERS = ["node_modules", "dist"];

/** Test files with this in their text. */
function filesWith(text: string): string[] {
  const folders = readdirSync(import.meta.dirname, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !OTHERS.includes(entry.name))
    .map(({ name }) => name);
  return folders
    .flatMap((folder) =>
      readdirSync(join(import.meta.dirname, folder), { recursive: true, encoding: "utf8" })
        .filter((path) => path.endsWith(".test.ts"))
        .map((path) => `${folder}/${path.replaceAll("\\", "/")}`),
    )
    .filter((path) => readFileSync(path, "utf8").includes(text));
}

/** Quick tests that do more in the long form use `checks/support/test-form.test-support.ts`. */
const INCLUDED: Readonly<Record<string, () => string[]>> = {
  quick: () => ["**/*.test.ts"],
  long: () => [LONG, ...filesWith("/test-form.test-support.ts")],
  smoke: () => filesWith('"smoke"'),
};

/** Begun last, as their size has it, each of these would go on for minutes beside workers without a file. */
const LONGEST =
  /\/(planners|demo|cluster-on-slurm|plan-interrupt|on-machines|notebooks|suspended)\.long/;

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLongest = ({ moduleId }: TestSpecification) => LONGEST.test(moduleId);
    return [...sorted.filter(isLongest), ...sorted.filter((file) => !isLongest(file))];
  }
}

export default defineConfig({
  test: {
    include: INCLUDED[form](),
    exclude: [...configDefaults.exclude, "dist/**", ...(form === "quick" ? [LONG] : [])],
    tags: [{ name: "smoke", description: "the main path of a part that quick tests do not reach" }],
    ...(form === "smoke" ? { tagsFilter: ["smoke"] } : {}),
    globalSetup: ["checks/leftovers.test-support.ts"],
    setupFiles: ["checks/property-seed.test-support.ts"],
    // They end what hangs. On a busy machine a deployment takes ten seconds to start, and a test several.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: "forks",
    // Tests wait for processes, sockets and timers for a third of their time.
    maxWorkers: 3,
    // A process for each of 200 short files costs as much as half of the tests.
    isolate: form !== "quick",
    sequence: { sequencer: LongestFirst },
  },
});
