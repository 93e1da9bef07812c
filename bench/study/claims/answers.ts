/** Systems that trade the quality of answers: Clipper's ensembles and stragglers. */
import type { Claim } from "../claim.ts";

const ACCURACIES = { a: 0.9, b: 0.8, c: 0.75, d: 0.7, e: 0.55 };
const NAMES = Object.keys(ACCURACIES);
const DEADLINE = { policy: "join-deadline", share: 0.9 };

const ensembles: Claim = {
  name: "clipper-ensembles",
  claim:
    "an ensemble that answers at its deadline without stragglers keeps its tail within the goal, at a small loss of accuracy",
  source: "Crankshaw et al., Clipper, NSDI 2017, section 5.2",
  rebuilt:
    "five variants (accuracy 0.55 to 0.9; 2 ms lognormal, cv 3), two replicas each, 100 requests per s, goal 20 ms, joins at 18; they err apart but on 20% of the requests; Exp4 with η = 0.01",
  base: {
    pipelines: {
      p: {
        slo: { latencyMs: 20 },
        tasks: {
          guess: {
            variants: NAMES,
            ensemble: { classes: 10, sharedErrors: 0.2, minConfidence: 0.5 },
          },
        },
      },
    },
    models: Object.fromEntries(
      Object.entries(ACCURACIES).map(([name, accuracy]) => [
        name,
        { service: { distribution: "lognormal", meanMs: 2, cv: 3 }, accuracy },
      ]),
    ),
    cluster: { replicas: Object.fromEntries(NAMES.map((name) => [`guess@${name}`, 2])) },
    workload: { arrivals: "poisson", ratePerS: 100, requests: 20_000, warmupS: 20 },
  },
  arms: {
    "one variant": { scheduler: { selection: "exp3" } },
    "equal votes": { scheduler: { selection: "all-variants" } },
    "all votes": { scheduler: { selection: "exp4" } },
    deadline: { scheduler: { selection: "exp4", controller: DEADLINE } },
  },
  metrics: ["latencyP99Ms", "accuracyMean", "confidenceMean", "unsureRatio"],
  figures: (runs) => [
    runs.ratio(
      "p99 with the deadline over that of waiting for all",
      "deadline",
      "all votes",
      "latencyP99Ms",
    ),
    runs.mean("p99 with it", " ms", "deadline", "latencyP99Ms"),
    runs.points("accuracy that it costs", "all votes", "deadline", "accuracyMean"),
    runs.points(
      "accuracy of Exp4's votes over Exp3's choice of one",
      "all votes",
      "one variant",
      "accuracyMean",
    ),
    runs.points("over equal votes", "all votes", "equal votes", "accuracyMean"),
  ],
  difference:
    "None for the tail. Exp4 is made to lose little against the best single variant: its weight ends there, so that its votes hardly beat one choice, and lose to equal ones where variants err apart. How far they do is our assumption; real models decide it.",
};

export const ANSWERS: readonly Claim[] = [ensembles];
