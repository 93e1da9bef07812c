import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { writeOnnx } from "./onnx-writer.ts";
import { openEngine } from "./session.ts";

const folder = temporaryFolder("session");

test("contents that lie anywhere in a message are taken as they are", async () => {
  const path = join(folder, "next.onnx");
  const value = { shape: ["rows"], datatype: "INT64" } as const;
  const onnx = writeOnnx({
    name: "next",
    nodes: [{ op: "Add", inputs: ["x", "one"], output: "y" }],
    constants: [{ name: "one", shape: [1], data: BigInt64Array.of(1n) }],
    inputs: [{ name: "x", ...value }],
    outputs: [{ name: "y", ...value }],
  });
  writeFileSync(path, onnx);
  const about = { name: "next", source: "this test", license: "MIT" };
  const engine = await openEngine(path, about);
  try {
    const message = Buffer.alloc(3 + 16);
    message.writeBigInt64LE(41n, 3);
    message.writeBigInt64LE(2n ** 62n, 11);
    const raw = new Uint8Array(message.buffer, message.byteOffset + 3, 16);
    const [y] = await engine.run([{ name: "x", datatype: "INT64", shape: [2], raw }]);
    const view = Buffer.from(y!.raw);
    expect(y!.shape).toEqual([2]);
    expect([view.readBigInt64LE(0), view.readBigInt64LE(8)]).toEqual([42n, 2n ** 62n + 1n]);
  } finally {
    await engine.close();
  }
});
