/** `tandem init`: a commented scenario to start from, and the schema that editors check it by; or a scheduler. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { builtFile, ownCommand } from "../build/version.ts";
import { Fault } from "../engine/basics/fault.ts";
import { repeatCommand } from "../library/index.ts";
import { shellWord } from "../scenario/inventory/command-words.ts";
import { publishedSchema } from "../schedulers/catalogue.ts";
import { writeAtomically, writeJson } from "../sweep/atomic-file.ts";
import { print } from "./command-line.ts";
import type { Arguments, DIRECTORY, INIT } from "./options.ts";

type InitArguments = Arguments<typeof DIRECTORY, typeof INIT>;

/** Throws Fault("usage") rather than overwrite a scenario. */
export function init(args: InitArguments): void {
  if (args.policy) initPolicy(args);
  else initScenario(args);
}

const POLICY = "fair-queue.mjs";
const POLICY_TEST = "fair-queue.test.mjs";
const EXAMPLE = "../scenarios/own-scheduler";

function initPolicy({ directory, json }: InitArguments): void {
  const names = { policy: POLICY, test: POLICY_TEST, scenario: "scenario.yaml" };
  const entries = Object.entries({ ...names, types: "jsconfig.json" });
  const paths = Object.fromEntries(entries.map(([key, name]) => [key, join(directory, name)]));
  const there = Object.values(paths).find((path) => existsSync(path));
  if (there !== undefined) {
    throw new Fault("usage", `${there} is there already`, { hint: "name another folder" });
  }
  const jsonSchema = writeSchema(directory);
  const library = builtFile("library/index.js");
  const test = textOf(EXAMPLE, POLICY_TEST);
  writeAtomically(paths.policy, textOf(EXAMPLE, POLICY));
  writeAtomically(
    paths.test,
    test.replace('"tandem-library"', () => JSON.stringify(library.href)),
  );
  writeAtomically(paths.scenario, textOf("templates", "fair-queue.yaml"));
  const types = fileURLToPath(builtFile("types/library/index.d.ts"));
  const compilerOptions = { checkJs: true, strict: true, module: "nodenext" };
  writeJson(paths.types, {
    compilerOptions: { ...compilerOptions, paths: { "tandem-serving": [types] } },
    include: [POLICY],
  });
  const out = join(directory, "out");
  const simulate = repeatCommand("simulate", paths.scenario, { out });
  const next = [
    repeatCommand("check", paths.scenario, {}),
    `${simulate} && ${repeatCommand("report", out, {})}`,
    `cd ${shellWord(directory)} && node --test`,
  ];
  const document = { schema: "tandem/init@1", ...paths, jsonSchema };
  const text = [paths.policy, paths.test, paths.scenario, ...next.map((line) => `next: ${line}`)];
  print(json, document, text.join("\n"));
}

/** A data file that the build puts beside the compiled code, too. */
function textOf(folder: string, name: string): string {
  return readFileSync(new URL(`${folder}/${name}`, import.meta.url), "utf8");
}

function initScenario({ directory, json }: InitArguments): void {
  const path = join(directory, "scenario.yaml");
  if (existsSync(path)) {
    throw new Fault("usage", `${path} is there already`, { hint: "name another folder" });
  }
  const jsonSchema = writeSchema(directory);
  // The commands in its comments are for the folder that it is in.
  const folder = shellWord(dirname(path));
  const command = ownCommand().map(shellWord).join(" ");
  const text = textOf("templates", "scenario.yaml");
  writeAtomically(
    path,
    text.replaceAll("my-pipeline/", () => `${folder}/`).replaceAll("npx tandem", () => command),
  );
  const document = { schema: "tandem/init@1", scenario: path, jsonSchema };
  print(json, document, `${path}\nnext: ${repeatCommand("simulate", path, {})}`);
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
