/** A process's resident memory over its life, as Linux tells it. */
import { DEFAULT_BOUNDS } from "../../cluster/run/specification.ts";
import { residentBytes } from "../../cluster/worker/served-command.ts";

/** Share of the longest life that is warm-up, and its least duration: until then the table of answers fills. */
const WARM_UP_SHARE = 0.3;
const LEAST_WARM_UP_S = DEFAULT_BOUNDS.keys.keepMs / 1000;
/** Shorter lives, without their warm-up, say nothing about growth. */
const LEAST_JUDGED_S = 60;

interface Sample {
  readonly pid: number;
  readonly atS: number;
  readonly mib: number;
}

export class GatewayMemory {
  readonly #samples: Sample[] = [];

  sample(pid: number, atS: number): void {
    const mib = residentBytes(pid) / 2 ** 20;
    if (mib > 0) this.#samples.push({ pid, atS, mib });
  }

  /** Measures the longest life of a gateway; null where none was long enough, or the system does not report memory. */
  growth() {
    const lives = new Map<number, Sample[]>();
    for (const sample of this.#samples) {
      const life = lives.get(sample.pid) ?? [];
      life.push(sample);
      lives.set(sample.pid, life);
    }
    const length = (life: readonly Sample[]): number =>
      (life.at(-1)?.atS ?? 0) - (life[0]?.atS ?? 0);
    const [life] = [...lives.values()].sort((a, b) => length(b) - length(a));
    if (life === undefined) return null;
    const lifeS = length(life);
    const warmUpS = Math.max(LEAST_WARM_UP_S, WARM_UP_SHARE * lifeS);
    const warm = life.filter(({ atS }) => atS >= life[0].atS + warmUpS);
    if (lifeS - warmUpS < LEAST_JUDGED_S) return null;
    const quarter = Math.ceil(warm.length / 4);
    const beforeMib = median(warm.slice(0, quarter));
    const afterMib = median(warm.slice(-quarter));
    return {
      /** The life of this gateway process, with its warm-up, s. */
      ...{ lifeS, warmUpS },
      /** Medians over the first and the last quarter after warm-up. */
      ...{ beforeMib, afterMib, growthRatio: afterMib / beforeMib - 1 },
    };
  }
}

function median(samples: readonly Sample[]): number {
  const sorted = samples.map(({ mib }) => mib).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
