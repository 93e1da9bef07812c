/** The demo's refusals, without a run. */
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { demo } from "./demo.ts";

const folder = temporaryFolder("demo");

afterEach(() => void vi.unstubAllEnvs());

const texts = mkdtempSync(join(folder, "texts-"));

describe("pictures that cannot be used", () => {
  const notes = join(folder, "notes");
  writeFileSync(notes, "no folder");
  writeFileSync(join(texts, "car.jpg"), "no picture");
  const empty = mkdtempSync(join(folder, "empty-"));

  test.each([
    ["no folder", "/none", "not-found", /cannot read the folder \/none/],
    ["a file", notes, "not-found", /cannot read the folder/],
    ["a folder without pictures", empty, "not-found", /no image in the folder/],
    ["a text called .jpg", texts, "invalid-input", /1 of 1 files are no readable images/],
  ])("%s: the demo ends before it has made anything", async (_, images, code, message) => {
    const out = join(folder, "out");
    const ended = demo({ images, llm: false, yes: false, out });
    await expect(ended).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(existsSync(out)).toBe(false);
  });
});

test("--llm that can fetch nothing says so in a line, and has no use for pictures", async () => {
  const out = join(folder, "llm");
  vi.stubEnv("TANDEM_CACHE", join(folder, "empty-cache"));
  vi.stubEnv("npm_config_registry", "http://127.0.0.1:9/");
  const options = { llm: true, yes: true, out };
  await expect(demo({ ...options, images: undefined })).rejects.toMatchObject({
    code: "registry-unreachable",
    message: expect.stringMatching(/^cannot fetch node-llama-cpp: .*$/),
    hint: expect.stringContaining("npm config get registry"),
  });
  await expect(demo({ ...options, images: texts })).rejects.toMatchObject({ code: "usage" });
  expect(existsSync(out)).toBe(false);
});
