/** The published schema, as an editor reads it: by a validator that is not ours. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { markdownTable } from "../checks/support/markdown-table.test-support.ts";
import { Fault } from "../engine/basics/fault.ts";
import { expandSweep } from "../scenario/expand-sweep.test-support.ts";
import { expandValidation } from "../scenario/expand-sweep.ts";
import { parseScenario, parseSetOption } from "../scenario/parse.ts";
import type { SchedulerDocument } from "../scenario/schema/scenario.ts";
import { DECISIONS } from "../scenario/schema/scheduler.ts";
import { ITERATION_POLICIES } from "../scenario/schema/tokens.ts";
import { SCENARIO_TEMPLATE } from "../scenario/template.test-support.ts";
import {
  catalogue,
  catalogueOf,
  type Explanation,
  explainIterations,
  explainPolicy,
  explainPreset,
  partAbout,
  publishedSchema,
} from "./catalogue.ts";
import { checkScheduler } from "./check-scheduler.ts";
import { FIDELITY, fidelityTables } from "./fidelity.test-support.ts";
import { POLICIES, TEXTBOOK_PRESETS } from "./registry.ts";

const { presets, policies, iterations } = catalogue();

describe("every policy of the registry", () => {
  test.each([
    ...policies.map((policy) => [`${policy.decision} ${policy.name}`, policy] as const),
    ...iterations.map((policy) => [`iterations ${policy.name}`, policy] as const),
  ])("%s says its idea, what it reads, when it fails and its source, in sentences", (_, policy) => {
    expect(policy.summary).toMatch(/^\S.{8,}[^.]$/);
    for (const text of [policy.idea, policy.reads, policy.failsWhen, policy.source]) {
      expect(text).toMatch(/^[A-Z⌈].{6,}\.$/);
    }
  });

  test("describes each parameter, also those inside of others", () => {
    const wordless = DECISIONS.flatMap((decision) =>
      POLICIES[decision].flatMap(({ name, parameters }) =>
        undescribed(z.toJSONSchema(parameters, { io: "input" }), `${decision} ${name}`),
      ),
    );
    expect(wordless).toEqual([]);
  });

  test("gives the unit of each parameter whose name has one", () => {
    const units: readonly (readonly [RegExp, RegExp])[] = [
      [/Ms$/, /\bms\b/],
      [/S$/, /\bs\b/],
    ];
    for (const { name, parameters } of policies) {
      for (const [parameter, schema] of Object.entries(parameters.properties ?? {})) {
        for (const [ending, unit] of units) {
          if (!ending.test(parameter)) continue;
          expect((schema as z.core.JSONSchema.JSONSchema).description, name).toMatch(unit);
        }
      }
    }
  });
});

function undescribed(schema: z.core.JSONSchema._JSONSchema, path: string): string[] {
  if (typeof schema === "boolean") return [];
  const { properties = {}, items } = schema;
  const inside = Object.entries(properties).flatMap(([key, property]) => {
    const text = typeof property === "boolean" ? undefined : property.description;
    const own = (text?.length ?? 0) > 5 ? [] : [`${path}.${key}`];
    return [...own, ...undescribed(property, `${path}.${key}`)];
  });
  return items === undefined || Array.isArray(items)
    ? inside
    : [...inside, ...undescribed(items, path)];
}

describe("an explanation", () => {
  const all: readonly (readonly [string, Explanation])[] = [
    ...presets.map((preset) => [`preset ${preset.name}`, explainPreset(preset)] as const),
    ...policies.map(
      (policy) => [`${policy.decision} ${policy.name}`, explainPolicy(policy)] as const,
    ),
  ];

  test.each(all)("of %s ends with a --set that is sound", (_, points) => {
    const [, option] = /^--set '?(.+?)'?$/.exec(points.at(-1)?.[1] ?? "") ?? [];
    const [path, value] = parseSetOption(option);
    expect(path).toBe("scheduler");
    expect(checkScheduler(value as SchedulerDocument, "scheduler")).toEqual([]);
  });

  test("has a line for each parameter, with bounds and default", () => {
    const policy = policies.find(({ name }) => name === "size-or-timeout") ?? expect.fail();
    expect(Object.fromEntries(explainPolicy(policy))["Parameter waitMs"]).toBe(
      "longest wait of a batch's oldest job, in ms (a number from 0; default 20)",
    );
    const told = all.flatMap(([, points]) => points.map(([, text]) => text)).join("\n");
    expect(told).toContain("(default {})");
    expect(told).not.toMatch(/\[object|default \)/);
  });
});

test("a preset comes with the policies that set it apart, and those of its name", () => {
  const names = (name: string) =>
    catalogueOf(name).policies.map((policy) => `${policy.decision} ${policy.name}`);
  expect(names("edf")).toEqual(["ordering edf"]);
  expect(names("fifo")).toEqual(["routing central", "ordering fifo"]);
  expect(names("seed-batching")).toEqual(["routing central", "batching size-or-timeout"]);
  expect(names("lifo")).toEqual(["ordering lifo"]);
  expect(names("sarathi")).toEqual([]);
  expect(catalogueOf("sarathi").iterations.map(({ name }) => name)).toEqual(["sarathi"]);
});

test("iterations have the names that scenarios may give", () => {
  expect(iterations.map(({ name }) => name)).toEqual(ITERATION_POLICIES);
});

test("an unknown name is bad usage, with the nearest one", () => {
  const thrown = (() => {
    try {
      return catalogueOf("fiffo");
    } catch (error) {
      return error;
    }
  })();
  expect(thrown).toBeInstanceOf(Fault);
  expect(thrown).toMatchObject({ code: "usage", hint: expect.stringContaining('mean "fifo"') });
});

describe("mechanisms of papers", () => {
  test("are there for every preset beyond the textbook's, and for language models", () => {
    const systems = presets.filter(({ name }) => !TEXTBOOK_PRESETS.includes(name));
    const routers = policies.filter(({ idea }) => idea.startsWith("For language models"));
    const held = [...systems, ...iterations, ...routers].map(({ name }) => name);
    expect([...FIDELITY.keys()].sort()).toEqual(held.sort());
  });

  test("name tests that there are, and deviations", () => {
    const rows = [...FIDELITY.values()].flat();
    const isThere = (test: (typeof rows)[number]["test"]): boolean =>
      test === null ||
      readFileSync(join(import.meta.dirname, "..", test.file), "utf8").includes(`"${test.title}`);
    expect(rows.flatMap(({ test }) => (isThere(test) ? [] : [test]))).toEqual([]);
    expect(rows.filter(({ said, deviation }) => said === undefined || !deviation)).toEqual([]);
  });
});

const FLOW = { collectionStyle: "flow", lineWidth: 0 } as const;

test("docs/schedulers.md says the same", async () => {
  // After a change: `npm run docs`.
  const partsOf = (preset: (typeof presets)[number]): Record<string, unknown> =>
    parse(String(Object.fromEntries(explainPreset(preset))["Composed of"]));
  const usual = partsOf(presets.find(({ name }) => name === "fifo") ?? presets[0]);
  const rows = presets.map((preset) => {
    const own = Object.entries(partsOf(preset)).filter(([part, policy]) => policy !== usual[part]);
    const shown = own.map(([part, policy]) => `${part}: ${stringify(policy, FLOW).trim()}`);
    return [`\`${preset.name}\``, preset.summary, shown.map((one) => `\`${one}\``).join(", ")];
  });
  const listed = (points: Explanation): string =>
    points
      .map(([label, text]) => `- **${label}:** ${text.startsWith("--") ? `\`${text}\`` : text}`)
      .join("\n");
  const decisions = DECISIONS.map((decision) => {
    const own = policies
      .filter((policy) => policy.decision === decision)
      .map(
        (policy) => `### \`${policy.name}\`: ${policy.summary}\n\n${listed(explainPolicy(policy))}`,
      );
    return `## ${decision}: ${partAbout(decision)}\n\n${own.join("\n\n")}`;
  });
  const engines = iterations.map(
    (one) => `### \`${one.name}\`: ${one.summary}\n\n${listed(explainIterations(one))}`,
  );
  const page = `# Schedulers

\`\`\`
npx tandem schedulers --for scenario.yaml                 # tries them on your scenario: which to use, and why
npx tandem schedulers clockwork                           # what this page says of one
npx tandem simulate scenario.yaml --set scheduler=edf     # a preset in place of the scenario's
npx tandem simulate scenario.yaml --set 'sweep={"scheduler":["fifo","edf","clockwork"]}'
\`\`\`

A scheduler is a preset, or one policy for each decision; a decision that is left out is as in \`fifo\`. \`perTask\` gives single tasks
policies of their own. A policy that the preset has too keeps the preset's parameters that it does not give; its name alone means its defaults.

\`\`\`yaml
scheduler:
  preset: edf
  batching: { policy: size-or-timeout, maxBatch: 4, waitMs: 10 }
  perTask:
    plate: { routing: power-of-two, batching: none }
\`\`\`

Made from the registry (\`schedulers/registry.ts\`) by \`npm run docs\`. [scheduler-study.md](scheduler-study.md) compares them all,
[your-own-scheduler.md](your-own-scheduler.md) adds one.

## Presets: \`--set scheduler=NAME\`

${markdownTable(["preset", "is", "unlike `fifo`"], rows)}

${decisions.join("\n\n")}

## Iterations of language models: \`models.NAME.tokens.policy\`

${engines.join("\n\n")}

## Held to papers and originals

By preset or policy, from \`schedulers/systems/fidelity.yaml\`: each mechanism, where the paper or the original says it, the test that holds it, and how
ours deviates. Figures that papers claim are judged in docs/scheduler-study.md.

${fidelityTables()}
`;
  await expect(page).toMatchFileSnapshot("../docs/schedulers.md");
});

const FOLDER = join(import.meta.dirname, "../scenarios");
const FILE = join(FOLDER, "scenario.schema.json");
const SCENARIOS = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((path) =>
  path.endsWith(".yaml"),
);

const schema = publishedSchema();
const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(schema);

/** Where the validator finds something wrong, as `place: message`. */
function marks(document: unknown): string[] {
  if (validate(document)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath}: ${message} ${JSON.stringify(params)}`,
  );
}

const SOUND = `
name: cars
pipelines: { cars: { tasks: { detect: { model: yolo.v8 }, read: { model: reader, after: [detect] } } } }
models:
  yolo.v8: { service: { distribution: exponential, meanMs: 10, batch: { marginal: 0.4, max: 8 } } }
  reader: { service: { distribution: exponential, meanMs: 10 } }
cluster:
  nodes: [{ name: a, count: 2, devices: { gpu: 4 } }]
  replicas: { detect: 2, read: 1 }
workload: { arrivals: poisson, ratePerS: 20, requests: 100 }
`;

/** The parser's issues with the same text. */
function issuesOf(text: string): unknown {
  try {
    const none = () => {
      throw new Error("no file");
    };
    const loaded = parseScenario(text, "cars.yaml", none, {}, { checkScheduler });
    expandSweep(loaded, { checkScheduler });
    expandValidation(loaded, { checkScheduler });
    return [];
  } catch (error) {
    if (error instanceof Fault) return error.issues;
    throw error;
  }
}

test("is the one in the file", async () => {
  // After a change: `npm run docs`.
  const text = existsSync(FILE) ? readFileSync(FILE, "utf8") : "null";
  const same = isDeepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify(schema)));
  await expect(same ? text : `${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(FILE);
});

