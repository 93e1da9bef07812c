/**
 * Sums over the jobs and batches of each pool. They lie side by side in one array, as most batches
 * change all of a pool's.
 */
const WAIT_US = 0;
const JOBS = 1;
const BATCHES = 2;
/** Jobs that were not the first of their batch: most batches have none. */
const COMPANIONS = 3;
const SERVICE_US = 4;
/** Busy time in the window less service: other than 0 only at the window's ends. */
const BUSY_BEYOND_US = 5;
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

  /** A batch that kept its replica busy for as long as it was served. */
  served(pool: number, serviceUs: number, size: number): void {
    const sums = this.sums;
    const at = pool << FIELD_BITS;
    sums[at + BATCHES]++;
    sums[at + SERVICE_US] += serviceUs;
    if (size > 1) sums[at + COMPANIONS] += size - 1;
  }

  /** Busy time, of which none, or less, was of batches served. */
  busyBeyond(pool: number, us: number): void {
    this.sums[(pool << FIELD_BITS) + BUSY_BEYOND_US] += us;
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
      batchedJobs: sumOf(BATCHES) + sumOf(COMPANIONS),
      serviceUs: sumOf(SERVICE_US),
      busyUs: sumOf(SERVICE_US) + sumOf(BUSY_BEYOND_US),
    };
  }
}
