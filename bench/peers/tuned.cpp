// The fastest simulation in C++ that we could write for these workloads, and for them only: arrivals
// outside the calendar, one slot per server in a winner tree, rings as queues, ziggurat draws.
// Usage: tuned WORKLOAD REQUESTS SEED; prints one line of JSON, in ms.
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "report.hpp"

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr int kLayers = 256;

/** Xoshiro256++. Source: Blackman & Vigna, "Scrambled linear pseudorandom number generators" (2021). */
class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (auto& word : state_) {
      std::uint64_t z = (seed += 0x9e3779b97f4a7c15);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }

  std::uint64_t bits() {
    auto& s = state_;
    const std::uint64_t result = rotated(s[0] + s[3], 23) + s[0];
    const std::uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotated(s[3], 45);
    return result;
  }

  static double unit(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }
  double uniform() { return unit(bits()); }

 private:
  static std::uint64_t rotated(std::uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

  std::array<std::uint64_t, 4> state_;
};

/**
 * The ziggurat for a falling density with f(0) = 1: layers of equal area, all but the lowest cut
 * at the density. Source: Doornik, "An improved ziggurat method to generate normal random samples".
 */
template <class Density>
class Ziggurat {
 public:
  Ziggurat() {
    edge_[0] = Density::kArea / Density::at(Density::kTail);
    edge_[1] = Density::kTail;
    for (int i = 2; i < kLayers; ++i) {
      edge_[i] = Density::inverse(Density::kArea / edge_[i - 1] + Density::at(edge_[i - 1]));
    }
    edge_[kLayers] = 0;
    for (int i = 0; i < kLayers; ++i) inside_[i] = edge_[i + 1] / edge_[i];
  }

  double draw(Random& random) const {
    for (;;) {
      const std::uint64_t bits = random.bits();
      const int layer = bits & (kLayers - 1);  // The uniform takes other bits.
      const double share = Density::share(bits);
      const double x = share * edge_[layer];
      if (std::abs(share) < inside_[layer]) return x;
      if (layer == 0) return Density::tail(random, share);
      const double low = Density::at(edge_[layer]);
      const double high = Density::at(edge_[layer + 1]);
      if (low + random.uniform() * (high - low) < Density::at(x)) return x;
    }
  }

 private:
  std::array<double, kLayers + 1> edge_;
  std::array<double, kLayers> inside_;
};

struct ExponentialDensity {
  static constexpr double kTail = 7.69711747013104972;
  static constexpr double kArea = 0.0039496598225815571993;
  static double at(double x) { return std::exp(-x); }
  static double inverse(double y) { return -std::log(y); }
  static double share(std::uint64_t bits) { return Random::unit(bits); }
  static double tail(Random& random, double) { return kTail - std::log(1 - random.uniform()); }
};

struct NormalDensity {
  static constexpr double kTail = 3.6541528853610088;
  static constexpr double kArea = 0.00492867323399;
  static double at(double x) { return std::exp(-0.5 * x * x); }
  static double inverse(double y) { return std::sqrt(-2 * std::log(y)); }
  static double share(std::uint64_t bits) { return 2 * Random::unit(bits) - 1; }
  static double tail(Random& random, double sign) {
    double x, y;
    do {
      x = -std::log(1 - random.uniform()) / kTail;
      y = -std::log(1 - random.uniform());
    } while (2 * y < x * x);
    return sign < 0 ? -kTail - x : kTail + x;
  }
};

/** First in, first out; its capacity doubles when it is full. */
class Ring {
 public:
  bool empty() const { return head_ == tail_; }
  std::int32_t pop() { return items_[head_++ & mask()]; }
  void push(std::int32_t item) {
    if (tail_ - head_ == items_.size()) grow();
    items_[tail_++ & mask()] = item;
  }

 private:
  std::size_t mask() const { return items_.size() - 1; }
  void grow() {
    std::vector<std::int32_t> larger(2 * items_.size());
    const std::size_t count = tail_ - head_;
    for (std::size_t i = 0; i < count; ++i) larger[i] = items_[(head_ + i) & mask()];
    items_.swap(larger);
    head_ = 0;
    tail_ = count;
  }

  std::vector<std::int32_t> items_ = std::vector<std::int32_t>(64);
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
};

/** Times of the next end by server; node 1 holds the earliest, node kSlots + i is server i's own. */
class WinnerTree {
 public:
  static constexpr int kSlots = 16;

  WinnerTree() {
    for (int i = 0; i < kSlots; ++i) nodes_[kSlots + i] = {kNever, i};
    for (int i = kSlots - 1; i > 0; --i) nodes_[i] = nodes_[2 * i];
  }

  double time() const { return nodes_[1].time; }
  int slot() const { return nodes_[1].slot; }

