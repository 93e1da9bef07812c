/** The documents of a results folder: read, and refused with every issue where a report could not draw them. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Fault, type Issue } from "../../engine/basics/fault.ts";
import type { ResultsDocument } from "../../results/documents.ts";
import { PROVENANCE_FILE, type ProvenanceDocument } from "../../results/provenance.ts";
import type { ValidationDocument } from "../../results/validation.ts";
import { BACKENDS } from "../../scenario/schema/run.ts";

const MOST_ISSUES = 20;

/** JSON has no NaN or infinity: writers put null, which is read as "not known". */
const figure = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const parts = z.object({ simulation: figure, inputs: figure }).optional();
const estimate = z.object({ mean: figure, halfWidth95: figure, parts });
const parameter = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const counts = z.record(z.string(), z.number());
const placement = z.record(
  z.string(),
  z.object({
    machinesUsed: z.number(),
    machines: z.number(),
    idleCostPerHour: z.number(),
    replicas: counts,
  }),
);
const metrics = z.record(z.string(), estimate);
const curve = z
  .object({ share: z.array(z.number()), latencyMs: z.array(figure) })
  .refine((value) => value.share.length === value.latencyMs.length, {
    message: "share and latencyMs must be equally long",
  });
const stability = z.enum(["stable", "unstable", "unknown"]);
const configuration = z.looseObject({
  id: z.string(),
  parameters: z.record(z.string(), parameter),
  replications: z.number(),
  requests: z.number(),
  metrics,
  tasks: z.record(z.string(), metrics),
  digest: z.string(),
  placement: placement.optional(),
  latencyCurve: curve.optional(),
  notes: z.array(z.string()).optional(),
  slo: z.enum(["meets", "misses", "unclear"]).optional(),
  stability: stability.optional(),
  intervals: z.record(z.string(), z.string()).optional(),
  inputs: z
    .looseObject({
      draws: z.number(),
      shares: z.record(z.string(), z.number()),
      deviations: z.record(z.string(), z.array(z.number())),
    })
    .optional(),
});
const comparison = z.looseObject({
  metric: z.string(),
  over: z.array(z.string()),
  fixed: z.record(z.string(), parameter),
  members: z
    .array(
      z.looseObject({
        id: z.string(),
        mean: figure,
        verdict: z.enum(["best", "not distinguishable", "worse"]),
      }),
    )
    .min(1),
  differences: z.array(
    z.looseObject({
      a: z.string(),
      b: z.string(),
      mean: figure,
      halfWidth95: figure,
      distinguishable: z.boolean(),
    }),
  ),
});
const goal = z.object({
  latencyMs: z.number(),
  percentile: z.number(),
  ttftMs: z.number().optional(),
  tpotMs: z.number().optional(),
});
const VERDICTS = z.enum(["agrees", "disagrees", "cannot tell"]);
const judgement = z.looseObject({
  verdict: VERDICTS,
  interval90: z.object({ low: figure, high: figure }).nullable(),
  level: z.number().optional(),
  reason: z.string().optional(),
  settledBy: z
    .object({ runs: z.number().nullable(), secondsPerRun: z.number().nullable() })
    .optional(),
});
const RESULTS = "tandem/results@1";
const VALIDATION = "tandem/validation@3";
const head = {
  scenario: z.looseObject({ name: z.string(), digest: z.string() }),
  seed: z.number(),
  command: z.string(),
  slo: goal.optional(),
  notes: z.array(z.string()).optional(),
  parameterKinds: z
    .record(
      z.string(),
      z.enum(["load", "replicas", "shape", "scheduler", "scheduler parameter", "other"]),
    )
    .optional(),
};
const results = z.looseObject({
  ...head,
  schema: z.literal(RESULTS),
  slos: z.record(z.string(), goal).optional(),
  margin: z.number().optional(),
  simplestFirst: z.array(z.string()).optional(),
  configurations: z.array(configuration).min(1),
  comparisons: z.array(comparison).optional(),
});
const validated = configuration.extend({
  predicted: metrics,
  planned: metrics.optional(),
  measured: z.looseObject({
    metrics,
    spread: z.record(z.string(), z.object({ minimum: figure, maximum: figure })),
    repeats: z.number(),
    backend: z.enum(BACKENDS),
    latencyCurve: curve.optional(),
    health: z.looseObject({
      healthy: z.boolean(),
      lateArrivalRatio: figure,
      latenessP99Ms: figure,
      eventLoopDelayP99Ms: figure,
      reasons: z.array(z.string()),
    }),
  }),
  error: z.record(z.string(), figure),
  tolerance: z.record(z.string(), figure),
  judgements: z.record(z.string(), judgement),
  verdict: VERDICTS,
  blocks: z
    .array(
      z.looseObject({
        atS: figure,
        measuredMeanMs: figure,
        predictedMeanMs: figure,
        informedMeanMs: figure,
      }),
    )
    .optional(),
  brackets: z
    .array(z.looseObject({ atS: figure, probeUs: figure, workUs: z.record(z.string(), figure) }))
    .optional(),
});
const validation = z.looseObject({
  ...head,
  schema: z.literal(VALIDATION),
  kind: z.literal("validation"),
  configurations: z.array(validated),
});

