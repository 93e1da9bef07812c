import { expect, test } from "vitest";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { elementsOf } from "../cluster/protocol/tensors.ts";
import { RequestDraws, WHEN_HOLDS } from "../engine/requests/draws.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { matchContents } from "./contents.ts";

const document = scenarioSchema.parse({
  name: "branch",
  pipelines: {
    p: {
      tasks: {
        detect: { model: "m" },
        plate: { model: "m", after: ["detect"], when: { contains: "car", probability: 0.6 } },
      },
    },
  },
  models: { m: { service: { distribution: "deterministic", meanMs: 1 } } },
  cluster: { replicas: { detect: 1, plate: 1 } },
  workload: { arrivals: "burst", requests: 1 },
});
const system = compileSystem(document, { profiles: {} });
const known = (name: string, ...ran: string[]) => ({
  contents: payloadRequest(Buffer.from(name)),
  ran: new Set(ran),
});

const textOf = ({ inputs, rawInputContents = [] }: RequestContents) =>
  Buffer.from(elementsOf(inputs, rawInputContents, "payload")?.[0] ?? []).toString();

test("a request is sent contents that take the branches drawn for it", () => {
  const sent = matchContents(system, "seed", 200, {
    p: [
      known("road", "detect"),
      known("car 1", "detect", "plate"),
      known("car 2", "detect", "plate"),
    ],
  });
  const draws = new RequestDraws(system, "seed");
  const flags = new Uint8Array(2);
  const texts = sent.map(textOf);
  for (const text of texts) {
    draws.draw(0, 0, flags, new Float64Array(2));
    expect(text.startsWith("car")).toBe((flags[1] & WHEN_HOLDS) !== 0);
  }
  const cars = texts.filter((text) => text.startsWith("car"));
  const first = cars.filter((text) => text === "car 1").length;
  expect(first / cars.length).toBeCloseTo(0.5, 0);
  // Drawn each by itself: the same comes twice in a row in half of the pairs, and never in turn.
  const repeats = cars.filter((text, i) => i > 0 && text === cars[i - 1]).length;
  expect(Math.abs(repeats / (cars.length - 1) - 0.5)).toBeLessThan(0.2);
});

test("where no contents take a branch, every request still has one", () => {
  const sent = matchContents(system, "seed", 20, { p: [known("road", "detect")] });
  expect(sent.map(textOf)).toEqual(new Array(20).fill("road"));
});
