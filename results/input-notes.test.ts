import { describe, expect, test } from "vitest";
import { profileSchema } from "../scenario/schema/profile.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { cutNotes, goalNotes, groupNotes, hasFreeMessages, originNotes } from "./input-notes.ts";

const HERE = "Xeon at 2.5 GHz, 2 logical cores, 4 GiB, Linux 6.1.0, Node 20.20.2";
const batches = [{ batch: 1, samples: 1, meanUs: 1, halfWidth95Us: 0, quantilesUs: [1] }];

function profile(host: string, more: object = {}) {
  const provenance = {
    kind: "measured",
    model: "detector",
    device: "cpu, one thread",
    host,
    runtime: "onnxruntime-node 1.20.1, cpu",
    date: "2025-01-01",
    modelFiles: [{ name: "detector.onnx", sha256: "aa" }],
    ...more,
  };
  return profileSchema.parse({ schema: "tandem/profile@1", provenance, batches });
}

describe("originNotes", () => {
  test("says nothing of what was measured here, whatever kernel was on then", () => {
    const kernel = HERE.replace("6.1.0", "6.18.44");
    expect(originNotes({ a: profile(HERE), b: profile(kernel) }, { host: HERE })).toEqual([]);
  });

  test("names another machine once for all its profiles, and each machine apart", () => {
    const gpu = "EPYC, 64 logical cores, 512 GiB, Linux 6.1.0, Node 20.20.2";
    const cpu = "Ryzen, 8 logical cores, 32 GiB, Linux 6.1.0, Node 20.20.2";
    const profiles = { "a.json": profile(gpu), "b.json": profile(cpu), "c.json": profile(gpu) };
    expect(originNotes(profiles, { host: HERE })).toEqual([
      "profiles a.json, c.json: measured on EPYC, 64 logical cores, 512 GiB (cpu, one thread), not on this machine",
      "profile b.json: measured on Ryzen, 8 logical cores, 32 GiB (cpu, one thread), not on this machine",
    ]);
  });

  test("names another Node on this machine, and published data", () => {
    const older = profile(HERE.replace("20.20.2", "18.0.0"));
    const published = profile("a server", { kind: "imported", source: "MLPerf 4.1" });
    expect(originNotes({ a: older, b: published }, { host: HERE })).toEqual([
      "profile a: measured with Node 18.0.0, here runs Node 20.20.2",
      "profile b: imported from MLPerf 4.1, not measured on this machine",
    ]);
  });

  test("says why calibration doubted its times", () => {
    const doubts = ["the hypervisor took 3.0% of the processors (limit 1.0%)"];
    expect(originNotes({ a: profile(HERE, { doubts }) }, { host: HERE })).toEqual([
      `profile a: calibration doubted these times, so calibrate again: ${doubts[0]}`,
    ]);
  });

  test("compares model files and runtime where a model is at hand", () => {
    const same = { modelFiles: [{ name: "detector.onnx", sha256: "aa" }] };
    const runtime = "onnxruntime-node 1.20.1, cpu";
    const noted = (here: { modelFiles: { name: string; sha256: string }[]; runtime: string }) =>
      originNotes({ a: profile(HERE) }, { host: HERE, models: { a: here } });
    expect(noted({ ...same, runtime })).toEqual([]);
    expect(noted({ ...same, runtime: "onnxruntime-node 1.22.0, cpu" })).toEqual([
      "profile a: measured with onnxruntime-node 1.20.1, cpu, here runs onnxruntime-node 1.22.0, cpu",
    ]);
    expect(noted({ modelFiles: [{ name: "detector.onnx", sha256: "bb" }], runtime })).toEqual([
      "profile a: measured with another detector.onnx than is here",
    ]);
  });
});

describe("cutNotes", () => {
  const noted = (tokens: object, most: object = {}) => {
    const isTrace = JSON.stringify(tokens).includes("column");
    const document = scenarioSchema.parse({
      name: "s",
      pipelines: { p: { tasks: { t: { model: "m", tokens: { ...tokens, ...most } } } } },
      models: { m: { tokens: { steps: { prefill: [1, 0, 0], decode: [1, 0, 0] } } } },
      cluster: { replicas: { t: 1 } },
      workload: isTrace
        ? { arrivals: "trace", file: "t.csv", column: "at" }
        : { arrivals: "burst", requests: 1 },
    });
    const traceColumns = { "t.csv": { prompt: [90, 5000, 10], output: [10, 30, 4000] } };
    return cutNotes(document, { profiles: {}, traceColumns });
  };

  test("count the rows of a trace that are cut, and name the longest", () => {
    const columns = { prompt: { column: "prompt" }, output: { column: "output" } };
    expect(noted(columns)).toEqual([
      'p: "t" cuts 1 of 3 rows of the trace to 4096 tokens, first the output, then the prompt; the longest has 5030: ' +
        "raise `most` to keep them whole",
    ]);
    expect(noted(columns, { most: 99 })).toEqual([
      expect.stringContaining("cuts 3 of 3 rows of the trace to 99 tokens"),
    ]);
    expect(noted(columns, { most: 5030 })).toEqual([]);
  });

  test("count drawn sequences where more than a few are cut", () => {
    const tokens = { prompt: 100, output: { distribution: "exponential", mean: 100 } };
    // Half of them are longer than the median, 69.3.
    const [note] = noted(tokens, { most: 169 });
    expect(note).toMatch(/cuts (49|50)\d\d of 10000 drawn sequences to 169 tokens/);
    expect(noted(tokens, { most: 700 })).toEqual([]);
  });
});

