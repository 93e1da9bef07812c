/**
 * "What if" inside a report, from `build/make-web.mjs`: the scenario and the simulator's code stand
 * in the page, so nothing is fetched, also from `file://`.
 */
import { createRoot } from "react-dom/client";
import type { KeptScenario } from "../../library/browser.ts";
import { readUrlState, writeUrlState } from "../shared/store.ts";
import { openCurves, WhatIf } from "./what-if.tsx";

const KEY = "what-if";

/** Shows it in an element of the page. */
export function mountWhatIf(place: Element, source: KeptScenario, thread: Worker): void {
  const initialState = readUrlState(KEY) ?? "";
  createRoot(place).render(
    <WhatIf
      store={openCurves(thread, source, initialState)}
      initialState={initialState}
      onState={(state) => writeUrlState(KEY, state === "" ? null : state)}
    />,
  );
}
