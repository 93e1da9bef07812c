// The textbook simulation with SimGrid: an actor per server, which waits for a semaphore, takes the
// request at the head of its queue and sleeps; chance from <random>. Times are ms.
// Usage: simgrid WORKLOAD REQUESTS SEED; prints one line of JSON, in ms.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include <simgrid/s4u.hpp>

#include "report.hpp"

namespace sg4 = simgrid::s4u;

namespace {

std::mt19937_64 draws;

using Draw = std::function<double()>;
using Done = std::function<void(double arrived)>;

/** Requests that wait, by their instants of arrival, and how many there are. */
struct Queue {
  std::deque<double> waiting;
  sg4::SemaphorePtr ready = sg4::Semaphore::create(0);
  int load = 0;  // Waiting or in service.
};

class Pool {
 public:
  Pool(int servers, bool shared_queue, Draw service, Done done) : queues_(shared_queue ? 1 : servers) {
    for (int server = 0; server < servers; ++server) {
      Queue& queue = queues_[shared_queue ? 0 : server];
      sg4::Actor::create("server", sg4::Host::by_name("host"), [&queue, service, done] {
        sg4::Actor::self()->daemonize();
        for (;;) {
          queue.ready->acquire();
          const double arrived = queue.waiting.front();
          queue.waiting.pop_front();
          sg4::this_actor::sleep_for(service());
          --queue.load;
          done(arrived);
        }
      });
    }
  }

  void enter(double arrived) {
    Queue& shortest = *std::min_element(queues_.begin(), queues_.end(),
                                        [](const Queue& a, const Queue& b) { return a.load < b.load; });
    ++shortest.load;
    shortest.waiting.push_back(arrived);
    shortest.ready->release();
  }

 private:
  std::vector<Queue> queues_;
};

Draw exponential(double mean) {
  return [law = std::exponential_distribution<double>(1 / mean)]() mutable { return law(draws); };
}

Draw lognormal(double mean, double sigma) {
  return [law = std::lognormal_distribution<double>(std::log(mean) - sigma * sigma / 2, sigma)]() mutable {
    return law(draws);
  };
}

}  // namespace

int main(int count, char** given) {
  sg4::Engine engine(&count, given);
  const Arguments arguments(count, given);
  const std::int32_t requests = arguments.requests;
  draws.seed(arguments.seed);

  auto* zone = sg4::create_full_zone("zone");
  zone->create_host("host", "1Gf")->seal();
  zone->seal();

  const Stopwatch watch;
  std::vector<double> latencies;
  latencies.reserve(requests);
  std::uint64_t events = requests;
  const Done finished = [&](double arrived) {
    ++events;
    latencies.push_back(sg4::Engine::get_clock() - arrived);
  };
  std::unique_ptr<Pool> first, second;
  Draw gap;
  if (arguments.workload == "C") {
    gap = exponential(1000 / 6.4);
    second = std::make_unique<Pool>(4, true, lognormal(833.3, 1), finished);
    std::uniform_real_distribution<double> uniform;
    first = std::make_unique<Pool>(8, true, lognormal(1000, 0.5), [&, uniform](double arrived) mutable {
      if (uniform(draws) >= 0.6) return finished(arrived);
      ++events;
      second->enter(arrived);
    });
  } else {
    const int servers = arguments.workload == "A" ? 1 : 16;
    gap = exponential(1 / (0.09 * servers));
    first = std::make_unique<Pool>(servers, arguments.workload != "J", exponential(10), finished);
  }
  sg4::Actor::create("source", sg4::Host::by_name("host"), [&] {
    for (int request = 0; request < requests; ++request) {
      sg4::this_actor::sleep_for(gap());
      first->enter(sg4::Engine::get_clock());
    }
    // Servers are daemons: the simulation ends with the last actor that is none.
    while (latencies.size() < static_cast<std::size_t>(requests)) sg4::this_actor::sleep_for(1000);
  });
  engine.run();

  report(events, latencies, watch);
  return 0;
}
