/** Pages for readers, held against the program: snippets run, messages are those in the sources. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Resvg } from "@resvg/resvg-js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseScenario, parseSetOption } from "./core/scenario/parse.ts";
import type { ScenarioDocument } from "./core/scenario/schema.ts";
import { checkScheduler } from "./schedulers/check-scheduler.ts";
import { runReplication } from "./sim/replication.ts";

const ROOT = import.meta.dirname;
const page = (name: string): string => readFileSync(join(ROOT, name), "utf8");

test("README.md names every page of docs/", () => {
  const readme = page("README.md");
  const pages = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  expect(pages.filter((name) => !readme.includes(`docs/${name}`))).toEqual([]);
});

describe("docs/pipelines.md", () => {
  const sections = page("docs/pipelines.md").split(/^## /m).slice(1);
  const terms = ["after", "when", "join", "cache", "skips", "payloadBytes"];
  const places = ["placement", "count", "speed", "discipline"];

  test("defines every word of a pipeline and its place", () => {
    const defined = sections.map((section) => /^`(\w+)`/.exec(section)?.[1]);
    expect(defined).toEqual([...terms, ...places]);
  });

  describe.each(sections.map((section) => [section.split("\n", 1)[0], section]))(
    "%s",
    (_, section) => {
      const [, snippet = ""] = /```yaml\n([\s\S]*?)```/.exec(section) ?? [];
      const rows = [...section.matchAll(/^\| (as written|`(.+)`) +\| ([\d.]+) ms/gm)].map(
        ([, , change, ms]) => ({ change, ms }),
      );

      test("has a snippet that takes as long as is said", () => {
        expect(rows.length).toBeGreaterThan(0);
        for (const { change, ms } of rows) {
          const overrides =
            change === undefined ? {} : Object.fromEntries([parseSetOption(change)]);
          const { summary } = runReplication(
            scenarioOf(snippet, overrides),
            { profiles: {}, traces: {} },
            0,
          );
          expect([change, summary.metrics.latencyMaxMs]).toEqual([change, Number(ms)]);
        }
      });

      test("has a picture, with these times", () => {
        const [, file = ""] = /!\[.+\]\((.+\.svg)\)/.exec(section) ?? [];
        const svg = page(join("docs", file));
        expect(new Resvg(svg).width).toBe(640);
        const hasAxis = / ms</.test(svg);
        for (const { ms } of rows) if (hasAxis) expect(svg).toMatch(new RegExp(`\\b${ms}\\b`));
      });
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
