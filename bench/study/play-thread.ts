/** The work of one of the study's threads: a scenario at a time, whose folder keeps its finished configurations. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { loadHighs } from "../../build/load-highs.ts";
import { buildKey } from "../../build/version.ts";
import { finished } from "../../engine/basics/iterables.ts";
import type { ConfigurationResult } from "../../results/documents.ts";
import { checkedSweep } from "../../scenario/expand-sweep.ts";
import { parseScenario } from "../../scenario/parse.ts";
import { checkScheduler } from "../../schedulers/check-scheduler.ts";
import { asksForSolver, useSolver } from "../../schedulers/rules/solver.ts";
import { ConfigurationWork } from "../../sweep/configuration-work.ts";
import { ResultStore, recordAt, recordLine, STORE_FORMAT } from "../../sweep/records.ts";
import type { Sections } from "./claim.ts";

export interface Asked {
  readonly folder: string;
  readonly document: Sections;
}

/** The configurations in the order of the sweep. */
export async function play({ folder, document }: Asked): Promise<readonly ConfigurationResult[]> {
  const file = join(folder, "scenario.yaml");
  const text = stringify(document, { aliasDuplicateObjects: false });
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, text);
  const loaded = parseScenario(text, file, (path) => readFileSync(path, "utf8"), {}, CHECKS);
  checkedSweep(loaded, CHECKS);
  if (asksForSolver(loaded.document)) useSolver(await loadHighs());
  const work = new ConfigurationWork({ loaded });
  const key = { format: STORE_FORMAT, parameters: [], scenario: loaded.digest, ...buildKey() };
  const store = ResultStore.open(folder, key, work.count);
  try {
    return Array.from({ length: work.count }, (_, index) => {
      if (!store.has(index)) store.add(index, recordLine(finished(work.whole(index))));
      return recordAt(store, index).result;
    });
  } finally {
    store.close();
  }
}

const CHECKS = {
  checkScheduler: (...[scheduler, path, pipelines]: Parameters<typeof checkScheduler>) =>
    checkScheduler(scheduler, path, pipelines),
};
