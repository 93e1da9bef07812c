/** The slot for the What-if asset: a prebuilt script that simulates in a worker, and its scenario. */
import type { ProvenanceDocument } from "../../core/provenance.ts";

/** The asset mounts itself into the element with this id, and reads the scenario beside it. */
export const WHAT_IF_ID = "what-if";
export const WHAT_IF_SCENARIO_ID = "what-if-scenario";

/** The scenario that the asset starts from; its data files are inside. */
export type WhatIfScenario = Pick<ProvenanceDocument, "scenario" | "digest" | "inputs">;

export interface WhatIf {
  /** A classic script, or HTML that begins with `<`. */
  readonly asset: string;
  readonly scenario: WhatIfScenario;
}

/** The policies of a page with the asset: its worker is a blob; beyond that it needs no more than the page. */
export const WHAT_IF_POLICY = "script-src 'unsafe-inline'; worker-src blob:";

/** The section's contents. Text of the scenario cannot end its element. */
export function whatIfHtml({ asset, scenario: { scenario, digest, inputs } }: WhatIf): string {
  const json = JSON.stringify({ scenario, digest, inputs }).replaceAll("<", "\\u003c");
  const script = asset.trimStart().startsWith("<")
    ? asset
    : `<script>${asset.replace(/<\/(script)/gi, "<\\/$1")}</script>`;
  return [
    `<div id="${WHAT_IF_ID}"></div>`,
    `<script type="application/json" id="${WHAT_IF_SCENARIO_ID}">${json}</script>`,
    script,
  ].join("\n");
}
