import { describe, expect, test } from "vitest";
import {
  expectRefused,
  RICH,
  replaced,
  richIssues,
  type Spoilt,
} from "../reading/issues.test-support.ts";
import { scenarioSchema } from "../schema/scenario.ts";
import { checkMemory, checkSlots } from "./check-cluster.ts";

const REPLICAS = "replicas: { a: 4, b: 2, c: 3 }";
const placed = (entries: string) => `${REPLICAS}\n  placement: ${entries}`;

const WRONG: readonly Spoilt[] = [
  [
    "no replicas of a task",
    "b: 2, ",
    "",
    "cluster.replicas.b",
    /"b" needs at least 1 replica .*got no entry/,
    "replicas",
  ],
  [
    "zero replicas of a task",
    "b: 2",
    "b: 0",
    "cluster.replicas.b",
    /"b" needs at least 1 replica .*got 0/,
    "b: 0",
  ],
  [
    "replicas of no task",
    "c: 3 }",
    "c: 3, d: 1 }",
    "cluster.replicas.d",
    /no task is called "d"/,
    "d: 1",
  ],
  [
    "more replicas than slots",
    "a: 4",
    "a: 6",
    "cluster.replicas",
    /11 replicas, but the nodes have 10 device slots/,
    "replicas",
  ],
  [
    "a demand for a resource that nobody has",
    "meanMs: 80 } }",
    "meanMs: 80 }, demand: { tpu: 1 } }",
    "models.m.demand.tpu",
    /no node has "tpu"/,
    "tpu",
  ],
  [
    "more machines of one kind than a run can hold",
    "count: 2",
    "count: 9999999",
    "cluster.nodes.0.count",
    /up to 10000, got 9999999/,
    "count: 9999999",
  ],
  [
    "more machines of all kinds than a run can hold",
    "name: cpu, devices",
    "name: cpu, count: 9999, devices",
    "cluster.nodes",
    /at most 10000 machines in all, of which there are 10001/,
    "nodes",
  ],
  [
    "two nodes of one name",
    "name: cpu",
    "name: gpu",
    "cluster.nodes.1.name",
    /two nodes are called "gpu"/,
    "core",
  ],
  [
    "a placement of no task",
    REPLICAS,
    placed("[{ task: x, node: gpu, replicas: 1 }]"),
    "cluster.placement.0.task",
    /no task is called "x"/,
    "placement",
  ],
  [
    "a placement on no node",
    REPLICAS,
    placed("[{ task: a, node: gpu-3, replicas: 4 }]"),
    "cluster.placement.0.node",
    /no node is called "gpu-3"/,
    "placement",
  ],
  [
    "a placement on no device",
    REPLICAS,
    placed("[{ task: a, node: gpu, device: core, replicas: 4 }]"),
    "cluster.placement.0.device",
    /has no device of kind "core"/,
    "placement",
  ],
  [
    "a placement of other counts",
    REPLICAS,
    placed("[{ task: a, node: gpu, replicas: 3 }]"),
    "cluster.placement.0",
    /"a" has 4 replicas, but 3 are placed/,
    "placement",
  ],
  [
    "a placement beyond a node's slots",
    REPLICAS,
    placed("[{ task: c, node: cpu, replicas: 3 }]"),
    "cluster.placement.0",
    /3 replicas, but node cpu has 2 device slots/,
    "placement",
  ],
  [
    "a placement beyond a machine's slots",
    "a: 4, b: 2, c: 3 }",
    "a: 5, b: 2, c: 3 }\n  placement: [{ task: a, node: gpu-1, replicas: 5 }]",
    "cluster.placement.0",
    /5 replicas, but node gpu-1 has 4/,
    "placement",
  ],
];

const NODES = `    - { name: gpu, count: 2, devices: { card: 4 } }
    - { name: cpu, devices: { core: 2 } }
`;
const M = "m: { service: { distribution: deterministic, meanMs: 80 }";
/** The nodes in other words; a and b are of model m, c is of n. */
const nodes = (gpu: string, cpu = "name: cpu, devices: { core: 2 }") =>
  `    - { ${gpu} }\n    - { ${cpu} }\n`;