  void set(int slot, double time) {
    int at = kSlots + slot;
    nodes_[at].time = time;
    while (at > 1) {
      const Node& left = nodes_[at & ~1];
      const Node& right = nodes_[at | 1];
      at >>= 1;
      nodes_[at] = right.time < left.time ? right : left;
    }
  }

 private:
  struct Node {
    double time;
    std::int64_t slot;
  };
  std::array<Node, 2 * kSlots> nodes_;
};

/** Whether there is a second pool behind a branch, and queues by server, is known to the compiler. */
template <bool kBranch, bool kOwnQueues>
class Simulation {
 public:
  Simulation(std::int32_t requests, std::uint64_t seed, double gap_ms, int servers)
      : requests_(requests), random_(seed), gap_ms_(gap_ms), servers_(servers) {
    arrived_.resize(requests);
    latencies_.reserve(requests);
    for (int server = 0; server < servers; ++server) idle_[0][idle_count_[0]++] = server;
    for (int server = 8; kBranch && server < 12; ++server) idle_[1][idle_count_[1]++] = server;
  }

  void run() {
    double arrival = gap_ms_ * exponential_.draw(random_);
    std::int32_t next = 0;
    for (;;) {
      const double end = tree_.time();
      ++events_;
      if (arrival < end) {
        now_ = arrival;
        arrived_[next] = now_;
        enter(0, next);
        arrival = ++next < requests_ ? now_ + gap_ms_ * exponential_.draw(random_) : kNever;
      } else if (end < kNever) {
        now_ = end;
        finish(tree_.slot());
      } else {
        --events_;
        return;
      }
    }
  }

  std::uint64_t events() const { return events_; }
  std::vector<double>& latencies() { return latencies_; }

 private:
  double service(int pool) {
    if constexpr (kBranch) {
      static const double mu[2] = {std::log(1000.0) - 0.125, std::log(833.3) - 0.5};
      static const double sigma[2] = {0.5, 1};
      return std::exp(mu[pool] + sigma[pool] * normal_.draw(random_));
    }
    return 10 * exponential_.draw(random_);
  }

  void start(int pool, int server, std::int32_t request) {
    serving_[server] = request;
    tree_.set(server, now_ + service(pool));
  }

  void enter(int pool, std::int32_t request) {
    if constexpr (kOwnQueues) {
      int best = 0;
      for (int server = 1; server < servers_; ++server) {
        if (load_[server] < load_[best]) best = server;
      }
      if (load_[best]++ == 0) {
        start(pool, best, request);
      } else {
        queues_[best].push(request);
      }
    } else if (idle_count_[pool] > 0) {
      start(pool, idle_[pool][--idle_count_[pool]], request);
    } else {
      queues_[pool].push(request);
    }
  }

  void finish(int server) {
    const int pool = kBranch && server >= 8;
    const std::int32_t request = serving_[server];
    Ring& queue = queues_[kOwnQueues ? server : pool];
    if constexpr (kOwnQueues) --load_[server];
    if (!queue.empty()) {
      start(pool, server, queue.pop());
    } else {
      tree_.set(server, kNever);
      if constexpr (!kOwnQueues) idle_[pool][idle_count_[pool]++] = server;
    }
    if (kBranch && pool == 0 && random_.uniform() < 0.6) {
      enter(1, request);
    } else {
      latencies_.push_back(now_ - arrived_[request]);
    }
  }

  std::int32_t requests_;
  Random random_;
  double gap_ms_;
  int servers_;
  Ziggurat<ExponentialDensity> exponential_;
  Ziggurat<NormalDensity> normal_;
  WinnerTree tree_;
  double now_ = 0;
  std::uint64_t events_ = 0;
  std::array<std::int32_t, 16> serving_{};
  std::array<int, 16> load_{};
  std::array<std::array<int, 16>, 2> idle_{};
  std::array<int, 2> idle_count_{};
  std::array<Ring, 16> queues_;
  std::vector<double> arrived_;
  std::vector<double> latencies_;
};

template <bool kBranch, bool kOwnQueues>
void simulate(const Arguments& arguments, double gap_ms, int servers) {
  const Stopwatch watch;
  Simulation<kBranch, kOwnQueues> simulation(arguments.requests, arguments.seed, gap_ms, servers);
  simulation.run();
  report(simulation.events(), simulation.latencies(), watch);
}

}  // namespace

int main(int count, char** given) {
  const Arguments arguments(count, given);
  switch (arguments.workload[0]) {
    case 'A': simulate<false, false>(arguments, 1 / 0.09, 1); break;
    case 'B': simulate<false, false>(arguments, 1 / 1.44, 16); break;
    case 'C': simulate<true, false>(arguments, 1000 / 6.4, 8); break;
    case 'J': simulate<false, true>(arguments, 1 / 1.44, 16); break;
    default: return 2;
  }
  return 0;
}
