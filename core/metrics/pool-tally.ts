/**
 * Sums over the jobs and batches of each pool. They lie side by side in one array, as most batches
 * change all of a pool's.
 */
const WAIT_US = 0;
const JOBS = 1;
const BATCHES = 2;
const BATCHED_JOBS = 3;
const SERVICE_US = 4;
const BUSY_US = 5;
const FIELD_BITS = 3;

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

export class PoolTally {
  declare private readonly sums: Float64Array;

  constructor(pools: number) {
    this.sums = new Float64Array(pools << FIELD_BITS);
  }

  waited(pool: number, waitUs: number): void {
    const sums = this.sums;
    const at = pool << FIELD_BITS;
    sums[at + WAIT_US] += waitUs;
    sums[at + JOBS]++;
  }

  served(pool: number, serviceUs: number, size: number): void {
    const sums = this.sums;
    const at = pool << FIELD_BITS;
    sums[at + BATCHES]++;
    sums[at + BATCHED_JOBS] += size;
    sums[at + SERVICE_US] += serviceUs;
  }

  busy(pool: number, us: number): void {
    this.sums[(pool << FIELD_BITS) + BUSY_US] += us;
  }

  of(pool: number): PoolSums {
    const at = pool << FIELD_BITS;
    return this.read((field) => this.sums[at + field]);
  }

  /** Over all pools. */
  total(): PoolSums {
    return this.read((field) => {
      let sum = 0;
      for (let at = field; at < this.sums.length; at += 1 << FIELD_BITS) sum += this.sums[at];
      return sum;
    });
  }

  private read(sumOf: (field: number) => number): PoolSums {
    return {
      waitUs: sumOf(WAIT_US),
      jobs: sumOf(JOBS),
      batches: sumOf(BATCHES),
      batchedJobs: sumOf(BATCHED_JOBS),
      serviceUs: sumOf(SERVICE_US),
      busyUs: sumOf(BUSY_US),
    };
  }
}