const card = (device: string) => nodes(`name: gpu, count: 2, devices: { card: ${device} }`);
const network = (text: string) => `${REPLICAS}\n  network: ${text}`;
const WRONG_DEVICES: readonly Spoilt[] = [
  [
    "busy watts below idle ones, of a device",
    NODES,
    card("{ slots: 4, power: { idleWatts: 50, busyWatts: 20 } }"),
    "cluster.nodes.0.devices.card.power.busyWatts",
    /at least the 50 idle watts, got 20/,
    "busyWatts",
  ],
  [
    "busy watts below idle ones, of a node",
    NODES,
    nodes(
      "name: gpu, count: 2, devices: { card: 4 }",
      "name: cpu, devices: { core: 2 }, power: { idleWatts: 5, busyWatts: 2 }",
    ),
    "cluster.nodes.1.power.busyWatts",
    /at least the 5 idle watts, got 2/,
    "busyWatts",
  ],
  [
    "a quantum below a microsecond",
    NODES,
    card("{ slots: 4, sharing: { kind: time-slice, quantumMs: 0.0001 } }"),
    "cluster.nodes.0.devices.card.sharing.quantumMs",
    /0\.001/,
    "quantumMs",
  ],
  [
    "a way to share that there is not",
    NODES,
    card("{ slots: 4, sharing: { kind: time-slices, quantumMs: 1 } }"),
    "cluster.nodes.0.devices.card.sharing.kind",
    /time-slice/,
    "sharing",
  ],
  [
    "links without a bandwidth to share",
    REPLICAS,
    network("{ rttMs: 1, links: fair }"),
    "cluster.network.links",
    /neither the network nor a node gives `gbps`/,
    "links",
  ],
  [
    "a zone where nobody stands",
    REPLICAS,
    network("{ zones: [{ between: [here, there], rttMs: 5 }] }"),
    "cluster.network.zones.0.between.1",
    /stands in zone "there"/,
    "there",
  ],
  [
    "a node in a zone and a gateway in none",
    NODES,
    nodes(
      "name: gpu, count: 2, devices: { card: 4 }, zone: east",
      "name: cpu, devices: { core: 2 }",
    ),
    "cluster.nodes.0.zone",
    /the gateway stands in no zone/,
    "east",
  ],
  [
    "no gateways",
    REPLICAS,
    `${REPLICAS}\n  gateway: { count: 0 }`,
    "cluster.gateway.count",
    /expected a number above 0, got 0/,
    "count: 0",
  ],
  [
    "bytes of an edge that there is not",
    "b: { model: m, after: [a]",
    "b: { model: m, edgeBytes: { c: 5 }, after: [a]",
    "pipelines.p.tasks.b.edgeBytes.c",
    /no edge from "c"/,
    "edgeBytes",
  ],
  [
    "a residency that there is not",
    M,
    `${M}, residency: never`,
    "models.m.residency",
    /always/,
    "never",
  ],
];

describe("the cluster is checked", () => {
  test.each([...WRONG, ...WRONG_DEVICES])("%s", expectRefused);

  const zoned = (zones: string) =>
    replaced(
      replaced(
        RICH,
        NODES,
        nodes(
          "name: gpu, count: 2, devices: { card: 4 }, zone: east",
          "name: cpu, devices: { core: 2 }, zone: west",
        ),
      ),
      REPLICAS,
      `${network(`{ zones: ${zones} }`)}\n  gateway: { zone: west }`,
    );
  const messages = (text: string) => richIssues(text).map(({ message }) => message);

  test("zones have one distance each, and none to themselves", () => {
    const there = "{ between: [east, west], rttMs: 5 }";
    expect(messages(zoned(`[${there}]`))).toEqual([]);
    expect(messages(zoned(`[${there}, { between: [west, east], rttMs: 6 }]`))).toEqual([
      "east and west have two distances",
    ]);
    expect(messages(zoned("[{ between: [east, east], rttMs: 5 }]"))).toEqual([
      "no distance between east and west, the gateway's zone",
      "one zone twice",
    ]);
  });

  const memory = (memoryMb: number, m: string, n: string) =>
    replaced(
      replaced(
        replaced(RICH, M, `${M}, ${m}`),
        "n: { profile: n.json }",
        `n: { profile: n.json, ${n} }`,
      ),
      NODES,
      "    - { name: gpu, devices: { card: { slots: 1, shared: true, memoryMb: MB } } }\n".replace(
        "MB",
        String(memoryMb),
      ),
    );

  test("a slot needs room for the models that are always there and the largest other", () => {
    const passing = "memoryMb: 60, loadMs: 5";
    const staying = "memoryMb: 60, residency: always";
    expect(messages(memory(60, passing, passing))).toEqual([]);
    expect(messages(memory(59, passing, "memoryMb: 1"))).toEqual([
      "a slot has 59 MB, but needs 60 MB for model m",
    ]);
    expect(messages(memory(120, staying, passing))).toEqual([]);
    expect(messages(memory(119, staying, passing))).toEqual([
      "a slot has 119 MB, but needs 60 MB for models that are always there and 60 MB for model n",
    ]);
    expect(messages(memory(119, staying, staying))).toEqual([
      "a slot has 119 MB, but needs 120 MB for models that are always there",
    ]);
  });

  test("a device with a sharing hosts more replicas than it has slots", () => {
    const sharing = (text: string) =>
      messages(
        replaced(RICH, NODES, `    - { name: gpu, devices: { card: { slots: 1${text} } } }\n`),
      );
    expect(sharing(", sharing: { kind: processor-sharing }")).toEqual([]);
    expect(sharing("")).toEqual(["9 replicas, but the nodes have 1 device slot"]);
  });
});

