import { expect, test } from "vitest";
import { editDistance } from "./evaluate.ts";

test("an edit is a letter put in, taken out or changed", () => {
  expect(editDistance("5AU5341", "5AU5341")).toBe(0);
  expect(editDistance("B0AB1234", "BAB1234")).toBe(1);
  expect(editDistance("OAU5341", "0AU534")).toBe(2);
  expect(editDistance("", "ABC")).toBe(3);
});
