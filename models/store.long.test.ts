import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { prepareModels } from "./store.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "tandem-store-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("concurrent callers get one whole store, and a spoilt file is fetched anew", async () => {
  const cacheDir = join(dir, "shared");
  const [one, two] = await Promise.all([prepareModels({ cacheDir }), prepareModels({ cacheDir })]);
  expect(one.files).toEqual(two.files);
  const steps: string[] = [];
  const onProgress = ({ step }: { readonly step: string }) => steps.push(step);
  expect(await prepareModels({ cacheDir, onProgress })).toEqual(one);
  expect(steps).toEqual([]);

  const { path } = one.files["ssd-mobilenet-v2.onnx"];
  const whole = await readFile(path);
  await writeFile(path, whole.subarray(0, 1000));
  await prepareModels({ cacheDir, onProgress });
  expect(steps).toEqual(["fetch", "fetch", "convert", "write"]);
  expect((await readFile(path)).equals(whole)).toBe(true);
  expect(await readdir(cacheDir)).toHaveLength(1);
});

test("an unreachable registry is a fault with a hint and leaves nothing behind", async () => {
  const env = {
    ...process.env,
    TANDEM_CACHE: join(dir, "unreachable"),
    npm_config_cache: join(dir, "empty-npm-cache"),
    // The discard port of this machine: nothing listens there.
    npm_config_registry: "http://127.0.0.1:9/",
  };
  await expect(prepareModels({ env })).rejects.toMatchObject({
    code: "registry-unreachable",
    message: expect.stringContaining("127.0.0.1:9"),
    hint: expect.stringContaining("npm config get registry"),
  });
  await expect(readdir(join(dir, "unreachable"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("a store that cannot be written says so and how to move it", async () => {
  const file = join(dir, "file");
  await writeFile(file, "");
  await expect(prepareModels({ cacheDir: file })).rejects.toMatchObject({
    code: "invalid-input",
    message: expect.stringContaining(file),
    hint: expect.stringContaining("TANDEM_CACHE"),
  });
});

test("the registry comes from the user's npmrc", async () => {
  const userconfig = join(dir, "npmrc");
  await writeFile(userconfig, "registry=http://127.0.0.1:9/from-npmrc/\n");
  const { npm_config_registry: _, ...rest } = process.env;
  const env = {
    ...rest,
    npm_config_userconfig: userconfig,
    npm_config_cache: join(dir, "another-npm-cache"),
    TANDEM_CACHE: join(dir, "unreachable"),
  };
  await expect(prepareModels({ env })).rejects.toMatchObject({
    message: expect.stringContaining("127.0.0.1:9/from-npmrc"),
  });
});

test("a machine without npm gets a clear error", async () => {
  const env = { ...process.env, PATH: dir, TANDEM_CACHE: join(dir, "unreachable") };
  await expect(prepareModels({ env })).rejects.toMatchObject({
    message: expect.stringContaining("there is no npm on the path"),
  });
});
