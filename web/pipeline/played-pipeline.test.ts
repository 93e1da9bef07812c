/** Frames of a played run: nobody is lost between two instants, and nobody is in two places. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { playedRun, readScenario } from "../../library/browser.ts";
import type { TaskEdge } from "./drawn-graph.tsx";
import { filmOf, frameOf, instantBeside, lastEvent, movesAt } from "./played-pipeline.tsx";

const TEXT = readFileSync(
  join(import.meta.dirname, "../../scenarios/queueing/branch.yaml"),
  "utf8",
);
const scenario = readScenario(TEXT, {
  overrides: { workload: { arrivals: "burst", requests: 25 } },
});
const run = await playedRun(scenario, 25);
const [[pipeline, { tasks }]] = Object.entries(scenario.document.pipelines);
const edges = Object.entries(tasks).flatMap(([to, { after }]) =>
  after.map((from): TaskEdge => ({ from: String(from), to, when: null })),
);
const film = filmOf(run, pipeline, edges);

test("every request is at one place, until it has ended", () => {
  let atMs = -1;
  for (let i = 0; i < film.instants.length; i++) {
    atMs = instantBeside(film, atMs, 1);
    const frames = Object.keys(tasks).map((task) => frameOf(film, task, atMs));
    const here = frames.flatMap(({ waiting, replicas }) => [
      ...waiting,
      ...replicas.flatMap(({ requests }) => requests),
    ]);
    const open = run.requests.flatMap(({ arrivedMs, endedMs }, request) =>
      arrivedMs <= atMs && atMs < (endedMs ?? Number.POSITIVE_INFINITY) ? [request] : [],
    );
    expect(here.sort((a, b) => a - b)).toEqual(open);
    for (const { utilizationRatio } of frames) {
      expect(utilizationRatio).toBeGreaterThanOrEqual(0);
      expect(utilizationRatio).toBeLessThanOrEqual(1);
    }
  }
  expect(atMs).toBe(film.endMs);
  expect(instantBeside(film, atMs, -1)).toBeLessThan(atMs);
});

test("the instants are told, and requests are seen to move on", () => {
  expect(lastEvent(film, -1)).toMatch(/nothing/);
  expect(lastEvent(film, 0)).toMatch(/request 25 arrives; .* starts request 1(;|$)/);
  expect(lastEvent(film, film.endMs)).toMatch(/ ends request/);
  const moved = film.instants.flatMap((atMs) => edges.flatMap((edge) => movesAt(film, edge, atMs)));
  expect(moved.length).toBeGreaterThan(5);
});
