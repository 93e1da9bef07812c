/** deploy/terraform against machines behind SSH: apply, more replicas, fewer, destroy. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { needs } from "../../../checks/support/needs.test-support.ts";
import { temporaryFolder } from "../../../checks/support/temporary-folder.test-support.ts";
import type { ClusterState, ClusterStatus } from "../../deploy/state.ts";
import { eventually } from "../../deployment.test-support.ts";
import { SshLab } from "./ssh-lab.test-support.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const TANDEM = join(ROOT, "dist/cli/tandem.js");
const SCENARIO = `
name: small
pipelines: { p: { tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: deterministic, meanMs: 5 }, implementation: { name: no-op } } }
cluster: { replicas: { serve: 2 } }
workload: { arrivals: poisson, ratePerS: 40, requests: 100 }
`;
const { TF_CLI_CONFIG_FILE: _, ...environment } = process.env;
const hasTerraform = spawnSync("terraform", ["version"], { env: environment }).status === 0;
const missing = hasTerraform ? SshLab.missing() : "terraform";
/** Like a clone, so that the module finds its own command. */
const clone = temporaryFolder("terraform");
const folder = join(clone, "deploy/terraform");
let lab: SshLab;

beforeAll(() => {
  if (missing !== null) return;
  lab = new SshLab(3);
  cpSync(join(ROOT, "deploy/terraform"), folder, { recursive: true });
  symlinkSync(join(ROOT, "dist"), join(clone, "dist"));
  writeFileSync(join(folder, "s.yaml"), SCENARIO);
});
afterAll(() => {
  if (missing === null) {
    if (existsSync(join(folder, "lab"))) tandem("cluster", "down");
    lab.close();
  }
});

function terraform(...words: readonly string[]): string {
  const options = { cwd: folder, env: environment, encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync("terraform", words, options);
  expect(status, stdout + stderr).toBe(0);
  return stdout;
}

function tandem(...words: readonly string[]) {
  const options = { cwd: join(folder, "lab"), encoding: "utf8" } as const;
  return spawnSync(process.execPath, [TANDEM, ...words], options);
}

/** Applies the lab with so many replicas; how many resources Terraform added, changed and destroyed. */
function apply(replicas: number, port: number): readonly number[] {
  const variables = {
    scenario: "s.yaml",
    folder: "lab",
    machines: Object.fromEntries(lab.names.map((name) => [name, {}])),
    ssh_config: lab.config,
    cache: lab.cache,
    backend: "replay",
    gateway_port: port,
    initial: { serve: 2 },
    replicas: { serve: replicas },
  };
  writeFileSync(join(folder, "lab.tfvars.json"), JSON.stringify(variables));
  const said = terraform("apply", "-no-color", "-auto-approve", "-var-file=lab.tfvars.json");
  const [, ...counts] = /(\d+) added, (\d+) changed, (\d+) destroyed/.exec(said) ?? [];
  return counts.map(Number);
}

const status = (): ClusterStatus =>
  JSON.parse(tandem("cluster", "status", "--json").stdout) as ClusterStatus;
const up = (): number =>
  (status().now?.replicas ?? []).filter(({ state }) => state === "up").length;
const workers = (): number => lab.names.flatMap((name) => lab.workers(name)).length;

test.skipIf(!needs(missing ?? "terraform", missing === null))(
  "apply deploys, a changed count adds or removes just those, destroy leaves nothing",
  async () => {
    const port = 20_000 + (process.pid % 20_000);
    terraform("init", "-no-color");
    expect(apply(2, port)).toEqual([1, 0, 0]);
    expect(up()).toBe(2);
    const { id, gateway }: ClusterState = status().state;

    expect(apply(4, port)).toEqual([2, 0, 0]);
    expect(up()).toBe(4);
    expect(workers()).toBe(4);
    expect(status().state.id, "the deployment goes on").toBe(id);
    const load = tandem("load", join(folder, "s.yaml"), "--url", gateway.grpc, "--json");
    expect(JSON.parse(load.stdout).outcomes).toMatchObject({ completed: 100 });

    expect(apply(3, port)).toEqual([0, 0, 1]);
    expect(await eventually(() => workers() === 3)).toBe(true);
    const state = terraform("state", "pull");
    expect(state).not.toMatch(/PRIVATE KEY/);

    terraform("destroy", "-no-color", "-auto-approve", "-var-file=lab.tfvars.json");
    expect(await eventually(() => workers() === 0 && lab.clients().length === 0)).toBe(true);
    expect(tandem("cluster", "status").stdout).toContain("no cluster is up");
    expect(readdirSync(join(folder, "lab"))).not.toContain("inventory.json");
  },
  300_000,
);