describe("a validator of JSON Schema has nothing against", () => {
  test.each(SCENARIOS)("scenarios/%s", (path) => {
    expect(marks(parse(readFileSync(join(FOLDER, path), "utf8")))).toEqual([]);
  });

  test("what `init` writes", () => {
    expect(marks(parse(SCENARIO_TEMPLATE))).toEqual([]);
  });

  test.each([
    "scheduler: { preset: edf, perTask: { read: { preset: random, batching: none } } }",
    "scheduler: { routing: { policy: power-of-two, choices: 3 }, ordering: lifo }",
    "scheduler: { batching: { policy: size-or-timeout, maxBatch: 8, waitMs: 5 }, scaling: fixed }",
    "scheduler: { admission: { policy: bounded, maxInSystem: 9 } }",
    "sweep: { scheduler: [fifo, { preset: edf, routing: random }] }",
    "sweep: { scheduler.batching: [none, { policy: size-or-timeout, waitMs: 9 }] }",
    "sweep: { scheduler.batching.waitMs: [2], scheduler: [{ batching: size-or-timeout }] }",
    "sweep: { scheduler.perTask.read.ordering: [lifo] }",
    "sweep: { models.yolo.v8.service.meanMs: [5, 10] }",
    "sweep: { models.yolo.v8: [{ service: { distribution: deterministic, meanMs: 5 } }] }",
    "sweep: { models.reader.service.distribution: [exponential, deterministic] }",
    "sweep: { pipelines.cars.tasks.read.when: [{ probability: 0.5 }] }",
    "sweep: { pipelines.cars.tasks.read.join: [all, first] }",
    "sweep: { cluster.nodes.0.devices.gpu.slots: { from: 2, to: 6, step: 2 } }",
    "sweep: { cluster.replicas: [{ detect: 1, read: 1 }] }",
    "sweep: { points: [{ cluster.replicas.detect: 1, workload.ratePerS: 5 }, { run.seed: 2 }] }",
    "validation: { points: [{ cluster.replicas.read: 2 }] }",
  ])("%s", (text) => {
    expect(issuesOf(SOUND + text)).toEqual([]);
    expect(marks(parse(SOUND + text))).toEqual([]);
  });

  test("sections that are files, whole or swept", () => {
    expect(marks({ ...parse(SOUND), cluster: "cluster.yaml", scheduler: "a/b.yml" })).toEqual([]);
    expect(marks({ ...parse(SOUND), sweep: { cluster: ["a.yaml", "b.json"] } })).toEqual([]);
  });
});

