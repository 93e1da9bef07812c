/** Two good scenarios to spoil, and their issues, for the tests of scenarios. */
import { expect } from "vitest";
import { Fault, type Issue } from "../../engine/basics/fault.ts";
import type { CheckOptions } from "../checks/checks.ts";
import { parseScenario } from "../parse.ts";

export type Files = Readonly<Record<string, string>>;

/** A replacement in the text; then path, message and a part of the line of its issue. */
export type Spoilt = readonly [
  sentence: string,
  from: string,
  to: string,
  path: string,
  message: RegExp,
  part: string,
];

/** Small, with a profile at `profiles/reader.json`. */
export const SMALL = `name: good
pipelines:
  p:
    tasks:
      detect: { model: detector }
      plate: { model: reader, after: [detect], when: { probability: 0.5 } }
models:
  detector:
    service: { distribution: lognormal, meanMs: 80, cv: 0.3 }
  reader:
    profile: profiles/reader.json
cluster:
  replicas: { detect: 2, plate: 1 }
scheduler: fifo
workload:
  arrivals: poisson
  ratePerS: 20
  durationS: 60
`;

/** With a shared task, nodes, a batching policy, and a profile at `n.json`. */
export const RICH = `name: good
pipelines:
  p:
    tasks:
      a: { model: m }
      b: { model: m, after: [a], when: { probability: 0.5 } }
      c: { model: n, after: [a, b] }
  q:
    tasks:
      c: { model: n }
models:
  m: { service: { distribution: deterministic, meanMs: 80 } }
  n: { profile: n.json }
cluster:
  nodes:
    - { name: gpu, count: 2, devices: { card: 4 } }
    - { name: cpu, devices: { core: 2 } }
  replicas: { a: 4, b: 2, c: 3 }
scheduler: { preset: fifo, batching: { policy: size, maxBatch: 4 } }
workload:
  { arrivals: poisson, ratePerS: 20, durationS: 60, warmupS: 6 }
`;

/** The text of a profile that measured these batch sizes. */
export function profileText(...batches: number[]): string {
  return JSON.stringify({
    schema: "tandem/profile@1",
    provenance: { kind: "measured", model: "n", device: "d", host: "h", runtime: "r", date: "x" },
    batches: batches.map((batch) => ({
      batch,
      samples: 2,
      meanUs: 1500,
      halfWidth95Us: 1,
      quantilesUs: [1000, 2000],
    })),
  });
}

/** A `readFile` that knows only these files. */
export function readerOf(files: Files): (path: string) => string {
  return (path) => {
    const text = files[path];
    if (text === undefined) throw new Error(`ENOENT: no such file, open '${path}'`);
    return text;
  };
}

/** The issues that a call refuses its input with; none when it succeeds. */
export function issuesOf(run: () => unknown): readonly Issue[] {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault && error.code === "invalid-input") return error.issues;
    throw error;
  }
  return [];
}

/** The issues of a text that may name the profile `n.json`. */
export function richIssues(
  text: string,
  files: Files = { "n.json": profileText(1, 8) },
  options: CheckOptions = {},
): readonly Issue[] {
  return issuesOf(() => parseScenario(text, "good.yaml", readerOf(files), {}, options));
}

/** The number of the first line that holds a part, from 1. */
export function lineWith(text: string, part: string): number {
  return text.split("\n").findIndex((line) => line.includes(part)) + 1;
}

/** The text with one part replaced, which must be there. */
export function replaced(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`no "${from}" in the text`);
  return text.replace(from, to);
}

/** A spoilt `RICH` has the issue at its line; for `test.each`. */
export function expectRefused(...[, from, to, path, message, part]: Spoilt): void {
  const text = replaced(RICH, from, to);
  const issues = richIssues(text);
  const issue = issues.find((candidate) => candidate.path === path);
  expect(issue, JSON.stringify(issues)).toBeDefined();
  expect(issue?.message).toMatch(message);
  expect(issue).toMatchObject({ file: "good.yaml", line: lineWith(text, part) });
}
