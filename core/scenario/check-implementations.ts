/** Checks of what runs a model for real: one kind, steps in an order that makes sense, files. */
import type { Issue } from "../fault.ts";
import { resolvePath } from "./files.ts";
import { IMPLEMENTATION_KINDS } from "./implementation-kind.ts";
import { issueAt } from "./positions.ts";
import type {
  ImplementationDocument,
  PostprocessStep,
  PreprocessStep,
} from "./schema/implementation.ts";
import type { ScenarioDocument } from "./schema.ts";

/** Whether there is a file of this path; from whoever may look at the disk. */
export type FileExists = (path: string) => boolean;

export function checkImplementations(
  { models }: Pick<ScenarioDocument, "models">,
  scenarioFile: string,
  exists: FileExists | undefined,
): Issue[] {
  return Object.entries(models).flatMap(([name, { implementation }]) => {
    if (implementation === undefined) return [];
    const at = `models.${name}.implementation`;
    const missing = filesOf(implementation)
      .filter(([, written]) => exists?.(resolvePath(scenarioFile, written)) === false)
      .map(([path, written]) => {
        const found = resolvePath(scenarioFile, written);
        const hint = "paths start at the scenario file's folder";
        return issueAt(`${at}.${path}`, `there is no file ${found}`, hint);
      });
    return [
      ...checkKind(at, implementation),
      ...checkExternal(`${at}.external`, implementation),
      ...checkPreprocess(`${at}.preprocess`, implementation.preprocess ?? []),
      ...checkPostprocess(`${at}.postprocess`, implementation),
      ...missing,
    ];
  });
}

function checkKind(at: string, implementation: ImplementationDocument): Issue[] {
  const given = IMPLEMENTATION_KINDS.filter((kind) => implementation[kind] !== undefined);
  if (given.length !== 1) {
    const message = `expected one of ${IMPLEMENTATION_KINDS.join(", ")}, got ${given.join(" and ") || "none"}`;
    return [issueAt(at, message, "for example `{ onnx: model.onnx }`")];
  }
  if (given[0] !== "name") return [];
  const own = (["preprocess", "postprocess", "input", "maxRows"] as const).filter(
    (key) => implementation[key] !== undefined,
  );
  return own.map((key) =>
    issueAt(`${at}.${key}`, `the built-in model ${implementation.name} has its own ${key}`),
  );
}

/** A token is shown to nobody who might only listen. */
function checkExternal(at: string, { external }: ImplementationDocument): Issue[] {
  const { address, tls, token } = external ?? {};
  const issues: Issue[] = [];
  if ((tls?.certificate === undefined) !== (tls?.key === undefined)) {
    const lacks = tls?.key === undefined ? "key" : "certificate";
    issues.push(
      issueAt(`${at}.tls`, `\`certificate\` and \`key\` go together, \`${lacks}\` is missing`),
    );
  }
  if (token === undefined) return issues;
  if ((token.file === undefined) === (token.environment === undefined)) {
    const hint = "for example `token: { environment: MODEL_SERVER_TOKEN }`";
    issues.push(issueAt(`${at}.token`, "expected one of file, environment", hint));
  }
  if (tls === undefined && !LOOPBACK.test(address ?? "")) {
    const hint = "add `tls: {}`, with the server's authority as `ca` unless the system knows it";
    issues.push(issueAt(`${at}.token`, `would be sent to ${address} in the clear`, hint));
  }
  return issues;
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost):/;

/** In this order, each at most once; all but `layout` after `decode`. */
const PREPROCESS_ORDER = ["decode", "cropTo", "resize", "normalise", "layout"] as const;

function checkPreprocess(at: string, steps: readonly PreprocessStep[]): Issue[] {
  let last = -1;
  return steps.flatMap((step, i) => {
    const path = `${at}.${i}`;
    const keys = Object.keys(step) as (typeof PREPROCESS_ORDER)[number][];
    if (keys.length !== 1) return [oneKey(path, PREPROCESS_ORDER, keys)];
    const place = PREPROCESS_ORDER.indexOf(keys[0]);
    const isFirst = i === 0;
    if (isFirst && keys[0] !== "decode") {
      return [issueAt(path, `the first step is \`decode\`, got \`${keys[0]}\``)];
    }
    if (place <= last) {
      const order = `expected each step once, in the order ${PREPROCESS_ORDER.join(", ")}`;
      return [issueAt(path, `\`${keys[0]}\` after \`${PREPROCESS_ORDER[last]}\`: ${order}`)];
    }
    last = place;
    return [];
  });
}

const POSTPROCESS_STEPS = ["softmax", "sigmoid", "yolo", "ssd", "suppress", "ctc", "topK"] as const;
const OF_OBJECTS: readonly string[] = ["yolo", "ssd"];
const DECODERS: readonly string[] = [...OF_OBJECTS, "ctc", "topK"];

function checkPostprocess(at: string, implementation: ImplementationDocument): Issue[] {
  const { preprocess = [], postprocess = [] } = implementation;
  let decoder: string | undefined;
  return postprocess.flatMap((step: PostprocessStep, i) => {
    const path = `${at}.${i}`;
    const keys = Object.keys(step);
    if (keys.length !== 1) return [oneKey(path, POSTPROCESS_STEPS, keys)];
    const [key] = keys;
    if (key === "suppress") {
      if (decoder !== undefined && OF_OBJECTS.includes(decoder)) return [];
      return [issueAt(path, "`suppress` needs objects", "put `yolo` or `ssd` before it")];
    }
    if (decoder !== undefined) {
      return [issueAt(path, `\`${key}\` after \`${decoder}\`, which takes the outputs apart`)];
    }
    if (!DECODERS.includes(key)) return [];
    decoder = key;
    if (!OF_OBJECTS.includes(key) || preprocess.length > 0) return [];
    return [issueAt(path, `\`${key}\` needs a picture`, "start `preprocess` with `decode: rgb`")];
  });
}

function oneKey(path: string, known: readonly string[], keys: readonly string[]): Issue {
  const got = keys.length === 0 ? "none" : keys.join(" and ");
  return issueAt(path, `a step has one key, of ${known.join(", ")}; got ${got}`);
}

/** Paths of the files that an implementation names, each with its place in it. */
function filesOf(implementation: ImplementationDocument): readonly (readonly [string, string])[] {
  const { onnx, external, postprocess = [] } = implementation;
  const files: [string, string][] = onnx === undefined ? [] : [["onnx", onnx]];
  for (const key of ["ca", "certificate", "key"] as const) {
    const file = external?.tls?.[key];
    if (file !== undefined) files.push([`external.tls.${key}`, file]);
  }
  const tokenFile = external?.token?.file;
  if (tokenFile !== undefined) files.push(["external.token.file", tokenFile]);
  postprocess.forEach(({ ssd, yolo, ctc, topK }, i) => {
    const at = `postprocess.${i}`;
    if (ctc !== undefined) files.push([`${at}.ctc.characters`, ctc.characters]);
    if (ssd !== undefined) files.push([`${at}.ssd.anchors`, ssd.anchors]);
    for (const [key, step] of Object.entries({ ssd, yolo, topK })) {
      const labels = step?.labels;
      if (typeof labels === "string" && !isKnownLabels(labels)) {
        files.push([`${at}.${key}.labels`, labels]);
      }
    }
  });
  return files;
}

/** Class names that need no file. */
export function isKnownLabels(labels: string): labels is "coco" | "coco-91" {
  return labels === "coco" || labels === "coco-91";
}
