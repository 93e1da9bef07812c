/** What requests have chosen for themselves; looked at only once one has. */
import type { ImmediateRouting, RequestChoice } from "./policies.ts";

export class RequestChoices {
  /** Whether any request has ever chosen. */
  any = false;
  private readonly chosen = new Map<number, RequestChoice>();

  set(request: number, choice: RequestChoice): void {
    this.chosen.set(request, choice);
    this.any = true;
  }

  forget(request: number): void {
    this.chosen.delete(request);
  }

  /** From its arrival to its deadline, µs; Infinity where it has chosen none. */
  goalUs(request: number): number {
    return this.chosen.get(request)?.goalUs ?? Number.POSITIVE_INFINITY;
  }

  priority(request: number): number | null {
    return this.chosen.get(request)?.priority ?? null;
  }

  /** Null where it has chosen none, or the pool does not route on arrival. */
  routing(request: number, pool: number): ImmediateRouting | null {
    const routing = this.chosen.get(request)?.routing?.[pool];
    return routing?.kind === "immediate" ? routing : null;
  }
}
