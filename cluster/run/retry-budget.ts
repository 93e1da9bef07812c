/** Bounds how much work a run does again. */

export type RetryBudget = ReturnType<typeof retryBudget>;

/**
 * Bounds the share of jobs that run again: when most work is lost, retries would only add to the load.
 * Source: gRPC's retry throttling (gRFC A6).
 */
export function retryBudget(most: number, givenBack: number) {
  let tokens = most;
  return {
    /** Whether a job may run again; takes its token. */
    take(): boolean {
      if (tokens <= most / 2) return false;
      tokens--;
      return true;
    },
    finished(jobs: number): void {
      tokens = Math.min(most, tokens + jobs * givenBack);
    },
  };
}
