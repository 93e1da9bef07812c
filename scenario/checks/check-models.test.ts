import { expect, test } from "vitest";
import { modelSchema } from "../schema/pipelines.ts";
import type { ModelDocument } from "../schema/scenario.ts";
import { checkImplementations } from "./check-models.ts";
import { checkBackend } from "./checks.ts";

function modelsOf(
  implementations: Readonly<Record<string, object | undefined>>,
): Record<string, ModelDocument> {
  const parsed = Object.entries(implementations).map(([name, implementation]) => [
    name,
    modelSchema.parse(implementation === undefined ? {} : { implementation }),
  ]);
  return Object.fromEntries(parsed) as Record<string, ModelDocument>;
}

const issuesOf = (implementation: object, exists: (path: string) => boolean = () => true) =>
  [...checkImplementations({ models: modelsOf({ m: implementation }) }, "dir/s.yaml", exists)].map(
    ({ path, message }) => `${path.replace("models.m.implementation", "")} ${message}`,
  );

test("a YOLO file with its steps has no issues", () => {
  const preprocess = [{ decode: "rgb" }, { resize: {} }, { normalise: {} }, { layout: "nchw" }];
  expect(
    issuesOf({ onnx: "m.onnx", preprocess, postprocess: [{ yolo: {} }, { suppress: {} }] }),
  ).toEqual([]);
});

test("exactly one kind is named, and a built-in model has its own steps", () => {
  expect(issuesOf({})).toEqual([" expected one of name, onnx, external, command, got none"]);
  expect(issuesOf({ name: "no-op", onnx: "m.onnx" })[0]).toContain("got name and onnx");
  expect(issuesOf({ name: "no-op", preprocess: [{ decode: "rgb" }] })).toEqual([
    ".preprocess the built-in model no-op has its own preprocess",
  ]);
});

test("steps come in an order that makes sense, one key each, each with its place", () => {
  const before = (preprocess: object[]) => issuesOf({ onnx: "m.onnx", preprocess });
  expect(before([{ resize: {} }])).toEqual([
    ".preprocess.0 the first step is `decode`, got `resize`",
  ]);
  expect(before([{ decode: "rgb" }, { normalise: {} }, { resize: {} }])[0]).toContain(
    ".preprocess.2 `resize` after `normalise`",
  );
  expect(before([{ decode: "rgb", resize: {} }])[0]).toContain("a step has one key");
  const after = (postprocess: object[]) => issuesOf({ onnx: "m.onnx", postprocess });
  expect(after([{ suppress: {} }])).toEqual([".postprocess.0 `suppress` needs objects"]);
  expect(after([{ yolo: {} }])).toEqual([".postprocess.0 `yolo` needs a picture"]);
  expect(after([{ topK: {} }, { softmax: {} }])[0]).toContain("`softmax` after `topK`");
});

test("missing files are named with their whole path", () => {
  const postprocess = [{ topK: { labels: "names.txt" } }];
  expect(issuesOf({ onnx: "m.onnx", postprocess }, (path) => path !== "dir/names.txt")).toEqual([
    ".postprocess.0.topK.labels there is no file dir/names.txt",
  ]);
  const known = [{ topK: { labels: "coco" } }];
  expect(issuesOf({ onnx: "m.onnx", postprocess: known }, (path) => path === "dir/m.onnx")).toEqual(
    [],
  );
});

test("a backend is what its models are run by; `real` mixes, `replay` needs none", () => {
  const command = { run: ["server"], model: "x" };
  const models: Record<string, ModelDocument> = {
    ...modelsOf({ a: { name: "no-op" }, b: { command } }),
    ...modelsOf({ c: undefined }),
  };
  const told = (backend: Parameters<typeof checkBackend>[1]) =>
    [...checkBackend(models, backend)].map(({ path }) => path);
  expect(told("replay")).toEqual([]);
  expect(told("real")).toEqual(["models.c"]);
  expect(told("onnx")).toEqual(["models.b.implementation", "models.c"]);
  expect(told("process")).toEqual(["models.a.implementation", "models.c"]);
});

test("another server's token has one place, and goes over TLS or nowhere", () => {
  const external = (more: object, address = "gpu1:8001") =>
    issuesOf({ external: { address, model: "m", ...more } }, (path) => path !== "dir/none.pem");
  expect(external({ tls: {}, token: { environment: "TOKEN" } })).toEqual([]);
  expect(external({ token: { file: "token" } }, "127.0.0.1:8001")).toEqual([]);
  expect(external({ token: { file: "token" } })).toEqual([
    ".external.token would be sent to gpu1:8001 in the clear",
  ]);
  expect(external({ tls: {}, token: {} })).toEqual([
    ".external.token expected one of file, environment",
  ]);
  expect(external({ tls: { ca: "none.pem", key: "key.pem" } })).toEqual([
    ".external.tls `certificate` and `key` go together, `certificate` is missing",
    ".external.tls.ca there is no file dir/none.pem",
  ]);
});
