/** What worker processes take of their machines: they are asked when somebody asks the gateway. */
import type { ReplicaLink } from "../run/replica-link.ts";

export interface WorkerFigures {
  /** Its address. */
  readonly worker: string;
  readonly figures: Readonly<Record<string, number>>;
}

/** A scrape waits no longer for a worker; it is then left out. */
const PATIENCE_MS = 1000;

/** One for each worker that is up and tells. */
export async function workerFigures(
  links: readonly (ReplicaLink | null)[],
): Promise<readonly WorkerFigures[]> {
  const byAddress = new Map(links.flatMap((link) => (link?.up ? [[link.address, link]] : [])));
  const told = await Promise.all(
    [...byAddress.values()].map(async (link) => {
      const figures = await inTime(link.figures()).catch(() => null);
      return figures === null ? [] : [{ worker: link.address, figures }];
    }),
  );
  return told.flat();
}

function inTime<T>(promise: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
