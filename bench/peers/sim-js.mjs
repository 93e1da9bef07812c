/**
 * The textbook simulation with SimJS: an entity that submits requests to facilities. Run it in a
 * folder where the package `simjs` is installed.
 *
 *   node sim-js.mjs WORKLOAD REQUESTS SEED      prints one line of JSON, in ms
 */
import { createRequire } from "node:module";
import { join } from "node:path";

// The package is a bundle for browsers: it hands itself over as `window.Sim`.
globalThis.window = globalThis;
createRequire(join(process.cwd(), "here.js"))("simjs");
const { Entity, Facility, Random, Sim } = globalThis.Sim;

const [workload, requests, seed] = process.argv.slice(2);

/** Servers that share one queue. */
function central(servers, draw) {
  const facility = new Facility("pool", Facility.FCFS, servers);
  return (entity, request, done) => {
    entity.useFacility(facility, draw()).done(done, null, request);
  };
}

/** Servers with a queue each; a request joins the shortest. */
function shortestQueue(servers, draw) {
  const load = new Array(servers).fill(0);
  const own = load.map(() => central(1, draw));
  return (entity, request, done) => {
    let best = 0;
    for (let i = 1; i < servers; i++) if (load[i] < load[best]) best = i;
    load[best]++;
    own[best](entity, request, (ended) => {
      load[best]--;
      done(ended);
    });
  };
}

class Source extends Entity {
  start({ count, gap, way }) {
    this.left = count;
    this.gap = gap;
    this.way = way;
    this.next();
  }

  next() {
    if (this.left-- > 0) this.setTimer(this.gap()).done(this.arrive, this);
  }

  arrive() {
    this.next();
    this.way(this, { arrived: this.time() });
  }
}

function run(count) {
  const random = new Random(Number(seed));
  const exponential = (mean) => () => random.exponential(1 / mean);
  const lognormal = (mean, sigma) => {
    const mu = Math.log(mean) - (sigma * sigma) / 2;
    return () => Math.exp(random.normal(mu, sigma));
  };
  const sim = new Sim();
  const latencies = [];
  let completions = 0;
  const finished = ({ arrived }) => {
    completions++;
    latencies.push(sim.time() - arrived);
  };
  let gap;
  let way;
  if (workload === "C") {
    const first = central(8, lognormal(1000, 0.5));
    const second = central(4, lognormal(833.3, 1));
    gap = exponential(1000 / 6.4);
    way = (entity, request) =>
      first(entity, request, () => {
        if (random.random() >= 0.6) {
          finished(request);
          return;
        }
        completions++;
        second(entity, request, finished);
      });
  } else {
    const servers = workload === "A" ? 1 : 16;
    const pool = (workload === "J" ? shortestQueue : central)(servers, exponential(10));
    gap = exponential(1 / (0.09 * servers));
    way = (entity, request) => pool(entity, request, finished);
  }
  sim.addEntity(Source, "source", { count, gap, way });
  sim.simulate(Number.POSITIVE_INFINITY);
  return { events: count + completions, latencies: Float64Array.from(latencies).sort() };
}

const count = Number(requests);
run(Math.ceil(count / 20)); // Warms the compiler up.
const from = performance.now();
const cpuFrom = process.cpuUsage();
const { events, latencies } = run(count);
const rank = (share) => latencies[Math.ceil(share * latencies.length) - 1];
const result = {
  events,
  meanMs: latencies.reduce((sum, latency) => sum + latency, 0) / latencies.length,
  p50Ms: rank(0.5),
  p99Ms: rank(0.99),
};
const { user, system } = process.cpuUsage(cpuFrom);
const cpuSeconds = (user + system) / 1e6;
const seconds = (performance.now() - from) / 1000;
process.stdout.write(`${JSON.stringify({ ...result, seconds, cpuSeconds })}\n`);
