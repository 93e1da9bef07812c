/** Images, a compose file and the inventory's kind docker on a real Docker daemon. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  canRunDocker,
  composeWords,
  DockerHere,
} from "../cluster/containers/docker-here.test-support.ts";
import { needs } from "../core/needs.test-support.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

const isHere = needs("root with dockerd and docker (docker.io)", canRunDocker());
const compose = composeWords();

const SCENARIO = `
name: two-tasks
pipelines: { p: { tasks: { detect: { model: m }, read: { model: m, after: [detect] } } } }
models:
  m:
    service: { distribution: deterministic, meanMs: 5 }
    implementation: { name: no-op }
cluster: { replicas: { detect: 2, read: 1 } }
# As fast as it can be: a busy machine must not be overloaded.
workload: { arrivals: closed, clients: 4, requests: 200, client: { timeoutMs: 100000 } }
`;
/** Three nodes of a graph, whose file the containers mount. */
const REAL = `
name: real
pipelines: { p: { tasks: { look: { model: quarters } } } }
models:
  quarters:
    service: { distribution: deterministic, meanMs: 10 }
    implementation:
      onnx: models/quarters.onnx
      preprocess: [{ decode: rgb }, { resize: {} }, { normalise: { scale: 0.00392156862 } }]
      postprocess: [{ softmax: {} }, { topK: { k: 1 } }]
cluster: { replicas: { look: 2 } }
workload: { arrivals: closed, clients: 2, requests: 40, client: { timeoutMs: 100000 } }
`;
const PATIENCE_MS = 120_000;

