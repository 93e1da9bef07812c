import { expect, test } from "vitest";
import { parseMeasurement } from "./measurement.ts";

test("output that is no measurement is refused whole", () => {
  expect(() => parseMeasurement('{"events":10,"seconds":1,"cpuSeconds":0}')).toThrow(
    "positive number as cpuSeconds",
  );
});
