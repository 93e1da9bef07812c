/**
 * Choice among the variants of a model (arms) from feedback: a rule that selects variants keeps
 * one selector for each model, gives it the arms that serve now and a stream of chance, and passes on
 * the losses that it hears (`Controller.fed`).
 *
 * Source: Crankshaw et al., Clipper, NSDI 2017, section 5.
 */
import type { Selection, VariantsView } from "../../../engine/dispatch/policies.ts";
import type { RandomStream } from "../../../engine/random/stream.ts";
import { definePolicy, type SelectionContext } from "../../rules/policy-definition.ts";

/** Arms are small whole numbers. */
export interface Selector {
  /** One of the arms. */
  choose(arms: readonly number[], rng: RandomStream): number;
  /** The probability with which `choose` takes the arm now. */
  chanceOf(arm: number, arms: readonly number[]): number;
  /**
   * The answer of an arm was wrong by so much, 0..1. `chance` is the one that it was chosen with: note
   * it where feedback comes after further choices.
   */
  learn(arm: number, loss: number, chance: number): void;
}

/**
 * Chances are noted by the request's slot. A slot may serve another request before late feedback comes;
 * the chance is then that of a later choice of the same variant, which has hardly changed since.
 */
export function learning(selector: Selector, { rng }: SelectionContext): Selection {
  const stream = rng();
  /** By slot: the variant and the chance that it had. */
  const chosen = new Map<number, { readonly pool: number; readonly chance: number }>();
  let last: readonly number[] = [];
  return {
    choose: ({ request }, among, view) => {
      last = readyOf(among, view);
      const pool = selector.choose(last, stream);
      chosen.set(request, { pool, chance: selector.chanceOf(pool, last) });
      return pool;
    },
    fed: (request, pool, loss) => {
      const noted = chosen.get(request);
      const arms = last.includes(pool) ? last : [...last, pool];
      const chance = noted?.pool === pool ? noted.chance : selector.chanceOf(pool, arms);
      selector.learn(pool, loss, chance);
    },
  };
}

/** Those with a replica; all where none has one. */
export function readyOf(among: readonly number[], view: VariantsView): readonly number[] {
  const ready = among.filter((pool) => view.readyOf(pool) > 0);
  return ready.length > 0 ? ready : among;
}

export const FEEDBACK =
  "Feedback on answers (`POST /v1/feedback`; drawn from accuracies in the simulator).";

export const allVariants = definePolicy({
  name: "all-variants",
  summary: "all variants of an ensemble, with equal votes",
  idea: "Ask every variant that has a replica; the label that most of them give is the answer. On a task without `ensemble`, take the first that has a replica.",
  reads: "Which variants have a replica.",
  failsWhen: "Some variants are much worse than others: their votes count as much.",
  source: "None needed: the majority vote that Clipper's Exp4 starts from.",
  create: (_, _context: SelectionContext): Selection => ({
    choose: (_job, among, view) => readyOf(among, view)[0],
    ask: (_job, among, view) => readyOf(among, view),
  }),
});
