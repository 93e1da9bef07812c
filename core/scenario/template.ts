/** The commented scenario that `tandem init` writes; its commands are for the folder it is in. */
export function scenarioTemplate(folder: string): string {
  return SCENARIO_TEMPLATE.replaceAll("my-pipeline/", `${folder}/`);
}

/** Its first line names the published schema, `scenario.schema.json`, beside it. */
export const SCENARIO_TEMPLATE = `# yaml-language-server: $schema=./scenario.schema.json
#
# A scenario: a pipeline of models, a cluster to run it on, a scheduler, and a workload.
# Units are in the names. From the folder in which you ran \`tandem init\`:
#
#   is it sound?             npx tandem check my-pipeline/scenario.yaml
#   the whole sweep          npx tandem simulate my-pipeline/scenario.yaml --out my-pipeline/out
#   the cheapest cluster     npx tandem plan my-pipeline/scenario.yaml
#   real runs, < 2 minutes   npx tandem validate my-pipeline/scenario.yaml --out my-pipeline/out
#   charts                   npx tandem report my-pipeline/out

name: my-pipeline

pipelines:
  my-pipeline:
    # 99 of 100 requests are to be answered within 500 ms.
    slo: { latencyMs: 500, percentile: 99 }
    tasks:
      detect: { model: detector }
      # Runs after detect, for the requests in which it found a car.
      plate:
        model: plate-reader
        after: [detect]
        when: { contains: car, probability: 0.6 }

models:
  # Assumed service times. Measured ones come from \`tandem calibrate\` and are named by file:
  #   detector: { profile: profiles/detector.json }
  detector:
    service:
      distribution: lognormal
      meanMs: 80
      cv: 0.3                        # standard deviation / mean
      # A batch of b takes 80 ms x (1 + 0.4 x (b - 1)); at most 8 fit.
      batch: { marginal: 0.4, max: 8 }
  plate-reader:
    service: { distribution: exponential, meanMs: 40 }

cluster:
  nodes:
    # Two machines with four GPU slots each. A replica takes one slot.
    - { name: gpu, count: 2, devices: { gpu: 4 }, costPerHour: 2.5 }
  replicas: { detect: 4, plate: 2 }
  network: { rttMs: 0.2, gbps: 10 }

# A preset, or one policy for each decision:
#   scheduler:
#     routing: power-of-two
#     ordering: edf
#     batching: { policy: size-or-timeout, maxBatch: 8, waitMs: 20 }
scheduler: fifo

workload:
  arrivals: poisson
  # 60% of what the busiest task of the smallest shape below can take, or requests per second: 20.
  ratePerS: { ofCapacity: 0.6 }
  durationS: 600
  warmupS: 60                        # what arrives before is simulated but not counted; or auto

run: { seed: 1, replications: 10 }  # until: 2% adds replications until intervals are that narrow

# Every combination is one configuration: here 3 x 2 x 3.
sweep:
  scheduler: [fifo, join-shortest-queue, power-of-two]
  cluster.replicas.detect: [3, 4]
  workload.ratePerS: [{ ofCapacity: 0.4 }, { ofCapacity: 0.6 }, { ofCapacity: 0.8 }]

# Real runs: a gateway, and worker processes that wait for the service times above (replay). Models
# that name an implementation run themselves with backend: real.
validation:
  backend: replay
  repeats: 3
  metrics: { latencyMeanMs: 0.05, latencyP95Ms: 0.1 }   # tolerated errors of the prediction
  points:
    - scheduler: fifo
      cluster.replicas.detect: 3
      workload.durationS: 10
      workload.warmupS: 2
    - scheduler: power-of-two
      cluster.replicas.detect: 4
      workload.durationS: 10
      workload.warmupS: 2
`;