const origin = z.looseObject({
  command: z.string(),
  version: z.string(),
  date: z.string(),
  host: z.string(),
  commit: z.string().optional(),
});
const provenance = z.looseObject({
  schema: z.literal("tandem/provenance@1"),
  made: z.record(z.string(), origin),
  scenario: z.looseObject({ name: z.string() }),
  digest: z.string(),
  inputs: z.looseObject({ profiles: z.record(z.string(), z.unknown()) }),
});
const planAnswer = z.looseObject({
  scheduler: z.unknown(),
  parameters: z.record(z.string(), parameter),
  cost: z.number(),
  replicas: counts,
  placement: placement.nullable(),
  replications: z.number(),
  kept: z.record(
    z.string(),
    z.looseObject({ sloAttainmentRatio: estimate, latencyMs: estimate.nullable() }),
  ),
});
const noted = z.looseObject({
  scheduler: z.unknown(),
  parameters: z.record(z.string(), parameter),
  cost: z.number(),
  replicas: counts,
  kept: z.record(z.string(), z.object({ mean: figure, low: figure, high: figure })),
  state: z.enum(["confirmed", "not confirmed", "ruled out"]),
});
const planEntry = z.looseObject({
  parameters: z.record(z.string(), parameter),
  goals: z.array(goal.extend({ pipeline: z.string() })),
  unit: z.string(),
  best: planAnswer.nullable(),
  runnersUp: z.array(planAnswer),
  nearest: planAnswer.nullable(),
  alike: z.array(z.unknown()),
  allCheaperTried: z.boolean(),
  state: z.enum(["confirmed", "not confirmed", "none"]),
  lowerBound: z.number(),
  missing: z.string().nullable().optional(),
  notSearched: z.array(z.string()).optional(),
  tried: z.array(noted).optional(),
  promise: z.enum(["long-run", "runs"]).optional(),
  settlesS: z.number().nullable().optional(),
  window: z
    .object({ fromS: z.number(), toS: z.number(), mostPerS: z.number(), meanPerS: z.number() })
    .nullable()
    .optional(),
});
const planSchema = z.looseObject({
  schema: z.literal("tandem/plan@3"),
  /** Digest of the scenario that the results are of; absent where no plan keeps the SLO. */
  planned: z.string().optional(),
  command: z.string(),
  headlines: z.array(z.string()),
  plans: z.array(planEntry),
});

export type PlanAnswer = z.output<typeof planAnswer>;
export type PlanEntry = z.output<typeof planEntry>;
export type PlanView = z.output<typeof planSchema>;

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new Fault("invalid-input", `cannot read ${file}: ${code ?? String(cause)}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const hint = "the file may be cut short; write it again by the command that made it";
    throw new Fault("invalid-input", `${file} is not JSON: ${String(cause)}`, { hint, cause });
  }
}

function checked(schema: z.ZodType, name: string, value: unknown, file: string): unknown {
  const hint = `write it with \`tandem ${name === RESULTS ? "simulate" : "validate"} SCENARIO --out DIR\` of this version`;
  const found = (value as { readonly schema?: unknown } | null)?.schema;
  if (typeof found === "string" && found !== name) {
    const message = `${file} is of another version or kind: ${found}, expected ${name}`;
    throw new Fault("invalid-input", message, { hint });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues: Issue[] = parsed.error.issues
    .slice(0, MOST_ISSUES)
    .map((issue) => ({ path: issue.path.map(String).join("."), message: issue.message, file }));
  throw new Fault("invalid-input", `${file} is no ${name} document`, { hint, issues });
}

export interface ReadDocuments {
  readonly results: ResultsDocument;
  readonly validation: ValidationDocument | undefined;
  /** The plan, if the results belong to it. */
  readonly plan: PlanView | undefined;
  /** Undefined in folders of earlier versions, and where it is of other results. */
  readonly provenance: ProvenanceDocument | undefined;
}

/** What to do about a folder without results, by its plan. */
function hintFor(directory: string, plan: PlanView | undefined): string {
  if (plan === undefined) return `write one with \`tandem simulate SCENARIO --out ${directory}\``;
  if (plan.planned !== undefined) {
    const path = join(directory, "plan.yaml");
    return `its plan was stopped before it was simulated: \`tandem simulate ${path} --out ${directory}\``;
  }
  const isOpen = plan.plans.some(({ notSearched = [] }) => notSearched.includes("budget"));
  const reasons = plan.plans.flatMap(({ missing }) => missing ?? []);
  const why = [...plan.headlines, ...reasons].join("; ");
  const way = isOpen
    ? "its search ended early, a larger `--budget` goes on"
    : "plan again with faster machines or a larger `slo.latencyMs`, or with more machines or `--max-replicas`";
  return `its plan has no solution (${why}): ${way}`;
}

/** Throws Fault("not-found") without results.json, Fault("invalid-input") for unreadable files. */
export async function readDocuments(directory: string): Promise<ReadDocuments> {
  const file = join(directory, "results.json");
  const json = await readJson(file);
  const planned = planSchema.safeParse(await readJson(join(directory, "plan.json"))).data;
  if (json === undefined) {
    const hint = hintFor(directory, planned);
    throw new Fault("not-found", `no results.json in ${directory}`, { hint });
  }
  const validationFile = join(directory, "validation.json");
  const second = await readJson(validationFile);
  const parsed = checked(results, RESULTS, json, file) as ResultsDocument;
  const made = provenance.safeParse(await readJson(join(directory, PROVENANCE_FILE))).data;
  const isTheirs = made?.digest === parsed.scenario.digest;
  return {
    results: parsed,
    provenance: isTheirs ? (made as unknown as ProvenanceDocument) : undefined,
    plan: planned?.planned === parsed.scenario.digest ? planned : undefined,
    validation:
      second === undefined
        ? undefined
        : (checked(validation, VALIDATION, second, validationFile) as ValidationDocument),
  };
}
