/** Python in the pages: `docs/python.md` from an empty folder, in order; the call of `docs/serving.md`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startDeployment } from "../cluster/deploy/deployment.ts";
import { NO_INPUTS, twoTasks } from "../cluster/deployment.test-support.ts";
import { peer, ran } from "../cluster/protocol/peers.test-support.ts";
import { pythonOf } from "./docs.test-support.ts";
import { folderWithCheckout } from "./tutorial.test-support.ts";

const PACKAGES = ["pandas", "pyarrow", "duckdb", "altair", "requests", "tritonclient.grpc"];
const python = peer("python3", ["-c", `import ${PACKAGES.join(", ")}`], PACKAGES.join(", "));

async function run(folder: string, source: string): Promise<string> {
  const file = join(folder, "page.py");
  writeFileSync(file, source);
  const { code, stdout, stderr } = await ran(python as string, [file], folder);
  expect(code, stderr).toBe(0);
  return stdout;
}

test.skipIf(python === null)("every block of docs/python.md runs", async () => {
  const blocks = pythonOf("docs/python.md");
  expect(blocks.length).toBeGreaterThan(6);
  const said = await run(folderWithCheckout(), blocks.join("\n"));
  for (const part of [/^fifo \{/m, /latencyP99Ms/, /│ +p99/, /^output$/m, /"tasks"/]) {
    expect(said).toMatch(part);
  }
});

test.skipIf(python === null)("the call of docs/serving.md runs as it stands", async () => {
  const [name, pipeline] = ["image-analysis", Object.values(twoTasks().pipelines)[0]];
  const document = twoTasks({ pipelines: { [name]: pipeline } });
  const deployment = await startDeployment({
    document,
    inputs: NO_INPUTS,
    seed: "1",
    backend: "replay",
  });
  try {
    const folder = folderWithCheckout();
    writeFileSync(join(folder, "car.jpg"), "a picture");
    const [call] = pythonOf("docs/serving.md");
    expect(call).toContain("127.0.0.1:8001");
    const said = await run(folder, call.replace("127.0.0.1:8001", deployment.gateway.grpc));
    expect(said).toContain("detect");
  } finally {
    await deployment.stop();
  }
});
