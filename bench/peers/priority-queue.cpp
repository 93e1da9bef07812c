// The textbook simulation in C++: one std::priority_queue of events, std::deque as queue, chance
// from <random>. Usage: priority-queue WORKLOAD REQUESTS SEED; prints one line of JSON, in ms.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <numeric>
#include <queue>
#include <random>
#include <string>
#include <vector>

namespace {

struct Arguments {
  std::string workload;
  std::int32_t requests;
  std::uint64_t seed;

  /** Ends the process, with code 2, if there are not three arguments. */
  Arguments(int count, char** given) {
    if (count != 4) {
      std::fprintf(stderr, "usage: %s WORKLOAD REQUESTS SEED\n", given[0]);
      std::exit(2);
    }
    workload = given[1];
    requests = std::atoi(given[2]);
    seed = std::strtoull(given[3], nullptr, 10);
  }
};

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - from_).count(); }
  double cpu_seconds() const { return processor_seconds() - cpu_from_; }

 private:
  using Clock = std::chrono::steady_clock;
  static double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

  Clock::time_point from_ = Clock::now();
  double cpu_from_ = processor_seconds();
};

/** The nearest-rank quantile; reorders the values. */
double quantile(std::vector<double>& values, double share) {
  const auto rank = static_cast<std::ptrdiff_t>(std::ceil(share * values.size())) - 1;
  std::nth_element(values.begin(), values.begin() + rank, values.end());
  return values[rank];
}

/** The summary is part of what is timed. */
void report(std::uint64_t events, std::vector<double>& latencies_ms, const Stopwatch& watch) {
  const double sum = std::accumulate(latencies_ms.begin(), latencies_ms.end(), 0.0);
  const double p50 = quantile(latencies_ms, 0.5);
  const double p99 = quantile(latencies_ms, 0.99);
  const double cpu_seconds = watch.cpu_seconds();
  std::printf("{\"events\":%llu,\"seconds\":%.6f,\"cpuSeconds\":%.6f,"
              "\"meanMs\":%.6f,\"p50Ms\":%.6f,\"p99Ms\":%.6f}\n",
              static_cast<unsigned long long>(events), watch.seconds(), cpu_seconds,
              sum / latencies_ms.size(), p50, p99);
}

struct Event {
  double time;
  std::uint64_t sequence;  // Events of one instant happen in the order scheduled.
  std::int32_t station;    // -1: an arrival.
  std::int32_t server;
};

struct Later {
  bool operator()(const Event& a, const Event& b) const {
    return a.time > b.time || (a.time == b.time && a.sequence > b.sequence);
  }
};

struct Station {
  bool shared_queue;
  std::vector<std::int32_t> serving;  // By server: its request, or -1.
  std::vector<int> load;              // By server: queued or served; kept for own queues only.
  std::vector<std::int32_t> idle;     // Idle servers; kept for a shared queue only.
  std::vector<std::deque<std::int32_t>> queues;  // One that is shared, or one per server.
};

class Simulation {
 public:
  Simulation(const std::string& workload, std::int32_t requests, std::uint64_t seed)
      : requests_(requests), random_(seed) {
    arrived_.reserve(requests);
    latencies_.reserve(requests);
    if (workload == "C") {
      branches_ = true;
      gap_ = std::exponential_distribution<double>(6.4 / 1000);
      lognormal_[0] = lognormal(1000, 0.5);
      lognormal_[1] = lognormal(833.3, 1.0);
      stations_ = {station(8, true), station(4, true)};
    } else {
      const int servers = workload == "A" ? 1 : 16;
      gap_ = std::exponential_distribution<double>(0.09 * servers);
      stations_ = {station(servers, workload != "J")};
    }
  }

  void run() {
    schedule(gap_(random_), -1, 0);
    while (!calendar_.empty()) {
      const Event event = calendar_.top();
      calendar_.pop();
      now_ = event.time;
      ++events_;
      if (event.station < 0) {
        arrive();
      } else {
        finish(event.station, event.server);
      }
    }
  }

  std::uint64_t events() const { return events_; }
  std::vector<double>& latencies() { return latencies_; }

 private:
  static Station station(int servers, bool shared_queue) {
    Station made{shared_queue, std::vector<std::int32_t>(servers, -1),
                 std::vector<int>(servers, 0), std::vector<std::int32_t>(servers),
                 std::vector<std::deque<std::int32_t>>(shared_queue ? 1 : servers)};
    std::iota(made.idle.begin(), made.idle.end(), 0);
    return made;
  }

  static std::lognormal_distribution<double> lognormal(double mean, double sigma) {
    return std::lognormal_distribution<double>(std::log(mean) - sigma * sigma / 2, sigma);
  }

  void schedule(double delay, int station, int server) {
    calendar_.push(Event{now_ + delay, sequence_++, station, server});
  }

  void arrive() {
    const auto request = static_cast<std::int32_t>(arrived_.size());
    arrived_.push_back(now_);
    if (request + 1 < requests_) schedule(gap_(random_), -1, 0);
    enter(0, request);
  }

  void enter(int at, std::int32_t request) {
    Station& station = stations_[at];
    if (station.shared_queue) {
      if (station.idle.empty()) {
        station.queues[0].push_back(request);
        return;
      }
      const std::int32_t server = station.idle.back();
      station.idle.pop_back();
      start(at, server, request);
      return;
    }
    const auto shortest = std::min_element(station.load.begin(), station.load.end());
    const auto server = static_cast<std::int32_t>(shortest - station.load.begin());
    if ((*shortest)++ == 0) {
      start(at, server, request);
    } else {
      station.queues[server].push_back(request);
    }
  }

  void start(int at, std::int32_t server, std::int32_t request) {
    stations_[at].serving[server] = request;
    schedule(branches_ ? lognormal_[at](random_) : exponential_(random_), at, server);
  }

  void finish(int at, std::int32_t server) {
    Station& station = stations_[at];
    const std::int32_t request = station.serving[server];
    if (!station.shared_queue) --station.load[server];
    auto& queue = station.queues[station.shared_queue ? 0 : server];
    if (!queue.empty()) {
      const std::int32_t next = queue.front();
      queue.pop_front();
      start(at, server, next);
    } else if (station.shared_queue) {
      station.idle.push_back(server);
    }
    if (branches_ && at == 0 && uniform_(random_) < 0.6) {
      enter(1, request);
    } else {
      latencies_.push_back(now_ - arrived_[request]);
    }
  }

  std::int32_t requests_;
  std::mt19937_64 random_;
  bool branches_ = false;
  double now_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t events_ = 0;
  std::priority_queue<Event, std::vector<Event>, Later> calendar_;
  std::exponential_distribution<double> gap_;
  std::exponential_distribution<double> exponential_{0.1};
  std::lognormal_distribution<double> lognormal_[2];
  std::uniform_real_distribution<double> uniform_;
  std::vector<Station> stations_;
  std::vector<double> arrived_;
  std::vector<double> latencies_;
};

}  // namespace

int main(int count, char** given) {
  const Arguments arguments(count, given);
  const Stopwatch watch;
  Simulation simulation(arguments.workload, arguments.requests, arguments.seed);
  simulation.run();
  report(simulation.events(), simulation.latencies(), watch);
  return 0;
}
