/** The table of a configuration's figures. */
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { Readings } from "./readings.tsx";

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
