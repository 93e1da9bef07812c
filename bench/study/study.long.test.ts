/** The study from end to end, short: every scenario runs, the page is whole, and a second run resumes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { fixedArms } from "./arms.ts";
import { CASES, caseName } from "./cases.ts";

const MAIN = join(import.meta.dirname, "..", "..", "dist", "bench", "study", "main.js");
const out = temporaryFolder("study");

async function study(): Promise<string> {
  const child = spawn(process.execPath, [MAIN, "--quick", "--threads", "1", "--out", out]);
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code] = await once(child, "close");
  expect(errors).toContain("is written");
  expect(code).toBe(0);
  return readFileSync(join(out, "scheduler-study.md"), "utf8");
}

const withoutMachine = (page: string): string => page.replace(/run on .*\n/, "");

test("the quick study writes its page, and a second run keeps what is finished", async () => {
  const page = await study();
  for (const { name, kind } of fixedArms(CASES[20])) {
    if (kind === "published") expect(page).toContain(`\`${name}\``);
  }
  expect(page.match(/^\| (no )?gain, .*, (steady|bursty) +\|/gm)).toHaveLength(2);
  expect(page).not.toMatch(/undefined|NaN/);
  const store = join(out, "field", `${caseName(CASES[20])}-load-1`, "configurations.jsonl");
  const before = statSync(store).ino;
  expect(withoutMachine(await study())).toBe(withoutMachine(page));
  // A store under another key is moved aside.
  expect(statSync(store).ino).toBe(before);
}, 600_000);
