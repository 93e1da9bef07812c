// Hot path: see docs/hot-path.md

/** The batch on each replica: its jobs lie side by side in one array. */
export class Batches {
  /** Jobs of the batch on replica r: jobs[at[r] .. at[r] + size[r]). */
  declare jobs: Int32Array;
  declare readonly at: Int32Array;
  /** 0 where none runs. */
  declare readonly size: Int32Array;

  /** Room for so many jobs on each replica. */
  constructor(room: readonly number[]) {
    let jobs = 0;
    this.size = new Int32Array(room.length);
    this.at = Int32Array.from(room, (most) => {
      jobs += most;
      return jobs - most;
    });
    this.jobs = new Int32Array(jobs);
  }

  jobsOn(replica: number): Int32Array {
    const at = this.at[replica];
    return this.jobs.subarray(at, at + this.size[replica]);
  }

  /** Puts the jobs that run on a replica; only where there is room. */
  put(replica: number, jobs: Int32Array): void {
    this.jobs.set(jobs, this.at[replica]);
    this.size[replica] = jobs.length;
  }

  /** Makes room for a batch that may be larger than all before; what runs moves with it. */
  makeRoom(replica: number, most: number): void {
    const at = this.at[replica];
    const next = this.at.reduce(
      (least, other) => (other > at ? Math.min(least, other) : least),
      this.jobs.length,
    );
    if (most <= next - at) return;
    const end = this.jobs.length;
    const larger = new Int32Array(end + most);
    larger.set(this.jobs);
    larger.copyWithin(end, at, at + this.size[replica]);
    this.jobs = larger;
    this.at[replica] = end;
  }
}
