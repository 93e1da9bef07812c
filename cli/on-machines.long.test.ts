/** `calibrate --on` and `validate --on` for real: two machines behind sshd, every port but 22 closed. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";
import { writeScenes } from "../checks/support/scenes.test-support.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { SshLab } from "../cluster/machines/ssh/ssh-lab.test-support.ts";
import { type OverheadProfile, type Profile, profileSchema } from "../scenario/schema/profile.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

const SCENARIO = `
name: quarters
pipelines: { p: { tasks: { serve: { model: quarters }, after: { model: nothing, after: [serve] } } } }
models:
  quarters:
    profile: { fast: profiles/fast.json, slow: profiles/slow.json }
    implementation:
      onnx: models/quarters.onnx
      preprocess: [{ decode: rgb }, { resize: {} }, { normalise: { scale: 0.00392156862 } }]
      postprocess: [{ softmax: {} }, { topK: { k: 1 } }]
  nothing: { profile: profiles/nothing.json, implementation: { name: no-op } }
cluster:
  nodes:
    - { name: near, count: 2, devices: { fast: 1 } }
    - { name: far, devices: { slow: 3 } }
  replicas: { serve: 3, after: 2 }
  placement:
    - { task: serve, node: near, replicas: 2 }
    - { task: serve, node: far, replicas: 1 }
    - { task: after, node: far, replicas: 2 }
  overheadProfile: profiles/overheads.json
workload: { arrivals: poisson, ratePerS: 10, requests: 20 }
run: { seed: 1, replications: 2 }
`;
/** On a busy machine. */
const PATIENCE_MS = 600_000;
const missing = SshLab.missing();
const folder = temporaryFolder("on-machines");
let lab: SshLab;
let inventory = "";

beforeAll(async () => {
  if (missing !== null) return;
  lab = new SshLab(2);
  inventory = lab.inventory("inventory.yaml", { nodes: { near: ["a", "b"], far: "b" } });
  writeFileSync(join(folder, "s.yaml"), SCENARIO);
  mkdirSync(join(folder, "models"));
  const graph = join(import.meta.dirname, "../scenarios/models/quarters.onnx");
  copyFileSync(graph, join(folder, "models/quarters.onnx"));
  await writeScenes(join(folder, "images"));
});
afterAll(() => {
  lab?.close();
});

const json = <T>(name: string): T => JSON.parse(readFileSync(join(folder, name), "utf8")) as T;
const workers = (): readonly number[] => lab.names.flatMap((name) => lab.workers(name));

describe.skipIf(!needs(missing ?? "", missing === null))("over SSH", () => {
  test(
    "calibrate times each model on each kind of device, and the links of the nodes",
    async () => {
      // Each round sends each picture once.
      const bounds = ["--images", "images", "--precision", "0.5", "--max-seconds", "1"];
      const words = ["calibrate", "s.yaml", "--on", inventory, ...bounds];
      const { code, stdout, stderr } = await tandemHere(folder, words);
      expect(code, stderr).toBe(0);
      for (const name of ["fast", "slow", "nothing"]) {
        const profile = profileSchema.parse(json(`profiles/${name}.json`)) satisfies Profile;
        expect(profile.provenance.kind).toBe("measured");
        expect(profile.provenance.host).toContain(`Node ${process.versions.node}`);
        expect(profile.batches[0].samples).toBeGreaterThanOrEqual(15);
      }
      const { links } = json<OverheadProfile>("profiles/overheads.json");
      expect(Object.keys(links ?? {})).toEqual(["near-1", "near-2", "far"]);
      expect(links?.far).toEqual(links?.["near-2"]);
      expect(stdout).toMatch(
        /quarters on fast, batch 1: .*\n.*\n {2}measured on cpu, one thread; /,
      );
      expect(stdout).toMatch(/link to far: round trip [\d.]+ ms, [\d.e-]+ Gbit\/s/);
      expect(workers()).toEqual([]);
      expect((await tandemHere(folder, ["simulate", "s.yaml"])).code).toBe(0);
    },
    PATIENCE_MS,
  );

  test(
    "validate runs the models there, and says whose clocks it uses",
    async () => {
      const words = ["validate", "s.yaml", "--on", inventory, "--budget", "120s", "--json"];
      const { code, stdout, stderr } = await tandemHere(folder, [...words, "--backend", "real"]);
      // A busy machine gives no verdict, or a wrong one.
      expect([0, 3], stderr).toContain(code);
      const { notes, configurations } = JSON.parse(stdout);
      expect(notes.join()).toContain("no clocks had to agree");
      expect(configurations[0].measured.metrics.latencyMeanMs.mean).toBeGreaterThan(0);
      expect(workers()).toEqual([]);
    },
    PATIENCE_MS,
  );
});
