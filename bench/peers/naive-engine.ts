/**
 * The engine that one would write in an afternoon, as the peer that speed is compared with: a
 * binary heap of closures, an object per request, an array as queue, Math.random for chance.
 * It serves the reference workloads, and nothing else.
 */
import type { WorkloadName } from "../measure/reference-workloads.ts";

interface NaiveResult {
  /** Arrivals plus completions, as the simulator counts them. */
  readonly events: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Event {
  readonly time: number;
  readonly sequence: number;
  readonly action: () => void;
}

interface Request {
  readonly arrived: number;
}

class Calendar {
  now = 0;
  events = 0;
  readonly #heap: Event[] = [];
  #sequence = 0;

  schedule(delay: number, action: () => void): void {
    const event = { time: this.now + delay, sequence: this.#sequence++, action };
    this.#heap.push(event);
    let at = this.#heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, this.#heap[parent])) break;
      this.#heap[at] = this.#heap[parent];
      at = parent;
    }
    this.#heap[at] = event;
  }

  run(): void {
    for (let event = this.#pop(); event !== undefined; event = this.#pop()) {
      this.now = event.time;
      this.events++;
      event.action();
    }
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Event, b: Event): boolean {
  return a.time < b.time || (a.time === b.time && a.sequence < b.sequence);
}

type Draw = () => number;
type Serve = (request: Request, done: (request: Request) => void) => void;

const exponential =
  (mean: number): Draw =>
  () =>
    -mean * Math.log(1 - Math.random());

const lognormal = (mean: number, sigma: number): Draw => {
  const mu = Math.log(mean) - (sigma * sigma) / 2;
  return () => {
    const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
    return Math.exp(mu + sigma * radius * Math.cos(2 * Math.PI * Math.random()));
  };
};

/** Servers that share one queue. The queue's head moves, as `shift` would cost O(n). */
function centralPool(calendar: Calendar, servers: number, draw: Draw): Serve {
  let idle = servers;
  let queue: { request: Request; done: (request: Request) => void }[] = [];
  let head = 0;
  const start = (request: Request, done: (request: Request) => void): void => {
    calendar.schedule(draw(), () => {
      done(request);
      if (head < queue.length) {
        const next = queue[head++];
        if (head > 1024) {
          queue = queue.slice(head);
          head = 0;
        }
        start(next.request, next.done);
      } else {
        idle++;
      }
    });
  };
  return (request, done) => {
    if (idle > 0) {
      idle--;
      start(request, done);
    } else {
      queue.push({ request, done });
    }
  };
}

/** Servers with a queue each; the shortest is found by looking at all. */
function shortestQueuePool(calendar: Calendar, servers: number, draw: Draw): Serve {
  const loads = new Array<number>(servers).fill(0);
  const pools = loads.map(() => centralPool(calendar, 1, draw));
  return (request, done) => {
    let best = 0;
    for (let i = 1; i < servers; i++) if (loads[i] < loads[best]) best = i;
    loads[best]++;
    pools[best](request, (ended) => {
      loads[best]--;
      done(ended);
    });
  };
}

export function runNaive(name: WorkloadName, requests: number): NaiveResult {
  const calendar = new Calendar();
  const latencies: number[] = [];
  const finished = (request: Request): void => {
    latencies.push(calendar.now - request.arrived);
  };
  const { gap, submit } = model(name, calendar, finished);
  let left = requests;
  const arrive = (): void => {
    if (--left > 0) calendar.schedule(gap(), arrive);
    submit({ arrived: calendar.now });
  };
  calendar.schedule(gap(), arrive);
  calendar.run();
  const sorted = Float64Array.from(latencies).sort();
  const sum = latencies.reduce((total, latency) => total + latency, 0);
  const atShare = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1];
  return {
    events: calendar.events,
    meanMs: sum / latencies.length,
    p50Ms: atShare(0.5),
    p99Ms: atShare(0.99),
  };
}

function model(
  name: WorkloadName,
  calendar: Calendar,
  finished: (request: Request) => void,
): { gap: Draw; submit: (request: Request) => void } {
  if (name === "C") {
    const first = centralPool(calendar, 8, lognormal(1000, 0.5));
    const second = centralPool(calendar, 4, lognormal(833.3, 1));
    const onward = (request: Request): void => {
      if (Math.random() < 0.6) second(request, finished);
      else finished(request);
    };
    return { gap: exponential(1000 / 6.4), submit: (request) => first(request, onward) };
  }
  const servers = name === "A" ? 1 : 16;
  const pool = name === "J" ? shortestQueuePool : centralPool;
  const serve = pool(calendar, servers, exponential(10));
  return {
    gap: exponential(1000 / (90 * servers)),
    submit: (request) => serve(request, finished),
  };
}
