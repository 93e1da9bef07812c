/** The slot for the What-if asset: a prebuilt page part that simulates in a worker, and its scenario. */
import type { ProvenanceDocument } from "../../core/provenance.ts";

/** The scenario that the asset starts from; its data files are inside. */
export type WhatIfScenario = Pick<ProvenanceDocument, "scenario" | "digest" | "inputs">;

export interface WhatIf {
  /** HTML; its script mounts itself into `#what-if`, and reads the scenario beside it. */
  readonly asset: string;
  readonly scenario: WhatIfScenario;
}

/** The policies of a page with the asset: its worker is a blob; beyond that it needs no more than the page. */
export const WHAT_IF_POLICY = "script-src 'unsafe-inline'; worker-src blob:";

/** The section's contents. Text of the scenario cannot end its element. */
export function whatIfHtml({ asset, scenario: { scenario, digest, inputs } }: WhatIf): string {
  const json = JSON.stringify({ scenario, digest, inputs }).replaceAll("<", "\\u003c");
  return `<div id="what-if"></div>
<script type="application/json" id="what-if-scenario">${json}</script>
${asset}`;
}
