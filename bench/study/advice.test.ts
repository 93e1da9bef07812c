import { expect, test } from "vitest";
import { estimate } from "../../engine/statistics/estimate.ts";
import { decisions, highest, unseen } from "./advice.ts";
import { CASES } from "./cases.ts";
import { judged, type Member } from "./field.ts";

const member = (name: string, samples: readonly number[], kind = "published"): Member =>
  ({
    arm: { name, kind, scheduler: name, paths: {} },
    samples,
    goodput: estimate(samples),
    costs: null,
    isBest: false,
  }) as Member;

test("a window has no say in the choice of the arm that it judges", () => {
  // Each is lucky in one window, and the best for it; none is better than the others.
  const lucky = [0, 1, 2, 3].map((own) =>
    member(
      `lucky-${own}`,
      [0, 1, 2, 3].map((window) => (window === own ? 0.9 : 0.1)),
    ),
  );
  const most = member("most", [0.2, 0.2, 0.2, 0.2]);
  expect(highest([...lucky, most])?.arm.name).toBe("lucky-0");
  expect(unseen([...lucky, most], highest).samples).toEqual([0.1, 0.1, 0.1, 0.1]);
  expect(unseen([most, member("less", [0.1, 0.1, 0.1, 0.1])], highest)).toEqual({
    samples: most.samples,
  });
  const ablation = member("ablation", [1, 1, 1, 1], "ablation");
  expect(unseen([most, ablation], highest).samples).toEqual(most.samples);
});

test("the gains of the table are those of windows that had no say, and fifo has none over itself", () => {
  const fifo = member("fifo", [0.3, 0.3, 0.3, 0.3], "baseline");
  const lucky = [0, 1, 2, 3].map((own) =>
    member(
      `lucky-${own}`,
      [0, 1, 2, 3].map((window) => (window === own ? 0.9 : 0.28)),
    ),
  );
  const [row] = decisions([{ of: CASES[0], members: judged([fifo, ...lucky]) }]);
  expect(row.use?.name).toBe("lucky-0");
  expect(row.use?.overFifo).toEqual({ mean: -2, halfWidth95: 0 });
  expect(row.use?.goodput.mean).toBe(28);
  const [own] = decisions([{ of: CASES[0], members: judged([fifo, member("sjf", fifo.samples)]) }]);
  expect([own.use?.name, own.use?.overFifo.mean]).toEqual(["fifo", 0]);
});
