/** Growing columns of what happened to each request. */
import { OUTCOMES, type Outcome } from "../../core/dispatch/driver.ts";
import { grown } from "../../core/dispatch/request-table.ts";

export class RequestRecords {
  count = 0;
  intendedUs = new Float64Array(1024);
  latencyUs = new Float64Array(1024);
  endedUs = new Float64Array(1024);
  sentLateUs = new Float64Array(1024);
  clientRoundTripUs = new Float64Array(1024);
  outcome = new Uint8Array(1024);
  attempts = new Uint8Array(1024);
  pipeline = new Uint8Array(1024);

  /** Adds a request that is being sent; gives its number. */
  add(pipeline: number, intendedUs: number, sentLateUs: number): number {
    const request = this.count++;
    if (request === this.intendedUs.length) this.#grow(request * 2);
    this.intendedUs[request] = intendedUs;
    this.sentLateUs[request] = sentLateUs;
    this.latencyUs[request] = Number.NaN;
    this.clientRoundTripUs[request] = Number.NaN;
    this.pipeline[request] = pipeline;
    return request;
  }

  end(request: number, outcome: Outcome, endedUs: number, attempts: number): void {
    this.attempts[request] = attempts;
    this.outcome[request] = OUTCOMES.indexOf(outcome);
    this.endedUs[request] = endedUs;
  }

  #grow(size: number): void {
    this.intendedUs = grown(this.intendedUs, new Float64Array(size));
    this.latencyUs = grown(this.latencyUs, new Float64Array(size));
    this.endedUs = grown(this.endedUs, new Float64Array(size));
    this.sentLateUs = grown(this.sentLateUs, new Float64Array(size));
    this.clientRoundTripUs = grown(this.clientRoundTripUs, new Float64Array(size));
    this.attempts = grown(this.attempts, new Uint8Array(size));
    this.outcome = grown(this.outcome, new Uint8Array(size));
    this.pipeline = grown(this.pipeline, new Uint8Array(size));
  }
}
