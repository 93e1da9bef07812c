/**
 * "What if" inside a report, from `build/make-what-if.mjs`: the scenario and the simulator's code stand
 * in the page, so nothing is fetched, also from `file://`.
 */
import { createRoot } from "react-dom/client";
import type { KeptScenario } from "../../library/browser.ts";
import type { Thread } from "./curve-store.ts";
import { WhatIf } from "./what-if.tsx";

const KEY = "what-if";

/** Shows it in an element of the page; `workerCode` is the code of the simulator's thread. */
export function mountWhatIf(place: Element, source: KeptScenario, workerCode: string): void {
  const url = URL.createObjectURL(new Blob([workerCode], { type: "text/javascript" }));
  createRoot(place).render(
    <WhatIf
      startThread={() => new Worker(url) as Thread}
      source={source}
      initialState={parameters().get(KEY) ?? ""}
      onState={keep}
    />,
  );
}

function parameters(): URLSearchParams {
  return new URLSearchParams(location.hash.slice(1));
}

/** The address keeps its own fragment until something changes. */
function keep(state: string): void {
  const next = parameters();
  if ((next.get(KEY) ?? "") === state) return;
  if (state === "") next.delete(KEY);
  else next.set(KEY, state);
  const fragment = next.toString();
  history.replaceState(null, "", fragment === "" ? location.href.split("#")[0] : `#${fragment}`);
}
