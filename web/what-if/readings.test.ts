/** The table of a configuration's figures, and its controls. */
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { Controls } from "./controls.tsx";
import { Readings, verdictOf } from "./readings.tsx";

function tableOf(metrics: Readonly<Record<string, number>>): string {
  const estimates = Object.entries(metrics).map(([name, mean]) => [name, { mean, halfWidth95: 0 }]);
  const result = { metrics: Object.fromEntries(estimates), replications: 1 };
  const curve = { points: new Map([[5, result]]) } as never;
  const readings = [{ id: "present", name: "present", color: "--c", curve }];
  return renderToStaticMarkup(createElement(Readings, { readings, load: 5, shownLoad: "5 / s" }));
}

test("times of tokens are there where a language model writes", () => {
  const others = { latencyP50Ms: 900, preemptionsPerRequest: 0 };
  const table = tableOf({ ...others, ttftMeanMs: 120, tpotMeanMs: 35, tokensPerS: 250 });
  for (const part of ["first token", "120 ms", "each further token", "35 ms", "tokens / s"]) {
    expect(table).toContain(part);
  }
  expect(table).not.toContain("preempted");
  expect(tableOf({ latencyP50Ms: 900 })).not.toContain("token");
});

test("other numbers of replicas than a plan placed say that they are placed anew", () => {
  const description = { replicas: { a: 2 }, isPlaced: true, machines: [], goals: [], batch: null };
  const shown = (a: number) => {
    const given = { description, schedulers: [], choices: { replicas: { a } }, onChange: () => {} };
    return renderToStaticMarkup(createElement(Controls, given as never));
  };
  expect(shown(3)).toContain("they are placed anew");
  expect(shown(2)).not.toContain("placed anew");
});

test("the verdict names all bounds of the SLO", () => {
  const goal = { pipeline: "p", latencyMs: 9000, ttftMs: 400, tpotMs: 50, percentile: 90 };
  const metrics = { sloAttainmentRatio: { mean: 0.97, halfWidth95: 0 } };
  const curve = { points: new Map([[5, { metrics, slo: "meets" }]]), capacityPerS: 9 } as never;
  const axis = { kind: "rate", label: "rate", unit: "requests per s", base: 5 };
  const description = { axis, goals: [goal] } as never;
  expect(verdictOf(description, {}, curve, 5)).toContain(
    "97% of requests end within 9000 ms, have a first token within 400 ms, have each further token within 50 ms, 90% should",
  );
});
