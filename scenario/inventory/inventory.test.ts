/** Inventories: all issues at once with their lines, and the places of replicas. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { Fault } from "../../engine/basics/fault.ts";
import { compileSystem } from "../compile/compile.ts";
import { type ScenarioDocument, scenarioSchema } from "../schema/scenario.ts";
import {
  checkInventory,
  machineFor,
  readInventory,
  replicaPlaces,
  unusedMachines,
} from "./read-inventory.ts";
import { type InventoryOf, inventorySchema } from "./schema.ts";

const FOLDER = join(import.meta.dirname, "../../deploy/inventories");
const SCHEMA = join(FOLDER, "inventory.schema.json");
const EXAMPLES = readdirSync(FOLDER).filter((name) => name.endsWith(".yaml"));

/** The published JSON Schema of an inventory file. */
const schema = {
  ...z.toJSONSchema(inventorySchema, { target: "draft-2020-12", io: "input" }),
  title: "Tandem inventory",
};
const validate = new Ajv2020({ allErrors: true }).compile(schema);

function scenario(cluster: object): ScenarioDocument {
  return scenarioSchema.parse({
    name: "s",
    pipelines: {
      p: { tasks: { detect: { model: "m" }, plate: { model: "m", after: ["detect"] } } },
    },
    models: { m: { service: { distribution: "deterministic", meanMs: 1 } } },
    cluster: { replicas: { detect: 4, plate: 2 }, ...cluster },
    workload: { arrivals: "burst", requests: 1 },
  });
}

const GPUS = scenario({ nodes: [{ name: "gpu", count: 3, devices: { rtx: 2 } }] });

function ssh(text: string): InventoryOf<"ssh"> {
  return readInventory(`kind: ssh\n${text}`, "i.yaml").inventory as InventoryOf<"ssh">;
}

/** `line path: message` of each issue. */
function issuesOf(read: () => unknown): string[] {
  try {
    read();
    return [];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return error.issues.map(({ line, path, message }) => `${line} ${path}: ${message}`);
  }
}

