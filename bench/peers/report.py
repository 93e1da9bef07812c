"""What the programs in Python share: they time themselves and print one line of JSON."""

import json
import math
import sys
import time


def report(simulate):
    """`simulate(workload, requests, seed)` gives the number of events and the latencies in ms."""
    workload, requests, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    began, cpu_began = time.perf_counter(), time.process_time()
    events, latencies = simulate(workload, requests, seed)
    latencies.sort()
    result = {
        "events": events,
        "meanMs": sum(latencies) / len(latencies),
        "p50Ms": nearest_rank(latencies, 0.5),
        "p99Ms": nearest_rank(latencies, 0.99),
    }
    result["seconds"] = time.perf_counter() - began
    result["cpuSeconds"] = time.process_time() - cpu_began
    print(json.dumps(result))


def nearest_rank(ascending, share):
    return ascending[math.ceil(share * len(ascending)) - 1]