test("messages are free where the cluster says nothing of them", () => {
  const given = (cluster: object, sweep = {}) =>
    hasFreeMessages(
      scenarioSchema.parse({
        name: "s",
        pipelines: { p: { tasks: { t: { model: "m" } } } },
        models: { m: { service: { distribution: "exponential", meanMs: 1 } } },
        cluster: { replicas: { t: 1 }, ...cluster },
        workload: { arrivals: "burst", requests: 1 },
        sweep,
      }),
    );
  expect(given({})).toBe(true);
  expect(given({}, { "cluster.replicas.t": [1, 2] })).toBe(true);
  expect(given({}, { "cluster.network.rttMs": [0, 1] })).toBe(false);
  expect(given({ network: { rttMs: 0 } })).toBe(false);
  expect(given({ gateway: { arrivalUs: 100 } })).toBe(false);
  expect(given({ overheadProfile: "overheads.json" })).toBe(false);
});

describe("goalNotes", () => {
  const service = (meanMs: number) => ({ service: { distribution: "exponential", meanMs } });
  const notesOf = (latencyMs: number, more: object = {}) =>
    goalNotes(
      scenarioSchema.parse({
        name: "goal",
        pipelines: {
          p: {
            slo: { latencyMs },
            tasks: {
              a: { variants: ["slow", "fast"] },
              b: { model: "slow", after: ["a"] },
              c: { model: "slow", after: ["b"], when: { probability: 0.5 } },
              d: { model: "slow", after: ["c"] },
            },
          },
        },
        models: { slow: service(20), fast: service(5) },
        cluster: { replicas: { "a@slow": 1, "a@fast": 1, b: 1, c: 1, d: 1 } },
        workload: { arrivals: "burst", requests: 1 },
        ...more,
      }),
      { profiles: {} },
    );

  test("names an SLO shorter than the tasks that every request runs, on their fastest variants", () => {
    expect(notesOf(25)).toEqual([]);
    expect(notesOf(24)).toEqual([
      expect.stringMatching(
        /^p: its SLO of 24 ms is shorter .* without any wait, 25 ms: raise slo/,
      ),
    ]);
  });

  test("takes a language model's times by its lengths, and says nothing where a prompt may be kept", () => {
    const tokens = { steps: { prefill: [0, 1, 0], decode: [0, 0, 10] } };
    const write = { model: "writer", tokens: { prompt: 10, output: 2 } };
    const notesOfWriter = (latencyMs: number, engine: object): string[] =>
      notesOf(1, {
        pipelines: { p: { slo: { latencyMs }, tasks: { write } } },
        models: { writer: { tokens: { ...tokens, ...engine } } },
        cluster: { replicas: { write: 1 } },
      });
    expect(notesOfWriter(20, {})).toEqual([]);
    expect(notesOfWriter(19, {})).toEqual([expect.stringContaining("any wait, 20 ms")]);
    expect(notesOfWriter(19, { prefixCaching: true })).toEqual([]);
  });

  test("says nothing where the sweep changes it", () => {
    expect(notesOf(1, { sweep: { "pipelines.p.slo.latencyMs": [1, 100] } })).toEqual([]);
    expect(notesOf(1, { sweep: { scheduler: ["fifo", "edf"] } })).toHaveLength(1);
  });
});

test("groupNotes tell that alpaserve has no group of several devices, and nothing of other schedulers", () => {
  const notesOf = (scheduler: unknown, placement?: unknown): string[] => {
    const document = scenarioSchema.parse({
      name: "groups",
      pipelines: { p: { tasks: { a: { model: "m" } } } },
      models: { m: { service: { distribution: "deterministic", meanMs: 10 } } },
      cluster: {
        nodes: [{ name: "host", devices: { gpu: { slots: 2, shared: true } } }],
        replicas: { a: 2 },
        placement,
      },
      workload: { arrivals: "burst", requests: 1 },
      scheduler,
    });
    return groupNotes(document);
  };
  expect(notesOf("alpaserve")).toEqual([expect.stringContaining("selective-replication")]);
  expect(notesOf({ preset: "alpaserve" })).toHaveLength(1);
  expect(notesOf("selective-replication")).toEqual([]);
  const place = { task: "a", node: "host", device: "gpu", replicas: 2, slots: [1, 2] };
  expect(notesOf("alpaserve", [place])).toEqual([]);
  const alone = [1, 2].map((slot) => ({ ...place, replicas: 1, slots: [slot] }));
  expect(notesOf("alpaserve", alone), "as --place may find it").toEqual([]);
});
