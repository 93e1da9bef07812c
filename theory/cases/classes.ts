import { exponential, type Family, open, queue, type TheoryCase } from "../case.ts";
import { impatientMM1 } from "../formulas/patience.ts";
import { waitsByPriority } from "../formulas/priorities.ts";

const MEAN = 10;

/** Pipelines of rising priority at one station; `rates` per second, highest priority first. */
function priorities(
  law: string,
  cv: number,
  rates: readonly number[],
  requests: number,
  server: Readonly<Record<string, unknown>>,
): TheoryCase {
  const total = rates.reduce((sum, rate) => sum + rate, 0);
  const names = rates.map((_, i) => `class-${i + 1}`);
  const waits = waitsByPriority(rates.map((rate) => ({ rate: rate / 1000, mean: MEAN, cv })));
  const pipelines = rates.map((share, i) => {
    const tasks = { serve: { model: "server" } };
    return [names[i], { share, priority: rates.length - i, tasks }];
  });
  const mean = waits.reduce((sum, wait, i) => sum + (wait * rates[i]) / total, 0);
  return {
    name: `M/${law}/1 with ${rates.length} priorities, ${rates.join(" + ")} per second`,
    scenario: {
      name: "priorities",
      pipelines: Object.fromEntries(pipelines),
      models: { server },
      cluster: { replicas: { serve: 1 } },
      scheduler: "priority",
      workload: open(total, requests),
    },
    exact: {
      ...Object.fromEntries(waits.map((wait, i) => [`${names[i]}.latencyMeanMs`, wait + MEAN])),
      queueWaitMeanMs: mean,
    },
  };
}

export const classes: Family = {
  title: "Priorities without preemption",
  source: "Cobham 1954",
  cases: [
    priorities("M", 1, [30, 40], 100_000, exponential(MEAN)),
    priorities("M", 1, [20, 30, 25], 150_000, exponential(MEAN)),
    priorities("G", 1.2, [30, 30], 150_000, {
      service: { distribution: "lognormal", meanMs: MEAN, cv: 1.2 },
    }),
  ],
};

function impatient(ratePerS: number, timeoutMs: number): TheoryCase {
  const { answered, busy } = impatientMM1(ratePerS / 1000, MEAN, timeoutMs);
  return {
    name: `M/M/1, ${ratePerS} per second who wait for ${timeoutMs} ms`,
    scenario: queue({ workload: { ...open(ratePerS, 60_000), client: { timeoutMs } } }),
    exact: { timeoutRatio: 1 - answered, utilizationRatio: busy },
  };
}

/** The cluster serves every request to its end: M/M/1, whose latency is exponential. */
const unnoticed: TheoryCase = {
  name: "M/M/1 at 0.6, clients that leave unnoticed after 30 ms",
  scenario: queue({ workload: { ...open(60, 80_000), client: { timeoutMs: 30, cancels: false } } }),
  exact: { timeoutRatio: Math.exp(-(1 / MEAN - 0.06) * 30), utilizationRatio: 0.6 },
};

export const patience: Family = {
  title: "Clients that give up",
  source: "Barrer 1957, with the whole latency limited",
  cases: [impatient(80, 25), impatient(130, 40), unnoticed],
};
