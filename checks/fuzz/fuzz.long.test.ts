import { expect, it } from "vitest";
import { fuzz } from "./fuzz.ts";

it("hostile input of every kind is answered as it should be, and leaves no trace", async () => {
  const { blocks, failures, cases } = await fuzz({ cases: 600, seed: 42 });
  expect(cases).toBeGreaterThan(600);
  expect(blocks.filter(({ failure }) => failure !== null)).toEqual([]);
  expect(failures).toEqual([]);
  // A block whose every case is refused the same way would test little.
  const kinds = new Set(blocks.flatMap(({ answers }) => Object.keys(answers)));
  expect([...kinds]).toEqual(
    expect.arrayContaining(["OK", "INVALID_ARGUMENT", "HTTP 400", "HTTP 200", "closed"]),
  );
});
