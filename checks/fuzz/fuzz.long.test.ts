import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import type { FuzzResult } from "./main.ts";

const PROGRAM = join(import.meta.dirname, "../../dist/checks/fuzz/main.js");

it("hostile input of every kind is answered as it should be, and leaves no trace", async () => {
  const words = [PROGRAM, "--cases", "600", "--seed", "42", "--json"];
  // With failures the exit code is not 0, and standard output holds them.
  const { stdout } = await promisify(execFile)(process.execPath, words).catch((error) => error);
  const { blocks, failures, cases }: FuzzResult = JSON.parse(stdout);
  expect(cases).toBeGreaterThan(600);
  expect(blocks.filter(({ failure }) => failure !== null)).toEqual([]);
  expect(failures).toEqual([]);
  // A block whose every case is refused the same way would test little.
  const kinds = new Set(blocks.flatMap(({ answers }) => Object.keys(answers)));
  expect([...kinds]).toEqual(
    expect.arrayContaining(["OK", "INVALID_ARGUMENT", "HTTP 400", "HTTP 200", "closed"]),
  );
});
