/**
 * The code of each tab, which loads when the tab opens, or the pointer comes near it. The tab that the
 * page's address asks for loads beside the page's own code.
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
