"""The textbook simulation with SimPy: a process per request, a Resource per pool.

Usage: simpy_peer.py WORKLOAD REQUESTS SEED; prints one line of JSON, in ms.
"""

import json
import math
import random
import sys
import time

import simpy


def central(env, servers):
    """Servers that share one queue."""
    pool = simpy.Resource(env, capacity=servers)

    def serve(service_ms):
        with pool.request() as turn:
            yield turn
            yield env.timeout(service_ms)

    return serve


def shortest_queue(env, servers):
    """Servers with a queue each; a request joins the shortest."""
    own = [simpy.Resource(env, capacity=1) for _ in range(servers)]
    load = [0] * servers

    def serve(service_ms):
        best = load.index(min(load))
        load[best] += 1
        with own[best].request() as turn:
            yield turn
            yield env.timeout(service_ms)
        load[best] -= 1

    return serve


def model(workload, env, draw):
    """The mean gap between arrivals, and the way of a request: a generator that ends with it."""

    def lognormal(mean_ms, sigma):
        return draw.lognormvariate(math.log(mean_ms) - sigma * sigma / 2, sigma)

    if workload == "C":
        first, second = central(env, 8), central(env, 4)

        def way():
            yield from first(lognormal(1000, 0.5))
            if draw.random() < 0.6:
                yield from second(lognormal(833.3, 1))
                return 2
            return 1

        return 1000 / 6.4, way

    servers = 1 if workload == "A" else 16
    pool = (shortest_queue if workload == "J" else central)(env, servers)

    def way():
        yield from pool(draw.expovariate(0.1))
        return 1

    return 1 / (0.09 * servers), way


def simulate(workload, requests, seed):
    draw = random.Random(seed)
    env = simpy.Environment()
    gap_ms, way = model(workload, env, draw)
    latencies = []
    completions = 0

    def request():
        nonlocal completions
        arrived = env.now
        served = yield from way()
        completions += served
        latencies.append(env.now - arrived)

    def source():
        for _ in range(requests):
            yield env.timeout(draw.expovariate(1 / gap_ms))
            env.process(request())

    env.process(source())
    env.run()
    return requests + completions, latencies


def main():
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


main()