describe("it marks, as the parser does,", () => {
  test.each([
    ["scheduler: fiffo", "/scheduler"],
    ["scheduler: { preset: fiffo }", "/scheduler/preset"],
    ["scheduler: { routing: power-of-too }", "/scheduler/routing"],
    ["scheduler: { routing: fifo }", "/scheduler/routing"],
    ["scheduler: { ruoting: random }", "/scheduler"],
    ["scheduler: { routing: { policy: power-of-two, choises: 3 } }", "/scheduler/routing"],
    [
      "scheduler: { batching: { policy: size-or-timeout, maxBatch: 0 } }",
      "/scheduler/batching/maxBatch",
    ],
    ["scheduler: { admission: { policy: bounded } }", "/scheduler/admission"],
    ["scheduler: { perTask: { read: { admission: all } } }", "/scheduler/perTask/read"],
    ["sweep: { scheduler: [fifo, fiffo] }", "/sweep/scheduler/1"],
    ["sweep: { cluster.replica.detect: [1, 2] }", "/sweep"],
    ["sweep: { models.reader.service.meenMs: [1, 2] }", "/sweep"],
    ["sweep: { models.reader.servce.meanMs: [1, 2] }", "/sweep"],
    ["sweep: { pipelines.cars.task.read.join: [all] }", "/sweep"],
    ["sweep: { scheduler.batching.maxBach: [2] }", "/sweep"],
    ["sweep: { cluster.nodes.first.count: [2] }", "/sweep"],
    ["sweep: { workload.ratePerS: [fast] }", "/sweep/workload.ratePerS/0"],
    ["sweep: { workload.ratePerS: 5 }", "/sweep/workload.ratePerS"],
    ["sweep: { name: [a, b] }", "/sweep"],
    ["sweep: { points: [{ cluster.replica.detect: 1 }] }", "/sweep/points/0"],
    ["validation: { points: [{ cluster.replica.detect: 1 }] }", "/validation/points/0"],
  ])("%s", (text, place) => {
    expect(issuesOf(SOUND + text)).not.toEqual([]);
    const found = marks(parse(SOUND + text)).filter((mark) => mark.startsWith(`${place}:`));
    expect(found).not.toEqual([]);
  });
});

test("no path has two patterns, so that one value cannot fail another's schema", () => {
  const { $defs } = schema as { $defs: { point: { patternProperties: Record<string, unknown> } } };
  const patterns = Object.keys($defs.point.patternProperties).map((text) => new RegExp(text, "u"));
  for (const { source } of patterns) {
    const path = source
      .replace(/\[\^\.\]\+\(.*\)\*/g, "a-name.v1")
      .replaceAll("\\d+", "0")
      .replaceAll(".+", "a-name.v1")
      .replace(/[\\^$]/g, "");
    const fitting = patterns.filter((pattern) => pattern.test(path));
    expect(fitting.map((pattern) => pattern.source)).toEqual([source]);
  }
});
