/**
 * The commented scenario that `tandem init` writes. Its first line expects the published schema as
 * `scenario.schema.json` beside it.
 */
export const SCENARIO_TEMPLATE = `# yaml-language-server: $schema=./scenario.schema.json
#
# A scenario: a pipeline of models, a cluster to run it on, a scheduler, and a workload.
# Check it with \`tandem check\`, run it with \`tandem simulate\`. Units are in the names.

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
  ratePerS: 20
  durationS: 600
  warmupS: 60                        # what arrives before is simulated but not counted; or auto

run: { seed: 1, replications: 10 }  # until: 2% adds replications until intervals are that narrow

# Every combination is one configuration: here 2 x 3.
sweep:
  cluster.replicas.detect: [3, 4]
  workload.ratePerS: { from: 10, to: 30, step: 10 }
`;
