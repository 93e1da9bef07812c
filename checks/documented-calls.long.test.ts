/** Calls in the pages: `docs/python.md` from an empty folder, in order; `docs/serving.md` by Python, curl and buf. */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Deployment, startDeployment } from "../cluster/deploy/deployment.ts";
import { NO_INPUTS, twoTasks } from "../cluster/deployment.test-support.ts";
import { peer, ran } from "../cluster/protocol/peers.test-support.ts";
import { drawScenes } from "../models/scenes.ts";
import { blocksOf } from "./docs.test-support.ts";
import { folderWithCheckout } from "./tutorial.test-support.ts";

const PACKAGES = ["pandas", "pyarrow", "duckdb", "altair", "requests", "tritonclient.grpc"];
const python = peer("python3", ["-c", `import ${PACKAGES.join(", ")}`], PACKAGES.join(", "));
const curl = peer("curl", ["--version"], "curl");
const buf = peer("buf", ["--version"], "buf");

async function run(folder: string, source: string): Promise<string> {
  const file = join(folder, "page.py");
  writeFileSync(file, source);
  const { code, stdout, stderr } = await ran(python as string, [file], folder);
  expect(code, stderr).toBe(0);
  return stdout;
}

test.skipIf(python === null)("every block of docs/python.md runs", async () => {
  const blocks = blocksOf("docs/python.md", "python");
  expect(blocks.length).toBeGreaterThan(6);
  const said = await run(folderWithCheckout(), blocks.join("\n"));
  for (const part of [/^fifo \{/m, /latencyP99Ms/, /│ +p99/, /^output$/m, /"tasks"/]) {
    expect(said).toMatch(part);
  }
});

describe("docs/serving.md", () => {
  const name = "image-analysis";
  let deployment: Deployment;
  let folder: string;

  beforeAll(async () => {
    const pipelines = { [name]: Object.values(twoTasks().pipelines)[0] };
    const document = twoTasks({ pipelines });
    const seed = "1";
    deployment = await startDeployment({ document, inputs: NO_INPUTS, seed, backend: "replay" });
    folder = folderWithCheckout();
    const [car] = await drawScenes({ count: 1, carShare: 1, seed });
    writeFileSync(join(folder, "car.jpg"), car.png);
  });
  afterAll(() => deployment.stop());

  /** At the deployment's own addresses. */
  const here = (block: string): string =>
    block
      .replaceAll("localhost:8000", deployment.gateway.http.replace("http://", ""))
      .replaceAll("127.0.0.1:8001", deployment.gateway.grpc);

  test.skipIf(python === null)("its Python runs as it stands", async () => {
    const [call] = blocksOf("docs/serving.md", "python");
    expect(call).toContain("127.0.0.1:8001");
    expect(await run(folder, here(call))).toContain("detect");
  });

  const blocks = blocksOf("docs/serving.md", "sh");
  const [infer, reflect, schedule, ...more] = blocks;

  test("all of its shell blocks are here", () => {
    expect(more).toEqual([]);
    for (const block of blocks) expect(block).toMatch(/localhost:8000|127\.0\.0\.1:8001/);
  });

  const sh = (block: string, program: string) =>
    ran("sh", ["-ec", `PATH=${dirname(program)}:$PATH; ${here(block)}`], folder);

  test.skipIf(curl === null)("its calls by curl infer, and change the scheduler", async () => {
    const { code, stdout, stderr } = await sh(infer, curl as string);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/"model_name":"image-analysis".*completed/);
    expect(stdout).not.toContain('"error"');
    expect((await sh(schedule, curl as string)).stdout).toContain("size-or-timeout");
    const now = await (await fetch(`${deployment.gateway.http}/v1/scheduler`)).text();
    expect(now).toContain("size-or-timeout");
  });

  test.skipIf(buf === null)("its call by buf finds the contract by reflection", async () => {
    const { code, stdout, stderr } = await sh(reflect, buf as string);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ name, versions: ["1"] });
  });
});
