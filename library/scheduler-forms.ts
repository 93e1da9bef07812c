/** Schedulers as forms: each preset with the parameters of its policies. */
import { DECISIONS } from "../core/scenario/schema/scheduler.ts";
import { catalogue } from "../schedulers/catalogue.ts";
import { policyParameters, type SchedulerParameter } from "./scheduler-parameters.ts";

export interface SchedulerForm {
  /** A preset: the `scheduler` of a scenario. */
  readonly name: string;
  readonly summary: string;
  readonly parameters: readonly SchedulerParameter[];
}

/** Every registered preset, the simplest first. */
export function schedulerForms(): readonly SchedulerForm[] {
  const { presets, policies } = catalogue();
  return presets.map(({ name, summary, composition }) => {
    const parameters = DECISIONS.flatMap((decision) => {
      const choice = composition[decision];
      const { policy, ...given } = typeof choice === "string" ? { policy: choice } : choice;
      const found = policies.find((one) => one.decision === decision && one.name === policy);
      return found === undefined ? [] : policyParameters(found, given);
    });
    return { name, summary, parameters };
  });
}
