import { expect, test } from "vitest";
import { Fault } from "../engine/basics/fault.ts";
import { parseScenario } from "./parse.ts";
import { lineWith, profileText, readerOf, replaced, SMALL } from "./reading/issues.test-support.ts";
import { scenarioSchema } from "./schema/scenario.ts";
import { refuseUnreal, simulatedOnlyTerms } from "./simulated-only.ts";

const FILES = { "dir/profiles/reader.json": profileText(1) };
const load = (text: string) => parseScenario(text, "dir/good.yaml", readerOf(FILES));

test("a real run refuses a warm-up that is to be found and input sizes, each with its line", () => {
  const clients = "  durationS: 60\n  inputSize: 5\n  warmupS: auto";
  const scaled = "models:\n  detector:\n    inputScaling: { reference: 5 }";
  const text = replaced(
    replaced(SMALL, "  durationS: 60", clients),
    "models:\n  detector:",
    scaled,
  );
  const loaded = load(text);
  let refused: unknown;
  try {
    refuseUnreal(loaded);
  } catch (error) {
    refused = error;
  }
  expect(refused).toBeInstanceOf(Fault);
  const { code, issues } = refused as Fault;
  expect(code).toBe("invalid-input");
  expect(issues.map(({ path, line }) => [path, line])).toEqual([
    ["workload.warmupS", lineWith(text, "warmupS:")],
    ["models.detector.inputScaling", lineWith(text, "inputScaling:")],
  ]);
});

test("a real run takes a scenario without them, and looks at each configuration that it would run", () => {
  const loaded = load(SMALL);
  expect(() => refuseUnreal(loaded)).not.toThrow();
  const searching = load(replaced(SMALL, "  durationS: 60", "  durationS: 60\n  warmupS: auto"));
  expect(() => refuseUnreal(loaded, [loaded.document, searching.document])).toThrow(Fault);
});

const termsOf = (sections: {
  readonly task?: object;
  readonly model?: object;
  readonly cluster?: object;
  readonly node?: object;
  readonly device?: object;
  readonly top?: object;
}) => {
  const { task, model, cluster, node, device, top } = sections;
  const service = { distribution: "exponential", meanMs: 10 };
  return simulatedOnlyTerms(
    scenarioSchema.parse({
      name: "test",
      pipelines: { p: { tasks: { serve: { model: "m", payloadBytes: 9, ...task } } } },
      models: { m: { service, ...model } },
      cluster: {
        replicas: { serve: 1 },
        nodes: [{ name: "host", devices: { cpu: { slots: 1, ...device } }, ...node }],
        ...cluster,
      },
      workload: { arrivals: "burst", requests: 1 },
      ...top,
    }),
  );
};

test("a plain scenario is realised whole, one with measured overheads too", () => {
  expect(termsOf({})).toEqual([]);
  expect(termsOf({ top: { scheduler: { scaling: "fixed" } } })).toEqual([]);
  expect(termsOf({ cluster: { network: { rttMs: 0 }, gateway: { arrivalUs: 0 } } })).toEqual([]);
  const measured = { network: { rttMs: 5 }, gateway: { arrivalUs: 5 }, overheadProfile: "o.json" };
  expect(termsOf({ cluster: measured })).toEqual([]);
  expect(termsOf({ model: { memoryMb: 10, loadMs: 5, residency: "always" } })).toEqual([]);
});

test.each([
  [{ device: { sharing: { kind: "processor-sharing" } } }, "device sharing"],
  [{ node: { contention: [1, 2] } }, "contention on nodes"],
  [{ model: { loadMs: 5 } }, "model loads and device memory"],
  [{ node: { power: { idleWatts: 1, busyWatts: 2 } } }, "power"],
  [{ device: { power: { idleWatts: 1, busyWatts: 2 } } }, "power"],
  [{ cluster: { network: { clientRttMs: 5 } } }, "assumed network and gateway costs"],
  [{ cluster: { gateway: { completionUs: 5 } } }, "assumed network and gateway costs"],
  [{ node: { gbps: 5 } }, "assumed network and gateway costs"],
  [{ task: { outputBytes: 5 } }, "bytes of edges and results"],
  [{ cluster: { gateway: { count: 2 } } }, "several gateways"],
  [{ top: { faults: { scheduled: [{ kind: "crash", task: "serve", atS: 1 }] } } }, "faults"],
])("%j is named", (sections, term) => {
  expect(termsOf(sections)).toEqual([term]);
});

test("zones and shared links are named beside the costs that they are made of", () => {
  const zones = [{ between: ["a", "b"], rttMs: 5 }];
  const network = { gbps: 1, links: "fair", zones };
  expect(termsOf({ cluster: { network } })).toEqual([
    "assumed network and gateway costs",
    "distances between zones",
    "shared links",
  ]);
});
