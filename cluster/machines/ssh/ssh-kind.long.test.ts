/** Kind `ssh` for real: three machines behind sshd, every port but 22 closed. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { needs } from "../../../checks/support/needs.test-support.ts";
import { temporaryFolder } from "../../../checks/support/temporary-folder.test-support.ts";
import type { ClusterState } from "../../deploy/state.ts";
import { eventually, isRunning } from "../../deployment.test-support.ts";
import type { GatewayStatus } from "../../observe/gateway-status.ts";
import { collector, type ReceivedSpan, spansOf } from "../../observe/otlp.test-support.ts";
import { SshLab } from "./ssh-lab.test-support.ts";

const TANDEM = fileURLToPath(new URL("../../../dist/cli/tandem.js", import.meta.url));
const SCENARIO = `
name: small
pipelines: { p: { tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: deterministic, meanMs: 5 }, implementation: { name: no-op } } }
cluster: { replicas: { serve: 3 } }
workload: { arrivals: poisson, ratePerS: 80, requests: 200 }
`;
/** On a busy machine. */
const PATIENCE_MS = 600_000;
const SMOKE = { tags: ["smoke"], timeout: PATIENCE_MS };
const missing = SshLab.missing();
const folder = temporaryFolder("ssh-test");
let lab: SshLab;

beforeAll(() => {
  if (missing !== null) return;
  lab = new SshLab(3);
  writeFileSync(join(folder, "s.yaml"), SCENARIO);
});
afterEach(() => {
  if (missing !== null) return;
  for (const name of lab.names) lab.heal(name);
  lab.restoreCommands();
  tandem("cluster", "down");
});
afterAll(() => {
  lab?.close();
});

/** A command in a shell of its own. */
function tandem(...words: readonly string[]) {
  const options = { encoding: "utf8", cwd: folder, timeout: 120_000 } as const;
  const { status: code, stdout, stderr } = spawnSync(process.execPath, [TANDEM, ...words], options);
  return { code, stdout, stderr };
}

/** Where the gateway of the deployment that is up answers REST. */
let rest = "";

function up(inventory: string, backend = "replay", more: readonly string[] = []): ClusterState {
  const words = ["cluster", "up", "s.yaml", "--on", inventory, "--json", "--backend", backend];
  words.push(...more);
  const { code, stdout, stderr } = tandem(...words);
  expect(code, stderr).toBe(0);
  const state = JSON.parse(stdout) as ClusterState;
  rest = state.gateway.http;
  return state;
}

/** States of the replicas, in order; none while the gateway does not answer. */
async function states(): Promise<readonly string[]> {
  try {
    const { replicas } = (await (await fetch(`${rest}/status`)).json()) as GatewayStatus;
    return replicas.map(({ state }) => state);
  } catch {
    return [];
  }
}

/** The machines by their addresses, as kind ssh reaches them directly. */
const addressed = () =>
  Object.fromEntries(lab.names.map((name) => [name, { address: lab.addressOf(name) }]));

const areUp = async (): Promise<boolean> => (await states()).join() === "up,up,up";

/** Counts of outcomes that there were, after the scenario's requests, with `work` meanwhile. */
async function load(url: string, work?: () => void): Promise<unknown> {
  const words = ["load", "s.yaml", "--url", url, "--json"];
  const child = spawn(process.execPath, [TANDEM, ...words], { cwd: folder });
  const stdout = text(child.stdout);
  if (work !== undefined) setTimeout(work, 2000);
  const { outcomes } = JSON.parse(await stdout) as { outcomes: Readonly<Record<string, number>> };
  return Object.fromEntries(Object.entries(outcomes).filter(([, count]) => count > 0));
}

/** Whether every worker's span is part of a trace of the gateway's, for all of the scenario's requests. */
function areWhole(spans: readonly ReceivedSpan[]): boolean {
  const tracesOf = (name: string) =>
    spans.flatMap(({ service, traceId }) => (service === name ? [traceId] : []));
  const [computed, taken] = [tracesOf("tandem-worker"), new Set(tracesOf("tandem-gateway"))];
  return computed.length >= 200 && computed.every((traceId) => taken.has(traceId));
}

/** Files of the deployment besides its logs. */
const leftBehind = () =>
  readdirSync(join(folder, ".tandem")).filter((name) => !name.endsWith(".log"));

const workers = (): readonly number[] => lab.names.flatMap((name) => lab.workers(name));
const isClean = (): boolean => workers().length === 0 && lab.clients().length === 0;

