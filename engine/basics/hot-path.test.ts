import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { interruptBudget, optimisedAfter } from "./hot-path.ts";

test("only Node 20 is started with an option that later ones refuse", () => {
  expect(interruptBudget(500, "20.19.0")).toEqual(["--interrupt-budget=500"]);
  expect(interruptBudget(500, "22.23.3")).toEqual([]);
  expect(interruptBudget(500, "24.0.0")).toEqual([]);
  expect(interruptBudget(500, "200.0.0")).toEqual([]);
});

test("only Node 24 is started with its counterpart", () => {
  expect(optimisedAfter(900, "24.21.0")).toEqual(["--invocation-count-for-turbofan=900"]);
  for (const other of ["20.19.0", "22.23.3", "26.0.0", "240.0.0"]) {
    expect(optimisedAfter(900, other)).toEqual([]);
  }
});

test("this Node starts with what it is given", () => {
  const { node } = process.versions;
  const options = [...interruptBudget(500, node), ...optimisedAfter(900, node)];
  expect(spawnSync(process.execPath, [...options, "-e", "0"]).status).toBe(0);
});