describe("a model's demand", () => {
  const issues = (demand: string, gpu: string, cpu = "") =>
    richIssues(
      RICH.replace("meanMs: 80 } }", `meanMs: 80 }, demand: ${demand} }`)
        .replace("card: 4 } }", `card: 4 }${gpu} }`)
        .replace("core: 2 } }", `core: 2 }${cpu} }`),
    ).map(({ path, message, hint }) => [path, message, hint]);
  const at = "models.m.demand.cpu";

  test("is near the name of a resource", () => {
    const found = issues("{ cpus: 1 }", ", resources: { cpu: 9 }");
    expect(found).toEqual([["models.m.demand.cpus", 'no node has "cpus"', 'did you mean "cpu"?']]);
  });

  test("fits every node that hosts a replica", () => {
    const small = issues("{ cpu: 4 }", ", resources: { cpu: 3 }", ", resources: { cpu: 3 }");
    const message = /^a batch takes 4, but node (gpu-1|gpu-2|cpu), which hosts task "[ab]", has 3$/;
    expect(small).toEqual([[at, expect.stringMatching(message), expect.any(String)]]);
  });

  test("keeps replicas off nodes that cannot hold it, where others can", () => {
    expect(issues("{ cpu: 4 }", ", resources: { cpu: 4 }", ", resources: { ram: 3 }")).toEqual([]);
    expect(issues("{ cpu: 4 }", ", resources: { cpu: 4 }")).toEqual([]);
  });

  test("is above zero", () => {
    const [[path, message]] = issues("{ cpu: 0 }", ", resources: { cpu: 4 }");
    expect([path, message]).toEqual([at, expect.stringContaining("0.000001")]);
  });
});

describe("replicas on several slots", () => {
  const issues = (
    placement: readonly object[],
    gpu: object = { slots: 4, shared: true },
    model: object = {},
    count = 1,
  ) => {
    const service = { distribution: "deterministic", meanMs: 10 };
    const document = scenarioSchema.parse({
      name: "stages",
      pipelines: { p: { tasks: { a: { model: "m" }, b: { model: "m" } } } },
      models: { m: { service, residency: "always", ...model } },
      cluster: {
        nodes: [{ name: "host", count, devices: { gpu } }],
        replicas: { a: 2, b: 2 },
        placement: placement.map((entry, i) => ({
          task: "ab"[i],
          node: "host",
          replicas: 2,
          ...entry,
        })),
      },
      workload: { arrivals: "burst", requests: 1 },
    });
    const found = [...checkSlots(document), ...checkMemory(document)];
    return found.map(({ path, message }) => `${path} ${message}`);
  };
  const on = (...slots: number[]) => ({ device: "gpu", slots });

  test("may share all of them, or none", () => {
    expect(issues([on(1, 2), on(1, 2)])).toEqual([]);
    expect(issues([on(1, 2), on(3)])).toEqual([]);
    expect(issues([on(1, 2), on(4, 3)])).toEqual([]);
    expect(issues([on(1, 2), on(2, 3)])[0]).toBe(
      "cluster.placement.0.slots slots 1, 2 overlap 2, 3",
    );
    expect(issues([on(1, 2), { device: "gpu" }])).toEqual([
      "cluster.placement.1 other replicas of this device are on `slots`: expected `slots` here too",
    ]);
  });

  test.each([
    [on(1, 5), {}, 1, "cluster.placement.0.slots slot 5 is beyond the 4 of gpu"],
    [on(2, 2), {}, 1, "cluster.placement.0.slots slot 2 is there twice"],
    [
      { slots: [1] },
      {},
      1,
      "cluster.placement.0 `slots` are those of a `device`: expected its kind",
    ],
    [
      on(1, 2),
      { shared: false },
      1,
      "cluster.placement.0 replicas share `slots`, but gpu is not shared",
    ],
    [on(1, 2), {}, 2, "cluster.placement.0.node node host has 2 machines"],
  ])("%j on %j of %d machines is an issue", (entry, gpu, count, message) => {
    const found = issues([entry, entry], { slots: 4, shared: true, ...gpu }, {}, count);
    expect(found).toContain(message);
  });

  test("have their part of the model from the start", () => {
    const gpu = (memoryMb: number) => ({ slots: 4, shared: true, memoryMb });
    expect(issues([on(1, 2), on(3)], gpu(60), { memoryMb: 100 })[0]).toContain(
      "a slot has 60 MB, but needs 100 MB",
    );
    expect(issues([on(1, 2), on(3, 4)], gpu(60), { memoryMb: 100 })).toEqual([]);
    const loaded = { loadMs: 10, residency: "on-demand" };
    expect(issues([on(1, 2), on(3, 4)], gpu(60), loaded)).toEqual([
      "models.m.residency a pipeline over several devices has its models from the start",
    ]);
  });
});
