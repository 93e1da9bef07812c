/** All cases, in the order of docs/theory.md. */

import { batches } from "./cases/batch-service.ts";
import type { Family, TheoryCase } from "./cases/case.ts";
import { classes, patience, sharing } from "./cases/disciplines.ts";
import { losses, manyServers } from "./cases/many-servers.ts";
import { closedNetworks, forks, networks } from "./cases/networks.ts";
import { poissonServer, renewalArrivals } from "./cases/single-server.ts";

export const FAMILIES: readonly Family[] = [
  poissonServer,
  renewalArrivals,
  manyServers,
  losses,
  sharing,
  classes,
  patience,
  networks,
  forks,
  closedNetworks,
  batches,
];

const CASES: readonly TheoryCase[] = FAMILIES.flatMap(({ cases }) => cases);

/** A case's seed is its number on the page: no two cases share their chance, and none is chosen. */
export function seedOf(theory: TheoryCase): number {
  return CASES.indexOf(theory) + 1;
}
