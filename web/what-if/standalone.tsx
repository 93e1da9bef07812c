/**
 * "What if" inside a report, from `build/make-what-if.mjs`: the scenario and the simulator's code stand
 * in the page, so nothing is fetched, also from `file://`.
 */
import { createRoot } from "react-dom/client";
import type { KeptScenario } from "../../library/browser.ts";
import { readUrlState, writeUrlState } from "../shared/url-state.ts";
import { WhatIf } from "./what-if.tsx";

const KEY = "what-if";

/** Shows it in an element of the page. */
export function mountWhatIf(place: Element, source: KeptScenario, thread: Worker): void {
  createRoot(place).render(
    <WhatIf
      thread={thread}
      source={source}
      initialState={readUrlState(KEY) ?? ""}
      onState={(state) => writeUrlState(KEY, state === "" ? null : state)}
    />,
  );
}