test("the JSON Schema is the one in the file", async () => {
  // After a change: `npm run docs`.
  const text = existsSync(SCHEMA) ? readFileSync(SCHEMA, "utf8") : "null";
  const same = isDeepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify(schema)));
  await expect(same ? text : `${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(SCHEMA);
});

test.each(EXAMPLES)("the example %s is sound, to our reader and to an editor's", (name) => {
  const text = readFileSync(join(FOLDER, name), "utf8");
  expect(issuesOf(() => readInventory(text, name))).toEqual([]);
  expect(readInventory(text, name).inventory.kind).toBe(name.replace(".yaml", ""));
  expect(validate(parse(text)), JSON.stringify(validate.errors)).toBe(true);
});

test("there is an example of each kind", () => {
  expect(EXAMPLES.length).toBe(4);
});

describe("bad inventories give every issue at once, with its line", () => {
  test("of several places", () => {
    const text = [
      "kind: ssh",
      "machines:",
      "  a: { host: -oProxyCommand=x, prot: 22 }",
      "  b: { port: 70000, devices: { gpu: [{ gpu: 0, core: 0-3 }] }, cores: zero }",
      "nodes:",
      "  gpu: [a, c]",
      "reach: tunel",
      "gateway: d",
    ].join("\n");
    const found = issuesOf(() => readInventory(text, "i.yaml"));
    expect(found).toHaveLength(8);
    expect(found.map((line) => line.split(":")[0])).toEqual([
      "3 machines.a.host",
      "3 machines.a.prot",
      "4 machines.b.port",
      "4 machines.b.cores",
      "4 machines.b.devices.gpu.0.core",
      "6 nodes.gpu.1",
      "7 reach",
      "8 gateway",
    ]);
  });

  test.each([
    ["", "expected a mapping"],
    ["- a", "expected a mapping"],
    ["kind: shh\nmachines: {}", "one of local, ssh, slurm, kubernetes"],
    ["kind: docker\nmachines: { a: {} }", "no kind docker"],
    ["machines: { a: {} }", "one of local, ssh, slurm, kubernetes"],
    ["kind: ssh\nmachines: {}", "at least one machine"],
    ["kind: ssh", "missing"],
    ["kind: [", "not valid YAML"],
  ])("%j", (text, said) => {
    const [issue, ...others] = issuesOf(() => readInventory(text, "i.yaml"));
    expect(issue).toContain(said);
    expect(others).toEqual([]);
  });
});

describe("with a scenario", () => {
  const issues = (text: string, document = GPUS) =>
    checkInventory({ inventory: ssh(text) }, document).map(
      ({ path, message }) => `${path}: ${message}`,
    );

  test("each node has a machine for each of its count, and no other node is named", () => {
    expect(issues("machines: { a: {}, b: {}, c: {} }\nnodes: { gpu: [a, b, c] }")).toEqual([]);
    expect(issues("machines: { a: {} }")).toEqual(['nodes: node "gpu" has no machine: expected 3']);
    expect(issues("machines: { a: {} }\nnodes: { gpu: a, cpu: a }")).toEqual([
      'nodes.cpu: no node is called "cpu"',
      'nodes.gpu: node "gpu" has 1 of its 3 machines',
    ]);
  });

  test("listed slots are as many as the node has", () => {
    const listed = "machines: { a: { devices: { rtx: [{ gpu: 0 }] } } }\nnodes: { gpu: [a, a, a] }";
    expect(issues(listed)).toEqual([
      'machines.a.devices.rtx: 1 of the 2 slots that node "gpu" has of rtx',
    ]);
  });

  test("a gateway elsewhere reaches workers of its own machine, and others directly only", () => {
    const on = (more: string) =>
      issues(`machines: { a: {}, b: {} }\ngateway: b\n${more}`, scenario({}));
    expect(on("")).toEqual(["gateway: a gateway on b has no tunnel to the workers on a"]);
    expect(on("reach: direct")).toEqual([]);
    expect(issues("machines: { b: {} }\ngateway: b", scenario({}))).toEqual([]);
  });

  test("a gateway of Slurm is on a node of the scenario, or on the first machine", () => {
    const on = (gateway: string): readonly string[] => {
      const { inventory } = readInventory(`kind: slurm\ngateway: ${gateway}`, "i.yaml");
      return checkInventory({ inventory }, GPUS).map(({ path, message }) => `${path}: ${message}`);
    };
    expect([...on("first"), ...on("gpu")]).toEqual([]);
    expect(on("gpus")).toEqual(['gateway: no node is called "gpus"']);
  });

  test("Slurm's machines give the GPUs that their replicas use", () => {
    const at = (gres: string): readonly string[] => {
      const text = `kind: slurm\nnodes: { gpu: { gres: "${gres}" } }`;
      const { inventory } = readInventory(text, "i.yaml");
      return checkInventory({ inventory }, GPUS).map(({ path, message }) => `${path}: ${message}`);
    };
    for (const enough of ["gpu:2", "gpu:a100:2", "gres/gpu:2", "shard:1,gpu:4"]) {
      expect(at(enough), enough).toEqual([]);
    }
    for (const few of ["gpu", "gpu:1", "gpu:a100", "gres/gpu:a100:1"]) {
      expect(at(few), few).toEqual([
        `nodes.gpu.gres: \`gres: ${few}\` gives 1 of the 2 GPUs that a machine's replicas use`,
      ]);
    }
    // Without GPUs asked for, replicas of a slot only wait.
    expect(at("shard:1")).toEqual([]);
  });

  test("a machine that nothing runs on is named", () => {
    const unused = (text: string, document = GPUS) =>
      unusedMachines({ inventory: ssh(text), file: "i.yaml" }, [document]);
    const four = "machines: { a: {}, b: {}, c: {}, d: {} }";
    expect(unused(`${four}\nnodes: { gpu: [a, b, c] }`)).toEqual(["i.yaml: d is not used"]);
    expect(unused(`${four}\nnodes: { gpu: [a, b, c] }\ngateway: d\nreach: direct`)).toEqual([]);
    expect(unused(`${four}\nnodes: { gpu: [a, b, c, d] }`)).toEqual([
      'i.yaml: d is not used: node "gpu" of the scenario has fewer machines',
    ]);
    expect(unused(four, scenario({}))).toEqual([]);
  });

  test("a scenario without nodes needs none, and may name none", () => {
    expect(issues("machines: { a: {} }", scenario({}))).toEqual([]);
    expect(issues("machines: { a: {} }\nnodes: { gpu: a }", scenario({}))).toHaveLength(1);
  });
});

describe("places", () => {
  test("follow the compiled system, machine by machine and slot by slot", () => {
    const places = replicaPlaces(GPUS);
    const { replicas, nodes, devices } = compileSystem(GPUS, { profiles: {} });
    for (const [i, { node, slot }] of replicas.entries()) {
      expect(nodes[node].name).toBe(`gpu-${places[i].number + 1}`);
      expect(devices[slot].name).toContain(String(places[i].slot + 1));
    }
    const inventory = ssh("machines: { a: {}, b: {}, c: {} }\nnodes: { gpu: [c, a, b] }");
    const machines = places.map((place) => machineFor(inventory, place));
    expect(machines.toSorted()).toEqual(["a", "a", "b", "b", "c", "c"]);
    expect(machines[0]).toBe("c");
  });

  test("without nodes, neighbours take different machines", () => {
    const inventory = ssh("machines: { a: {}, b: {}, c: {} }");
    const machines = replicaPlaces(scenario({})).map((place) => machineFor(inventory, place));
    expect(machines).toEqual(["a", "b", "c", "a", "b", "c"]);
  });
});