describe.skipIf(!isHere)("containers", () => {
  const docker = new DockerHere();
  const { DOCKER_HOST: before } = process.env;
  const folder = join(docker.folder, "work");
  const tandem = (...words: readonly string[]) => tandemHere(folder, words);
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

  beforeAll(async () => {
    process.env.DOCKER_HOST = docker.host;
    mkdirSync(folder);
    await docker.start();
    docker.build(["gateway", "worker", "load"], "test");
    write("s.yaml", SCENARIO);
  }, 600_000);

  afterEach(async () => {
    await tandem("cluster", "down");
    docker.removeAll();
  });
  afterAll(async () => {
    await docker.close();
    if (before === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = before;
  });

  async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const giveUpAt = Date.now() + PATIENCE_MS;
    while (!(await holds())) {
      if (Date.now() > giveUpAt) expect.unreachable(`in time: ${what}`);
      await sleep(300);
    }
  }

  /** All 200 requests are answered; the generator may find itself too slow on a busy machine. */
  async function answers200(...words: readonly string[]): Promise<void> {
    const { stdout, stderr } = await tandem("load", "s.yaml", "--json", ...words);
    expect(JSON.parse(stdout).outcomes, stderr).toMatchObject({ completed: 200 });
  }

  test.skipIf(!needs("docker compose or docker-compose", compose !== null))(
    "of a compose folder answer, come back after a crash, and leave nothing",
    async () => {
      const [program, ...first] = compose ?? [];
      const file = join(folder, "lab/compose.yaml");
      const run = (...words: readonly string[]) =>
        docker.run(program, ...first, "-f", file, ...words);
      const port = 18_400 + (process.pid % 500) * 2;
      const written = ["deploy", "compose", "s.yaml", "--out", "lab", "--tag", "test"];
      const { code, stderr } = await tandem(...written, "--port", String(port), "--memory", "0.5");
      expect(code, stderr).toBe(0);
      const up = run("up", "-d");
      expect(up.status, up.stderr).toBe(0);
      const healthOf = (name: string): string =>
        docker.docker("inspect", "--format", "{{.State.Health.Status}}", name).stdout.trim();
      const named = (service: string): string =>
        docker.containers().find((name) => name.includes(`${service}`)) ?? "";
      const areHealthy = (): boolean =>
        ["gateway", "detect-1", "detect-2", "read-1"].every(
          (service) => healthOf(named(service)) === "healthy",
        );
      await eventually("every container is healthy", areHealthy);
      const certs = join(folder, "lab/certs");
      await answers200("--url", `127.0.0.1:${port + 1}`, "--certs", certs);
      const wrote = docker.docker("exec", named("read-1"), "sh", "-c", "echo x >/app/x");
      expect(wrote.stderr).toMatch(/Read-only file system/);
      docker.crash(named("detect-1"));
      await eventually("the crashed worker is healthy again", areHealthy);
      const load = run("run", "--rm", "load");
      expect(load.stdout, load.stderr).toContain("answers: 200 OK");
      run("down");
      expect(docker.containers()).toEqual([]);
      const { stdout: networks } = docker.docker("network", "ls", "--format", "{{.Name}}");
      expect(networks).not.toContain("lab");
    },
    PATIENCE_MS * 4,
  );

  test(
    "of an inventory answer, come back after a crash, and end from another shell",
    async () => {
      write(
        "on.yaml",
        "kind: docker\nimage: tandem-worker:test\nmachines: { here: { memoryMb: 500, cores: '0' } }\n",
      );
      const up = await tandem("cluster", "up", "s.yaml", "--on", "on.yaml", "--json");
      expect(up.code, up.stderr).toBe(0);
      const { gateway, supervisorPid, workers } = JSON.parse(up.stdout);
      expect(workers).toHaveLength(3);
      const [first] = docker.containers();
      const { stdout: limits } = docker.docker(
        ...["inspect", "--format", "{{.HostConfig.CpusetCpus}} {{.HostConfig.Memory}}", first],
      );
      expect(limits.trim()).toBe(`0 ${500 * 1024 * 1024}`);
      await answers200("--url", gateway.grpc);
      docker.crash(first);
      const areUp = async (): Promise<boolean> => {
        const { stdout } = await tandem("cluster", "status", "--json");
        const { replicas } = JSON.parse(stdout).now;
        return replicas.every(({ state }: { state: string }) => state === "up");
      };
      await eventually(
        "the crashed container is replaced",
        async () => !docker.containers().includes(first) && (await areUp()),
      );
      await answers200("--url", gateway.grpc);
      // As if this machine had crashed: nobody stops the containers in order.
      process.kill(supervisorPid, "SIGKILL");
      delete process.env.DOCKER_HOST;
      const down = await tandem("cluster", "down");
      process.env.DOCKER_HOST = docker.host;
      expect(down.code, down.stderr).toBe(0);
      expect(docker.containers()).toEqual([]);
    },
    PATIENCE_MS * 4,
  );

  test(
    "hold the gateway too, which comes back at the same address",
    async () => {
      const on = (more: string): string =>
        `kind: docker\nimage: tandem-worker:test\ngateway: here\n${more}machines: { here: {} }\n`;
      write("gateway.yaml", on(""));
      const up = await tandem("cluster", "up", "s.yaml", "--on", "gateway.yaml", "--json");
      expect(up.code, up.stderr).toBe(0);
      const { gateway } = JSON.parse(up.stdout);
      expect(gateway.machine).toBe("here");
      const own = (): string => docker.containers().find((name) => name.includes("gateway")) ?? "";
      const first = own();
      expect(first).not.toBe("");
      await answers200("--url", gateway.grpc);
      docker.crash(first);
      await eventually("the gateway's container is replaced", async () => {
        if (own() === first || own() === "") return false;
        return (await tandem("cluster", "status", "--json")).code === 0;
      });
      await answers200("--url", gateway.grpc);
      expect((await tandem("cluster", "down")).code).toBe(0);
      expect(docker.containers()).toEqual([]);
      write("apart.yaml", on("network: apart\n"));
      const apart = await tandem("check", "s.yaml", "--on", "apart.yaml");
      expect(apart.code).toBe(2);
      expect(apart.stderr).toContain("a gateway on here has no way to the workers on here");
    },
    PATIENCE_MS * 2,
  );

  test(
    "run a real model, whose file they mount",
    async () => {
      write("real.yaml", REAL);
      write("on-real.yaml", "kind: docker\nimage: tandem-worker:test\nmachines: { here: {} }\n");
      mkdirSync(join(folder, "models"));
      const graph = join(import.meta.dirname, "../scenarios/models/quarters.onnx");
      copyFileSync(graph, join(folder, "models/quarters.onnx"));
      const words = ["cluster", "up", "real.yaml", "--on", "on-real.yaml", "--backend", "onnx"];
      const up = await tandem(...words, "--json");
      expect(up.code, up.stderr).toBe(0);
      expect(docker.containers()).toHaveLength(2);
      const { grpc } = JSON.parse(up.stdout).gateway;
      const { stdout, stderr } = await tandem("load", "real.yaml", "--url", grpc, "--json");
      expect(JSON.parse(stdout).outcomes, stderr).toMatchObject({ completed: 40 });
      expect((await tandem("cluster", "down")).code).toBe(0);
      expect(docker.containers()).toEqual([]);
    },
    PATIENCE_MS * 2,
  );

  test(
    "reach a gateway outside through a published port of a network",
    async () => {
      docker.docker("network", "create", "apart");
      write(
        "apart.yaml",
        "kind: docker\nimage: tandem-worker:test\nnetwork: apart\nmachines: { here: {} }\n",
      );
      const up = await tandem("cluster", "up", "s.yaml", "--on", "apart.yaml", "--json");
      expect(up.code, up.stderr).toBe(0);
      await answers200("--url", JSON.parse(up.stdout).gateway.grpc);
      expect((await tandem("cluster", "down")).code).toBe(0);
      expect(docker.containers()).toEqual([]);
    },
    PATIENCE_MS * 2,
  );

  test("are refused before any starts, with every machine's problem", async () => {
    const other = join(folder, "other");
    mkdirSync(other);
    const changed =
      "FROM tandem-worker:test\nUSER 0\nRUN echo // >>/app/dist/cluster-bundle/cluster/worker/main.js\n";
    writeFileSync(join(other, "Dockerfile"), changed);
    const built = docker.docker(
      "build",
      "--network",
      "none",
      "--tag",
      "tandem-worker:other",
      other,
    );
    expect(built.status, built.stderr).toBe(0);
    const wrong = (image: string) => `kind: docker
image: ${image}
machines:
  a: { cores: 0-4095 }
  b: { docker: "unix:///nowhere/d.sock" }
  c: { docker: "tcp://127.0.0.1:1" }
  d: {}
`;
    const problems = async (image: string): Promise<string> => {
      write("wrong.yaml", wrong(image));
      const four = ["--set", "cluster.replicas.detect=3"];
      const { code, stderr } = await tandem(
        "cluster",
        "up",
        "s.yaml",
        "--on",
        "wrong.yaml",
        ...four,
      );
      expect(code).toBe(4);
      expect(stderr).toMatch(/machines\.a.* it has no core 4095/);
      expect(stderr).toMatch(/machines\.b.* its Docker daemon does not answer/);
      expect(stderr).toMatch(/machines\.c.* its workers cannot be reached/);
      return stderr;
    };
    expect(await problems("nowhere:1")).toMatch(/machines\.d.* it has no such image/);
    expect(await problems("tandem-worker:other")).toMatch(/machines\.d.* is another than this one/);
    expect(docker.containers()).toEqual([]);
  });

  test("hold no key, token or package manager's cache", () => {
    const { stdout } = docker.docker("history", "--no-trunc", "tandem-worker:test");
    expect(stdout).not.toMatch(/PRIVATE KEY|_authToken/);
    const find = ["run", "--rm", "--network", "none", "--entrypoint", "find", "tandem-worker:test"];
    const found = docker.docker(...find, "/app", "/npm-cache", "-maxdepth", "1").stdout;
    expect(found.trim().split("\n").sort()).toEqual([
      ...["/app", "/app/dist", "/app/node_modules", "/app/package.json"],
    ]);
    expect(readFileSync(join(folder, "lab/compose.yaml"), "utf8")).not.toContain("KEY-----");
  });
});
