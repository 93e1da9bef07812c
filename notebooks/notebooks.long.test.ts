/** The notebooks, from their first cells to their last, in a kernel without a screen. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";

const folder = import.meta.dirname;
const notebooks = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));
const HAS_JUPYTER = needs(
  "jupyter nbconvert (apt-get install jupyter-nbconvert python3-ipykernel python3-pip)",
  spawnSync("/usr/bin/jupyter", ["nbconvert", "--version"]).status === 0,
);

/** The results of the command line, in Python. */
const SMOKE = notebooks.filter((name) => name.startsWith("6-"));

for (const name of notebooks) {
  const options = { timeout: 900_000, tags: SMOKE.includes(name) ? ["smoke"] : [] };
  test.skipIf(!HAS_JUPYTER)(`${name} runs`, options, () => {
    const options = { cwd: folder, encoding: "utf8" } as const;
    const { status, stdout } = spawnSync(process.execPath, ["execute.mjs", name], options);
    expect(status, stdout).toBe(0);
    expect(stdout).toContain(name);
  });
}
