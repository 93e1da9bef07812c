/** All cases, in the order of docs/theory.md. */
import type { Family, TheoryCase } from "./case.ts";
import { batches } from "./cases/batch-service.ts";
import { classes, patience } from "./cases/classes.ts";
import { closedNetworks } from "./cases/closed-networks.ts";
import { losses, manyServers } from "./cases/many-servers.ts";
import { forks, networks } from "./cases/networks.ts";
import { sharing } from "./cases/sharing.ts";
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
