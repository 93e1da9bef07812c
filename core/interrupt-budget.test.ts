import { expect, test } from "vitest";
import { interruptBudget } from "./interrupt-budget.ts";

test("only Node 20 is started with an option that later ones refuse", () => {
  expect(interruptBudget(500, "20.19.0")).toEqual(["--interrupt-budget=500"]);
  expect(interruptBudget(500, "22.23.3")).toEqual([]);
  expect(interruptBudget(500, "24.0.0")).toEqual([]);
  expect(interruptBudget(500, "200.0.0")).toEqual([]);
});
