/** Measured links to the machines of nodes. */
import type { OverheadProfile } from "./profile.ts";

/** Mean round trip of a node's link beyond that of the nearest machine, µs; 0 for a node that was not measured. */
export function excessUs(links: OverheadProfile["links"] = {}, node: string): number {
  const meanUs = ({ rttUs }: (typeof links)[string]): number =>
    rttUs.reduce((sum, us) => sum + us, 0) / rttUs.length;
  const own = links[node];
  if (own === undefined) return 0;
  return meanUs(own) - Math.min(...Object.values(links).map(meanUs));
}
