/** Images and a compose file on a real Docker daemon. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";
import {
  canRunDocker,
  composeWords,
  DockerHere,
} from "../cluster/containers/docker-here.test-support.ts";
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
const PATIENCE_MS = 120_000;
const SMOKE = { tags: ["smoke"], timeout: PATIENCE_MS * 4 };

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
    SMOKE,
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
  );

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