describe.skipIf(!needs(missing ?? "", missing === null))("a cluster over SSH", () => {
  test(
    "serves; loses and gets back a machine, a network and a tunnel; and leaves nothing",
    SMOKE,
    async () => {
      const inventory = lab.inventory("inventory.yaml", { leaseS: 6, aliveIntervalS: 1 });
      const { gateway, workers: placed } = up(inventory);
      expect(placed.map(({ machine }) => machine)).toEqual(["a", "b", "c"]);
      // Their own, not those of ssh here.
      expect(placed.map(({ pid }) => pid)).toEqual(
        ["a", "b", "c"].flatMap((one) => lab.workers(one)),
      );
      expect(await areUp()).toBe(true);
      expect(tandem("cluster", "status", "--no-watch").stdout).toMatch(/serve-2 .* on b/);
      expect(await load(gateway.grpc)).toEqual({ completed: 200 });

      // Its processes die, in the middle of requests: they are tried elsewhere.
      expect(await load(gateway.grpc, () => lab.crash("b"))).toEqual({ completed: 200 });
      expect(await eventually(async () => (await states())[1] === "down")).toBe(true);
      lab.boot("b");
      expect(await eventually(areUp, 60_000)).toBe(true);

      // Only the tunnel is cut: the worker stays.
      const [worker] = lab.workers("a");
      const tunnels = lab
        .clients(" -L ")
        .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("worker-1"));
      expect(tunnels).toHaveLength(1);
      process.kill(tunnels[0], "SIGKILL");
      expect(
        await eventually(() => lab.clients("worker-1").length === 1 && !isRunning(tunnels[0])),
      ).toBe(true);
      expect(await eventually(areUp)).toBe(true);
      expect(lab.workers("a")).toEqual([worker]);

      // The network is cut: the gateway goes on without the machine, whose worker ends by its lease.
      expect(await load(gateway.grpc, () => lab.cut("c"))).toEqual({ completed: 200 });
      expect(await eventually(() => lab.workers("c").length === 0, 60_000)).toBe(true);
      lab.heal("c");
      expect(await eventually(areUp, 60_000)).toBe(true);
      expect(await load(gateway.grpc)).toEqual({ completed: 200 });

      const down = tandem("cluster", "down");
      expect([down.code, down.stdout], down.stderr).toEqual([0, "stopped small\n"]);
      expect(await eventually(isClean)).toBe(true);
      expect(leftBehind()).toEqual([]);
    },
  );

  test("ends its workers when it is silent, and says what is gone", async () => {
    const { supervisorPid, gateway } = up(lab.inventory("lease.yaml", { leaseS: 5 }));
    expect(workers()).toHaveLength(3);
    process.kill(supervisorPid, "SIGSTOP");
    expect(await eventually(() => workers().length === 0, 60_000)).toBe(true);
    expect(readFileSync(join(folder, ".tandem/worker-1.log"), "utf8")).toBeDefined();

    // As after a restart of this machine.
    process.kill(supervisorPid, "SIGKILL");
    expect(await eventually(() => !isRunning(gateway.pid))).toBe(true);
    expect(await eventually(isClean)).toBe(true);
    const gone = tandem("cluster", "status");
    expect(gone).toMatchObject({ code: 4, stdout: expect.stringContaining("small on the replay") });
    expect(tandem("cluster", "down")).toMatchObject({
      code: 0,
      stdout: "stopped small; its processes on this machine were gone already\n",
    });
    expect(leftBehind()).toEqual([]);
    expect(tandem("cluster", "status").stdout).toBe("no cluster is up in this folder\n");
  });

  test("`down` ends what a machine still has, and asks again where it could not", async () => {
    const { supervisorPid, id } = up(lab.inventory("orphan.yaml", { connectTimeoutS: 2 }));
    process.kill(supervisorPid, "SIGKILL");
    expect(await eventually(isClean)).toBe(true);
    lab.spawn("b", "sh", "-c", "sleep 600; true", `--deployment=${id}`);
    expect(tandem("cluster", "status").stderr).toMatch(/still there: a process on b, pid \d+/);
    lab.cut("c");
    const first = tandem("cluster", "down");
    expect(first).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("c: it does not answer"),
    });
    lab.heal("c");
    // The lab's machines share a table of processes: the first that is asked ends it.
    expect(first.stdout).toMatch(/ended a process on [ab], pid \d+/);
    expect(tandem("cluster", "down").code).toBe(0);
    expect(tandem("cluster", "down").stdout).toBe("nothing was up\n");
  });

  test("real models go there once, and again when a file was changed", async () => {
    const inventory = lab.inventory("real.yaml", { machines: { a: { cores: 0 } }, leaseS: 20 });
    const sent = (): number =>
      readFileSync(join(folder, ".tandem/supervisor.log"), "utf8").split("sending ").length - 1;
    const cached = (): readonly string[] => readdirSync(lab.cache);
    const before = sent();
    up(inventory, "real");
    const [worker] = lab.workers("a");
    expect(execFileSync("taskset", ["-pc", String(worker)], { encoding: "utf8" })).toMatch(
      /: 0\n$/,
    );
    expect(tandem("cluster", "down").code).toBe(0);
    expect(sent()).toBe(before + 1);
    for (const digest of cached()) writeFileSync(join(lab.cache, digest, "package.json"), "{}");
    up(inventory, "real");
    expect(sent()).toBe(before + 2);
    expect(cached().filter((name) => name.includes("."))).toEqual([]);
    expect(tandem("cluster", "down").code).toBe(0);
  });

  test("on open ports, with mutual TLS, it needs no tunnel; a port in use is an error", async () => {
    for (const name of lab.names) lab.open(name, 9400, 9402);
    const machines = addressed();
    const keys = { machines, reach: "direct", ports: [9400, 9402], leaseS: 20 };
    const { workers: placed, gateway } = up(lab.inventory("direct.yaml", keys));
    expect(placed.map(({ address }) => address)).toEqual(
      lab.names.map((name) => `${lab.addressOf(name)}:9400`),
    );
    expect(lab.clients(" -L ")).toEqual([]);
    expect(await load(gateway.grpc)).toEqual({ completed: 200 });
    expect(tandem("cluster", "down").code).toBe(0);

    const listen = "require('net').createServer().listen(9400, '0.0.0.0')";
    const other = lab.spawn("b", process.execPath, "-e", listen);
    expect(await eventually(() => lab.pids("b").length > 1)).toBe(true);
    const words = [
      "cluster",
      "up",
      "s.yaml",
      "--backend",
      "replay",
      "--on",
      join(lab.folder, "direct.yaml"),
    ];
    const { code, stderr } = tandem(...words);
    other.kill();
    expect(code).toBe(4);
    expect(stderr).toMatch(/worker 2 on b failed: cannot listen on 0.0.0.0:9400: .*EADDRINUSE/);
    expect(await eventually(isClean)).toBe(true);
  });

  test("the gateway runs on a machine, comes back there when it dies, and leaves nothing", async () => {
    for (const name of lab.names) lab.open(name, 9500, 9501);
    const machines = addressed();
    const direct = { machines, reach: "direct", ports: [9500, 9501] };
    const inventory = lab.inventory("gateway.yaml", { ...direct, gateway: "a", leaseS: 6 });
    rmSync(join(folder, "day.csv"), { force: true });
    const files = ["--record", "day.csv", "--trace", "spans.json"];
    const { gateway, supervisorPid } = up(inventory, "replay", files);
    expect(gateway.machine).toBe("a");
    const pids = (): readonly number[] =>
      lab
        .workers("a")
        .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("gateway/main"));
    const [first] = pids();
    expect(await load(gateway.grpc)).toEqual({ completed: 200 });
    expect(tandem("cluster", "status", "--no-watch").stdout).toContain("gateway on a");
    expect((await fetch(gateway.http)).headers.get("content-type")).toContain("text/html");
    // The gateway's files are here, though it is there.
    const lines = (file: string) => readFileSync(join(folder, file), "utf8").trim().split("\n");
    expect(await eventually(() => lines("day.csv").length === 201)).toBe(true);
    expect(lines("day.csv")[1]).toMatch(/^\d+\.\d+,p,\d+,completed,/);
    // So are the spans, also of the workers on machines, as parts of the same traces.
    const spans = () => lines("spans.json").flatMap(spansOf);
    expect(await eventually(() => areWhole(spans()))).toBe(true);

    process.kill(first, "SIGKILL");
    expect(await eventually(() => pids().length === 1 && pids()[0] !== first, 60_000)).toBe(true);
    expect(await eventually(areUp, 60_000)).toBe(true);
    expect(await load(gateway.grpc)).toEqual({ completed: 200 });

    expect(tandem("cluster", "down")).toMatchObject({ code: 0, stdout: "stopped small\n" });
    expect(await eventually(isClean)).toBe(true);
    expect(isRunning(supervisorPid)).toBe(false);
    expect(lines("day.csv")).toHaveLength(401);
  });

  test("spans of workers elsewhere are posted to a collector that only this machine reaches", async () => {
    const { server, url, spans } = await collector();
    const inventory = lab.inventory("traced.yaml");
    const { gateway } = up(inventory, "replay", ["--trace", url]);
    expect(await load(gateway.grpc)).toEqual({ completed: 200 });
    expect(await eventually(() => areWhole(spans))).toBe(true);
    server.closeAllConnections();
    server.close();
  });

  test("certificates that do not name the machines are refused at once", () => {
    expect(tandem("cluster", "certs", "certs", "--host", lab.addressOf("a")).code).toBe(0);
    const machines = addressed();
    const inventory = lab.inventory("unnamed.yaml", { machines, reach: "direct" });
    const words = ["cluster", "up", "s.yaml", "--backend", "replay", "--certs", "certs"];
    const { code, stderr } = tandem(...words, "--on", inventory);
    expect(code).toBe(2);
    const others = `${lab.addressOf("b")}, ${lab.addressOf("c")}`;
    expect(stderr).toContain(`does not name ${others}`);
    expect(stderr).toContain("tandem cluster certs");
  });

  test("every machine's problem is told at once, and nothing starts", async () => {
    // A machine that has crashed in another test takes a moment to be back.
    const answers = (name: string): boolean =>
      spawnSync("ssh", ["-F", lab.config, name, "true"]).status === 0;
    expect(await eventually(() => lab.names.every(answers))).toBe(true);
    const lines = readFileSync(lab.config, "utf8").replace(
      new RegExp(`(Host b\\n[^]*?)${join(lab.folder, "id")}\\n`),
      `$1${join(lab.folder, "stranger")}\n`,
    );
    writeFileSync(join(lab.folder, "wrong-key"), lines);
    const keys = {
      config: "wrong-key",
      connectTimeoutS: 6,
      machines: {
        a: { node: "/bin/false", cores: "0-4000" },
        b: {},
        c: {},
        d: { host: "a", jump: "nowhere.invalid" },
      },
    };
    lab.cut("c");
    const words = [
      "cluster",
      "up",
      "s.yaml",
      "--backend",
      "replay",
      "--set",
      "cluster.replicas.serve=4",
    ];
    const { code, stderr } = tandem(...words, "--on", lab.inventory("wrong.yaml", keys));
    lab.heal("c");
    expect(code).toBe(4);
    expect(stderr).toContain("4 machines are not ready; nothing was started");
    expect(stderr).toMatch(/machines.d: d: its jump host cannot be reached: .*nowhere.invalid/);
    expect(stderr).toMatch(/machines.a: a: its Node.js \/bin\/false does not run; it needs 20.19/);
    expect(stderr).toMatch(/machines.b: b: it refuses our key: .*Permission denied/);
    expect(stderr).toMatch(/machines.c: c: it does not answer/);
    expect(await eventually(isClean)).toBe(true);
    expect(tandem("cluster", "status").stdout).toBe("no cluster is up in this folder\n");
  });

  test("native parts are refused on another architecture or C library", async () => {
    lab.replace("b", "uname", "echo Linux riscv64");
    lab.replace("c", "getconf", "exit 1");
    lab.replace("c", "ldd", "echo 'musl libc (x86_64)'");
    const words = ["cluster", "up", "s.yaml", "--on", lab.inventory("foreign.yaml")];
    const { code, stderr } = tandem(...words, "--backend", "real");
    expect(code).toBe(4);
    expect(stderr).toContain("2 machines are not ready; nothing was started");
    expect(stderr).toMatch(/machines.b: b: it is riscv64, and this machine is (x86_64|aarch64)/);
    expect(stderr).toMatch(/machines.c: c: its C library is musl, and this machine's is glibc/);
    expect(stderr).toContain("real models need the same system everywhere; the replay backend");
    expect(await eventually(isClean)).toBe(true);
  });

  test("a full disk, cores that are not there and a missing inventory are told before anything is sent", () => {
    const disk = join(lab.folder, "disk");
    mkdirSync(disk);
    for (const name of lab.names) lab.mountDisk(name, disk, "200k");
    const words = ["cluster", "up", "s.yaml", "--backend", "replay", "--on"];
    const full = tandem(...words, lab.inventory("full.yaml", { cache: disk }));
    expect(full).toMatchObject({ code: 4 });
    expect(full.stderr).toMatch(/its disk is full: [\d.]+ MB are needed, 0.2 MB are free/);
    expect(readdirSync(disk)).toEqual([]);
    const cores = tandem(
      ...words,
      lab.inventory("cores.yaml", { machines: { a: { cores: "0-4000" } } }),
    );
    expect(cores).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("it has no cores 0-4000"),
    });
    const none = tandem(...words, "nowhere.yaml");
    expect(none).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("cannot read the inventory"),
    });
  });
});
