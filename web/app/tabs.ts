/**
 * The code of each tab, which loads when the tab opens, or the pointer comes near it. The page imports this
 * file first: the tab that its address asks for loads while the page's own code runs.
 */
import { simulatorThread } from "../what-if/thread.ts";

export const LOADERS = {
  measure: async () => ({ default: (await import("../measure/measure.tsx")).Measure }),
  "what-if": async () => {
    simulatorThread();
    return { default: (await import("../what-if/what-if-tab.tsx")).WhatIfTab };
  },
  pipeline: async () => ({ default: (await import("../pipeline/pipeline.tsx")).Pipeline }),
};

const [, asked = "measure"] = /\btab=([\w-]+)/.exec(location.hash) ?? [];
void (LOADERS as Readonly<Record<string, () => Promise<unknown>>>)[asked]?.();
