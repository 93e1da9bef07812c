/**
 * All that a study found, as it is stored: a line of JSON for each claim and each case. The page and the decision table
 * are made from it alone, so that both can be written again without playing anything.
 */
import { estimate } from "../../engine/statistics/estimate.ts";
import type { AnyCase, Case, Decision, EngineCase } from "../../results/which-scheduler.ts";
import { decisions } from "./advice.ts";
import type { Arm } from "./arms.ts";
import type { OwnCase } from "./cases.ts";
import { CLAIMS, type Claim, type Figure } from "./claim.ts";
import { type CaseResult, type Effort, judged, type Member } from "./field.ts";
import { withTrials } from "./own-models.ts";

export interface ClaimFindings {
  readonly claim: Claim;
  readonly figures: readonly Figure[];
}

export interface Findings {
  readonly effort: Effort;
  /** Processors, and how busy they were. */
  readonly machine: string;
  readonly claims: readonly ClaimFindings[];
  readonly field: readonly CaseResult[];
  /** By case: systems without one of their mechanisms, which are not judged. */
  readonly ablated: readonly CaseResult[];
  readonly own: readonly CaseResult<OwnCase>[];
  readonly engines: readonly CaseResult<EngineCase>[];
}

/** The rows of the decision table. */
export function rowsOf({ field, own, engines }: Pick<Findings, "field" | "own" | "engines">): {
  readonly field: readonly Decision<Case>[];
  readonly engines: readonly Decision<EngineCase>[];
} {
  return { field: withTrials(decisions(field), own), engines: decisions(engines) };
}

const LISTS = ["field", "ablated", "own", "engines"] as const;

type Stored = Pick<Arm, "name" | "kind" | "scheduler" | "policy"> &
  Pick<Member, "samples" | "costs">;

export function findingsText(found: Findings): string {
  const { effort, machine, claims } = found;
  const lines = [
    { effort, machine },
    ...claims.map(({ claim, figures }) => ({ claim: claim.name, figures })),
    ...LISTS.flatMap((list) =>
      (found[list] as readonly CaseResult<AnyCase>[]).map(({ of, members }) => ({
        [list]: of,
        members: members.map(({ arm: { paths: _, ...arm }, samples, costs }): Stored => {
          return { ...arm, samples, costs };
        }),
      })),
    ),
  ];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

export function findingsOf(text: string): Findings {
  const [head, ...lines] = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  const listOf = (list: (typeof LISTS)[number]) =>
    lines
      .filter((line) => list in line)
      .map((line): CaseResult<never> => {
        const members = (line.members as readonly Stored[]).map(memberOf);
        return { of: line[list] as never, members: list === "ablated" ? members : judged(members) };
      });
  const claims = lines.flatMap(({ claim: name, figures }) => {
    const claim = CLAIMS.find((one) => one.name === name);
    return claim === undefined ? [] : [{ claim, figures }];
  });
  const all = LISTS.map((list) => [list, listOf(list)]);
  return { ...head, claims, ...Object.fromEntries(all) } as Findings;
}

function memberOf({ samples, costs, ...arm }: Stored): Member {
  return { arm: { ...arm, paths: {} }, samples, costs, goodput: estimate(samples), isBest: false };
}
