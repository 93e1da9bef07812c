import { describe, expect, test } from "vitest";
import { z } from "zod";
import { Fault } from "../core/fault.ts";
import { parseSetOption } from "../core/scenario/parse.ts";
import { DECISIONS } from "../core/scenario/schema/scheduler.ts";
import type { SchedulerDocument } from "../core/scenario/schema.ts";
import {
  catalogue,
  catalogueOf,
  type Explanation,
  explainPolicy,
  explainPreset,
} from "./catalogue.ts";
import { checkScheduler } from "./check-scheduler.ts";
import { partAbout } from "./json-schema.ts";
import { POLICIES } from "./registry.ts";

const { presets, policies } = catalogue();

describe("every policy of the registry", () => {
  test.each(policies.map((policy) => [`${policy.decision} ${policy.name}`, policy] as const))(
    "%s says its idea, what it reads, when it fails and its source, in sentences",
    (_, policy) => {
      expect(policy.summary).toMatch(/^\S.{8,}[^.]$/);
      for (const text of [policy.idea, policy.reads, policy.failsWhen, policy.source]) {
        expect(text).toMatch(/^[A-Z⌈].{6,}\.$/);
      }
    },
  );

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
  expect(thrown).toMatchObject({ code: "usage", hint: expect.stringContaining('mean "fifo"?') });
});

test("docs/schedulers.md says the same", async () => {
  // After a change: `npm run docs`.
  const rows = presets.map((preset) => {
    const { "Composed of": composition } = Object.fromEntries(explainPreset(preset));
    return `- **${preset.name}:** ${preset.summary}: \`${composition}\``;
  });
  const listed = (points: Explanation): string =>
    points
      .map(([label, text]) => `- **${label}:** ${text.startsWith("--") ? `\`${text}\`` : text}`)
      .join("\n");
  const decisions = DECISIONS.map((decision) => {
    const own = policies
      .filter((policy) => policy.decision === decision)
      .map(
        (policy) =>
          `### \`${policy.name}\`\n\n${policy.summary}\n\n${listed(explainPolicy(policy))}`,
      );
    return `## ${decision}: ${partAbout(decision)}\n\n${own.join("\n\n")}`;
  });
  const page = `# Schedulers

Made from the registry (\`schedulers/registry.ts\`) by \`npm run docs\`; \`tandem schedulers NAME\` prints the same. A scheduler is a preset, or one
policy for each decision; a decision that is left out is as in \`fifo\`. A policy that has parameters and the name of the preset's keeps the
parameters of the preset that it does not give; its name alone means its defaults. \`perTask\` gives single tasks policies of their own:

\`\`\`yaml
scheduler:
  preset: edf
  batching: { policy: size-or-timeout, maxBatch: 4, waitMs: 10 }
  perTask:
    plate: { routing: power-of-two, batching: none }
\`\`\`

## Presets: \`--set scheduler=NAME\`

${rows.join("\n")}

${decisions.join("\n\n")}
`;
  await expect(page).toMatchFileSnapshot("../docs/schedulers.md");
});
