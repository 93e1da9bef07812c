/** Sums over the jobs and batches of each pool. */
import { DOUBLE_ZERO } from "../double-zero.ts";

export interface PoolSums {
  /** Of jobs whose requests arrived in the window: what they waited in all, and how many. */
  readonly waitUs: number;
  readonly jobs: number;
  /** Of batches that started in the window or after it. */
  readonly batches: number;
  readonly batchedJobs: number;
  readonly serviceUs: number;
  /** Busy time of replicas within the window. */
  readonly busyUs: number;
}

/** What is summed of one pool. */
class Sums {
  waitUs = DOUBLE_ZERO;
  jobs = 0;
  batches = 0;
  /** Jobs that were not the first of their batch: most batches have none. */
  companions = 0;
  serviceUs = DOUBLE_ZERO;
  busyUs = DOUBLE_ZERO;
}

export class PoolTally {
  declare private readonly pools: readonly Sums[];

  constructor(pools: number) {
    this.pools = Array.from({ length: pools }, () => new Sums());
  }

  waited(pool: number, waitUs: number): void {
    const sums = this.pools[pool];
    sums.waitUs += waitUs;
    sums.jobs++;
  }

  /** A batch has kept a replica busy; `serviceUs` below 0: it does not count as served. */
  ran(pool: number, busyUs: number, serviceUs: number, size: number): void {
    const sums = this.pools[pool];
    sums.busyUs += busyUs;
    if (serviceUs < 0) return;
    sums.batches++;
    sums.serviceUs += serviceUs;
    if (size > 1) sums.companions += size - 1;
  }

  of(pool: number): PoolSums {
    return totalOf([this.pools[pool]]);
  }

  /** Over all pools. */
  total(): PoolSums {
    return totalOf(this.pools);
  }
}

function totalOf(pools: readonly Sums[]): PoolSums {
  const sum = (of: (sums: Sums) => number): number => pools.reduce((all, one) => all + of(one), 0);
  return {
    waitUs: sum(({ waitUs }) => waitUs),
    jobs: sum(({ jobs }) => jobs),
    batches: sum(({ batches }) => batches),
    batchedJobs: sum(({ batches, companions }) => batches + companions),
    serviceUs: sum(({ serviceUs }) => serviceUs),
    busyUs: sum(({ busyUs }) => busyUs),
  };
}
