/** `tandem init`: a commented scenario to start from, and the schema that editors check it by; or a scheduler. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../core/fault.ts";
import { scenarioTemplate } from "../core/scenario/template.ts";
import { shellWord } from "../core/shell-word.ts";
import { publishedSchema } from "../schedulers/json-schema.ts";
import { writeAtomically, writeJson } from "../sweep/atomic-file.ts";

export interface InitArguments {
  readonly directory: string;
  readonly json: boolean;
  /** A scheduler of one's own, with its test, in place of a scenario alone. */
  readonly policy?: boolean;
}

/** Throws Fault("usage") rather than overwrite a scenario. */
export function init(args: InitArguments): void {
  if (args.policy === true) initPolicy(args);
  else initScenario(args);
}

const POLICY = "fair-queue.mjs";
const POLICY_TEST = "fair-queue.test.mjs";

function initPolicy({ directory, json }: InitArguments): void {
  const names = { policy: POLICY, test: POLICY_TEST, scenario: "scenario.yaml" };
  const entries = Object.entries({ ...names, types: "jsconfig.json" });
  const paths = Object.fromEntries(entries.map(([key, name]) => [key, join(directory, name)]));
  const there = Object.values(paths).find((path) => existsSync(path));
  if (there !== undefined) {
    throw new Fault("usage", `${there} is there already`, { hint: "name another folder" });
  }
  const jsonSchema = writeSchema(directory);
  const library = packaged("library/index.js");
  const test = templateOf(POLICY_TEST).replace('"tandem-library"', JSON.stringify(library.href));
  writeAtomically(paths.policy, templateOf(POLICY));
  writeAtomically(paths.test, test);
  writeAtomically(paths.scenario, POLICY_SCENARIO);
  const types = fileURLToPath(packaged("types/library/index.d.ts"));
  const compilerOptions = { checkJs: true, strict: true, module: "nodenext" };
  writeJson(paths.types, {
    compilerOptions: { ...compilerOptions, paths: { "tandem-serving": [types] } },
    include: [POLICY],
  });
  const [scenario, folder] = [shellWord(paths.scenario), shellWord(directory)];
  const next = [
    `npx tandem check ${scenario}`,
    `npx tandem simulate ${scenario} --out ${folder}/out && npx tandem report ${folder}/out`,
    `cd ${folder} && node --test`,
  ];
  const document = { schema: "tandem/init@1", ...paths, jsonSchema };
  const text = [paths.policy, paths.test, paths.scenario, ...next.map((line) => `next: ${line}`)];
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : `${text.join("\n")}\n`);
}

function templateOf(name: string): string {
  return readFileSync(new URL(`../scenarios/own-scheduler/${name}`, import.meta.url), "utf8");
}

/** A compiled file of this package: in dist/ when this runs from source. */
function packaged(path: string): URL {
  const beside = new URL(`../${path}`, import.meta.url);
  return existsSync(beside) ? beside : new URL(`../dist/${path}`, import.meta.url);
}

const POLICY_SCENARIO = `# yaml-language-server: $schema=scenario.schema.json
# Two pipelines share one task. fair-queue.mjs gives gold three quarters of it while both wait.
name: fair-queue
pipelines:
  gold:
    tasks: { answer: { model: answerer } }
    share: 0.5
    priority: 1 # of the preset "priority"
    slo: { latencyMs: 100, percentile: 95 }
  free: { tasks: { answer: { model: answerer } }, share: 0.5 }
models:
  answerer: { service: { distribution: exponential, meanMs: 10 } }
cluster:
  replicas: { answer: 2 }
scheduler:
  file: ./fair-queue.mjs
  parameters: { weights: { gold: 3 } }
workload: { arrivals: poisson, ratePerS: 180, requests: 20000 }
run: { seed: 1, replications: 5 }
# Against the built-in ones, at growing load.
sweep:
  scheduler: [fifo, priority, { file: ./fair-queue.mjs, parameters: { weights: { gold: 3 } } }]
  workload.ratePerS: [100, 140, 180]
`;

function initScenario({ directory, json }: InitArguments): void {
  const path = join(directory, "scenario.yaml");
  if (existsSync(path)) {
    throw new Fault("usage", `${path} is there already`, { hint: "name another folder" });
  }
  const jsonSchema = writeSchema(directory);
  writeAtomically(path, scenarioTemplate(shellWord(dirname(path))));
  const document = { schema: "tandem/init@1", scenario: path, jsonSchema };
  const next = `npx tandem simulate ${shellWord(path)}`;
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : `${path}\nnext: ${next}\n`);
}

/**
 * Writes the schema that the first line of a scenario in this folder names for editors; gives its
 * path.
 */
export function writeSchema(directory: string): string {
  const path = join(directory, "scenario.schema.json");
  writeJson(path, publishedSchema());
  return path;
}
