import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { freePorts } from "../checks/support/listening.test-support.ts";
import { needs } from "../checks/support/needs.test-support.ts";
import { eventually } from "../cluster/deployment.test-support.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { type HostSample, sampleHost } from "./host.ts";
import { NO_RUN, type RunHere, runHere } from "./own-processes.ts";

const served = (url: string, address: string): ScenarioDocument =>
  scenarioSchema.parse({
    name: "served",
    pipelines: { p: { tasks: { see: { model: "eye" }, write: { model: "pen", after: ["see"] } } } },
    models: {
      eye: { implementation: { external: { address, model: "m" } } },
      pen: { tokens: { steps: "pen.json", external: { url, model: "m" } } },
    },
    cluster: { replicas: { see: 1, write: 1 } },
    workload: { arrivals: "burst", requests: 4 },
  });

function told(run?: RunHere): HostSample {
  const found = sampleHost(run);
  if (found === null) throw new Error("the host did not tell");
  return found;
}

test("servers of the user's at this host are a run's where it asks them", () => {
  const ports = (url: string, address: string, backend: "real" | "engines" | "replay") =>
    runHere(served(url, address), backend).serverPorts;
  expect(ports("http://127.0.0.1:8080", "localhost:8001", "engines")).toEqual([8080]);
  expect(ports("http://127.0.0.1:8080", "localhost:8001", "real")).toEqual([8001]);
  expect(ports("http://127.0.0.1:8080", "localhost:8001", "replay")).toEqual([]);
  expect(ports(`http://${hostname()}`, "gpu1.lab:8001", "engines")).toEqual([80]);
  expect(ports("https://gpu1.lab:8080", "gpu1.lab:8001", "engines")).toEqual([]);
});

describe.skipIf(!needs("/proc/stat", existsSync("/proc/stat")))("on a real host", () => {
  /** Starts a process that init adopts, as on a machine that shares this kernel. Returns its pid. */
  function stranger(script: string, ...words: readonly string[]): number {
    const started = `"$0" -e "$@" >/dev/null 2>&1 & echo $!`;
    const given = ["-c", started, process.execPath, script, "--", ...words];
    return Number(spawnSync("sh", given, { encoding: "utf8" }).stdout);
  }

  test("a stranger is none of a run's; a process of its deployment is, wherever it was started", () => {
    const pid = stranger("setTimeout(() => {}, 20_000)", "--deployment=d-1");
    try {
      expect(told().own.has(pid)).toBe(false);
      expect(told({ ...NO_RUN, deployment: "d-2" }).own.has(pid)).toBe(false);
      expect(told({ ...NO_RUN, deployment: "d-1" }).own.has(pid)).toBe(true);
    } finally {
      process.kill(pid);
    }
  });

  test("a server at the address of a model is the run's, with the processes below it", async () => {
    const [port] = await freePorts(1);
    const serve = `
      require("node:net").createServer().listen(process.argv[1], "127.0.0.1");
      require("node:child_process").spawn("sleep", ["20"]);`;
    const pid = stranger(serve, String(port));
    const run = runHere(served(`http://127.0.0.1:${port}`, "localhost:1"), "engines");
    const below = (): number[] =>
      [...told().processes].flatMap(([child, { parent }]) => (parent === pid ? [child] : []));
    try {
      expect(await eventually(() => told(run).own.has(pid) && below().length === 1)).toBe(true);
      expect(told(run).own.has(below()[0])).toBe(true);
      expect(told().own.has(pid)).toBe(false);
      expect(told({ ...NO_RUN, serverPorts: [port + 1] }).own.has(pid)).toBe(false);
    } finally {
      for (const one of [...below(), pid]) process.kill(one);
    }
  });

  test("processes below this one are its own", () => {
    const child = spawn("sleep", ["10"]);
    expect(told().own.has(child.pid as number)).toBe(true);
    child.kill();
  });
});
