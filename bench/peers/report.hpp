// What the programs in C++ share: they time themselves and print one line of JSON.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <string>
#include <vector>

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
inline double quantile(std::vector<double>& values, double share) {
  const auto rank = static_cast<std::ptrdiff_t>(std::ceil(share * values.size())) - 1;
  std::nth_element(values.begin(), values.begin() + rank, values.end());
  return values[rank];
}

/** The summary is part of what is timed. */
inline void report(std::uint64_t events, std::vector<double>& latencies_ms, const Stopwatch& watch) {
  const double sum = std::accumulate(latencies_ms.begin(), latencies_ms.end(), 0.0);
  const double p50 = quantile(latencies_ms, 0.5);
  const double p99 = quantile(latencies_ms, 0.99);
  const double cpu_seconds = watch.cpu_seconds();
  std::printf("{\"events\":%llu,\"seconds\":%.6f,\"cpuSeconds\":%.6f,"
              "\"meanMs\":%.6f,\"p50Ms\":%.6f,\"p99Ms\":%.6f}\n",
              static_cast<unsigned long long>(events), watch.seconds(), cpu_seconds,
              sum / latencies_ms.size(), p50, p99);
}
