/**
 * Plays the study's scenarios on threads that stay for all of it: a process for each would spend more on its start and on
 * code that is not compiled yet than on most of them.
 */
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import type { ConfigurationResult } from "../../results/documents.ts";
import type { Sections } from "./claim.ts";
import type { Asked } from "./play-thread.ts";

/** Simulates a scenario into its folder, where what its store has is kept. */
export type Play = (folder: string, document: Sections) => Promise<readonly ConfigurationResult[]>;

export function openPlayers(threads: number): { readonly play: Play; close(): Promise<void> } {
  const pool = new Piscina({
    filename: fileURLToPath(new URL("./play-thread.js", import.meta.url)),
    minThreads: threads,
    maxThreads: threads,
  });
  return {
    play: (folder, document) => {
      const asked: Asked = { folder, document };
      return pool.run(asked, { name: "play" });
    },
    close: () => pool.destroy(),
  };
}
