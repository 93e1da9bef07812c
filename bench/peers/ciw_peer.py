"""The textbook simulation with Ciw: a network of nodes, its records read at the end.

Usage: ciw_peer.py WORKLOAD REQUESTS SEED; prints one line of JSON, in ms.
"""

import collections
import math

import ciw
from report import report


class Stopping(ciw.dists.Distribution):
    """Exponential gaps, and none after the last request."""

    def __init__(self, gap_ms, requests):
        super().__init__()
        self.gaps = ciw.dists.Exponential(rate=1 / gap_ms)
        self.left = requests

    def initialise(self, random_state=None):
        self.gaps.initialise(random_state)

    def sample(self, t=None, ind=None):
        self.left -= 1
        return self.gaps.sample() if self.left >= 0 else float("inf")


class FewestJobs(ciw.routing.JoinShortestQueue):
    """Ciw's own counts those that wait, and not the one in service."""

    def get_queue_size(self, node_index):
        return self.simulation.nodes[node_index].number_of_individuals


def lognormal(mean_ms, sigma):
    return ciw.dists.Lognormal(mean=math.log(mean_ms) - sigma * sigma / 2, sd=sigma)


def network(workload, requests):
    if workload == "C":
        return ciw.create_network(
            arrival_distributions=[Stopping(1000 / 6.4, requests), None],
            service_distributions=[lognormal(1000, 0.5), lognormal(833.3, 1)],
            routing=[[0.0, 0.6], [0.0, 0.0]],
            number_of_servers=[8, 4],
        )
    servers = 1 if workload == "A" else 16
    gaps = Stopping(1 / (0.09 * servers), requests)
    service = ciw.dists.Exponential(rate=0.1)
    if workload != "J":
        return ciw.create_network(
            arrival_distributions=[gaps],
            service_distributions=[service],
            number_of_servers=[servers],
        )
    # A node without service sends each request to the shortest of the nodes with one server.
    own = list(range(2, servers + 2))
    leave = [ciw.routing.Leave() for _ in own]
    return ciw.create_network(
        arrival_distributions=[gaps] + [None] * servers,
        service_distributions=[ciw.dists.Deterministic(0)] + [service] * servers,
        routing=ciw.routing.NetworkRouting(
            routers=[FewestJobs(destinations=own)] + leave
        ),
        number_of_servers=[float("inf")] + [1] * servers,
    )


def simulate(workload, requests, seed):
    ciw.seed(seed)
    simulation = ciw.Simulation(network(workload, requests))
    simulation.simulate_until_max_customers(requests, method="Finish")
    records = simulation.get_all_records()
    first, last = {}, {}
    services = collections.Counter()
    for record in records:
        request = record.id_number
        first[request] = min(first.get(request, math.inf), record.arrival_date)
        last[request] = max(last.get(request, 0), record.exit_date)
        services[record.node] += 1
    latencies = [last[request] - first[request] for request in last]
    # The node that only sends requests on serves none.
    completions = services.total() - (services[1] if workload == "J" else 0)
    return len(latencies) + completions, latencies


report(simulate)
