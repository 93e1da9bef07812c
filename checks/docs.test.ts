/** Pages for readers, held against the program: snippets run, messages are those in the sources. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Resvg } from "@resvg/resvg-js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseScenario, parseSetOption } from "../scenario/parse.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { runReplication } from "../sim/replication.ts";

const ROOT = join(import.meta.dirname, "..");
const page = (name: string): string => readFileSync(join(ROOT, name), "utf8");

test("README.md names every page of docs/", () => {
  const readme = page("README.md");
  const pages = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  expect(pages.filter((name) => !readme.includes(`docs/${name}`))).toEqual([]);
});

const PAGES = [
  ...["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"],
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

test.each(PAGES)("%s names only source files that exist", (name) => {
  const named = [...page(name).matchAll(/`([\w.-]+(?:\/[\w.-]+)+\.(?:ts|mjs|sh))`/g)];
  const paths = named.map(([, path]) => path);
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test("pages of docs/ link to pages and headings that exist", () => {
  const folder = join(ROOT, "docs");
  const names = readdirSync(folder).filter((name) => name.endsWith(".md"));
  const broken = names.flatMap((name) =>
    [...page(`docs/${name}`).matchAll(/\]\(([\w./-]*)(?:#([\w-]+))?\)/g)]
      .filter(([, path, heading]) => {
        const target = path === "" ? name : path;
        if (!existsSync(join(folder, target))) return true;
        return heading !== undefined && !anchorsOf(page(`docs/${target}`)).includes(heading);
      })
      .map(([link]) => `${name}: ${link}`),
  );
  expect(broken).toEqual([]);
});

/** The anchors that GitHub gives the headings of a page. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

describe("docs/pipelines.md", () => {
  const sections = page("docs/pipelines.md").split(/^## /m).slice(1);
  const terms = ["after", "when", "join", "cache", "skips", "payloadBytes"];
  const places = ["placement", "count", "speed", "discipline"];

  test("defines every word of a pipeline and its place", () => {
    const defined = sections.map((section) => /^`(\w+)`/.exec(section)?.[1]);
    expect(defined).toEqual([...terms, ...places]);
  });

  test.each(sections.map((section) => [section.split("\n", 1)[0], section]))(
    "%s has a snippet that takes as long as is said, and a picture that shows it",
    (_, section) => {
      const [, snippet = ""] = /```yaml\n([\s\S]*?)```/.exec(section) ?? [];
      const [, picture = ""] = /!\[.+\]\((.+\.svg)\)/.exec(section) ?? [];
      const svg = page(join("docs", picture));
      expect(new Resvg(svg).width).toBe(640);
      const hasAxis = / ms</.test(svg);
      const rows = [...section.matchAll(/^\| (?:as written|`(.+)`) +\| ([\d.]+) ms/gm)];
      expect(rows).not.toEqual([]);
      for (const [, change, ms] of rows) {
        const overrides = change === undefined ? {} : Object.fromEntries([parseSetOption(change)]);
        const inputs = { profiles: {}, traces: {} };
        const { summary } = runReplication(scenarioOf(snippet, overrides), inputs, 0);
        expect([change, summary.metrics.latencyMaxMs]).toEqual([change, Number(ms)]);
        if (hasAxis) expect(svg).toMatch(new RegExp(`\\b${ms}\\b`));
      }
    },
  );

  /** A snippet as a whole scenario: one request and one replica a task, where it says nothing. */
  function scenarioOf(
    snippet: string,
    overrides: Readonly<Record<string, unknown>>,
  ): ScenarioDocument {
    const given = parse(snippet) as Partial<ScenarioDocument>;
    const tasks = Object.values(given.pipelines ?? {}).flatMap((one) => Object.keys(one.tasks));
    const replicas = Object.fromEntries(tasks.map((task) => [task, 1]));
    const whole = {
      name: "snippet",
      cluster: { replicas },
      workload: { arrivals: "burst", requests: 1 },
      ...given,
    };
    const none = (path: string) => {
      throw new Error(`the snippet names ${path}`);
    };
    const text = JSON.stringify(whole);
    return parseScenario(text, "snippet", none, overrides, { checkScheduler }).document;
  }
});

describe("docs/troubleshooting.md", () => {
  const folders = readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !/^(dist|docs|node_modules|\..*)$/.test(entry.name))
    .map((entry) => entry.name);
  const sources = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !/\.(test|test-support)\.ts$/.test(path))
      .map((path) => page(join(folder, path))),
  );
  const symptoms = [...page("docs/troubleshooting.md").matchAll(/^### `(.+)`$/gm)].map(
    ([, symptom]) => symptom,
  );

  test("has symptoms, each once", () => {
    expect(symptoms.length).toBeGreaterThan(30);
    expect(new Set(symptoms).size).toBe(symptoms.length);
  });

  test.each(symptoms)("%s is printed by the program", (symptom) => {
    const parts = symptom.replace(/^…|…$/g, "").split("…");
    const exact = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const message = new RegExp(exact.join("[\\s\\S]{0,120}?"));
    expect(sources.some((text) => message.test(text))).toBe(true);
  });
});
