// The textbook simulation in Rust, with the standard library alone: BinaryHeap as calendar, VecDeque
// as queue, xoshiro256++ for chance. Usage: binary-heap WORKLOAD REQUESTS SEED; prints one line of
// JSON, in ms.
use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Instant;

struct Event {
    time: f64,
    sequence: u64,
    /// None: an arrival; else which server of which station has finished.
    server: Option<(usize, usize)>,
}

/// The earliest event is the greatest, as BinaryHeap gives the greatest first.
impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_time = other.time.total_cmp(&self.time);
        by_time.then_with(|| other.sequence.cmp(&self.sequence))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}

/// Source: Blackman & Vigna, "Scrambled linear pseudorandom number generators" (2021).
struct Random {
    state: [u64; 4],
    spare: Option<f64>,
}

impl Random {
    fn new(seed: u64) -> Self {
        // SplitMix64 fills the state, as its authors advise.
        let mut x = seed;
        let state = std::array::from_fn(|_| {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = x;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Random { state, spare: None }
    }

    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        (result >> 11) as f64 / (1u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }

    /// Marsaglia's polar method: two at a time.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let x = 2.0 * self.uniform() - 1.0;
            let y = 2.0 * self.uniform() - 1.0;
            let square = x * x + y * y;
            if square < 1.0 && square > 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Service {
    Exponential { mean: f64 },
    Lognormal { mu: f64, sigma: f64 },
}

fn lognormal(mean: f64, sigma: f64) -> Service {
    Service::Lognormal {
        mu: mean.ln() - sigma * sigma / 2.0,
        sigma,
    }
}

enum Queues {
    Shared {
        waiting: VecDeque<usize>,
        idle: Vec<usize>,
    },
    Own {
        waiting: Vec<VecDeque<usize>>,
        load: Vec<usize>,
    },
}

struct Station {
    service: Service,
    serving: Vec<usize>,
    queues: Queues,
}

impl Station {
    fn shared(servers: usize, service: Service) -> Self {
        let queues = Queues::Shared {
            waiting: VecDeque::new(),
            idle: (0..servers).collect(),
        };
        Station {
            service,
            serving: vec![0; servers],
            queues,
        }
    }

    fn own(servers: usize, service: Service) -> Self {
        let queues = Queues::Own {
            waiting: vec![VecDeque::new(); servers],
            load: vec![0; servers],
        };
        Station {
            service,
            serving: vec![0; servers],
            queues,
        }
    }

    /// The server that starts the request at once; None: it waits.
    fn enter(&mut self, request: usize) -> Option<usize> {
        match &mut self.queues {
            Queues::Shared { waiting, idle } => idle.pop().or_else(|| {
                waiting.push_back(request);
                None
            }),
            Queues::Own { waiting, load } => {
                let mut best = 0;
                for server in 1..load.len() {
                    if load[server] < load[best] {
                        best = server;
                    }
                }
                load[best] += 1;
                if load[best] == 1 {
                    return Some(best);
                }
                waiting[best].push_back(request);
                None
            }
        }
    }

    /// What the server that has finished goes on with.
    fn next(&mut self, server: usize) -> Option<usize> {
        match &mut self.queues {
            Queues::Shared { waiting, idle } => waiting.pop_front().or_else(|| {
                idle.push(server);
                None
            }),
            Queues::Own { waiting, load } => {
                load[server] -= 1;
                waiting[server].pop_front()
            }
        }
    }
}

struct Simulation {
    now: f64,
    sequence: u64,
    events: u64,
    calendar: BinaryHeap<Event>,
    random: Random,
    gap_mean: f64,
    stations: Vec<Station>,
    requests: usize,
    arrived: Vec<f64>,
    latencies: Vec<f64>,
}

impl Simulation {
    fn new(workload: &str, requests: usize, seed: u64) -> Self {
        let exponential = Service::Exponential { mean: 10.0 };
        let (gap_mean, stations) = match workload {
            "A" => (1.0 / 0.09, vec![Station::shared(1, exponential)]),
            "B" => (1.0 / 1.44, vec![Station::shared(16, exponential)]),
            "C" => {
                let first = Station::shared(8, lognormal(1000.0, 0.5));
                let second = Station::shared(4, lognormal(833.3, 1.0));
                (1000.0 / 6.4, vec![first, second])
            }
            "J" => (1.0 / 1.44, vec![Station::own(16, exponential)]),
            other => panic!("no workload {other}: A, B, C or J"),
        };
        Simulation {
            now: 0.0,
            sequence: 0,
            events: 0,
            calendar: BinaryHeap::new(),
            random: Random::new(seed),
            gap_mean,
            stations,
            requests,
            arrived: Vec::with_capacity(requests),
            latencies: Vec::with_capacity(requests),
        }
    }

    fn run(&mut self) {
        self.schedule_arrival();
        while let Some(event) = self.calendar.pop() {
            self.now = event.time;
            self.events += 1;
            match event.server {
                None => self.arrive(),
                Some((station, server)) => self.finish(station, server),
            }
        }
    }

    fn schedule(&mut self, delay: f64, server: Option<(usize, usize)>) {
        let time = self.now + delay;
        self.calendar.push(Event {
            time,
            sequence: self.sequence,
            server,
        });
        self.sequence += 1;
    }

    fn schedule_arrival(&mut self) {
        let gap = self.random.exponential(self.gap_mean);
        self.schedule(gap, None);
    }

    fn arrive(&mut self) {
        let request = self.arrived.len();
        self.arrived.push(self.now);
        if request + 1 < self.requests {
            self.schedule_arrival();
        }
        self.enter(0, request);
    }

    fn enter(&mut self, station: usize, request: usize) {
        if let Some(server) = self.stations[station].enter(request) {
            self.start(station, server, request);
        }
    }

    fn start(&mut self, station: usize, server: usize, request: usize) {
        self.stations[station].serving[server] = request;
        let time = match self.stations[station].service {
            Service::Exponential { mean } => self.random.exponential(mean),
            Service::Lognormal { mu, sigma } => (mu + sigma * self.random.normal()).exp(),
        };
        self.schedule(time, Some((station, server)));
    }

    fn finish(&mut self, station: usize, server: usize) {
        let request = self.stations[station].serving[server];
        if let Some(next) = self.stations[station].next(server) {
            self.start(station, server, next);
        }
        if station + 1 < self.stations.len() && self.random.uniform() < 0.6 {
            self.enter(station + 1, request);
        } else {
            self.latencies.push(self.now - self.arrived[request]);
        }
    }
}

/// The nearest-rank quantile; reorders the values.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    let rank = (share * values.len() as f64).ceil() as usize - 1;
    *values.select_nth_unstable_by(rank, f64::total_cmp).1
}

extern "C" {
    /// Of the C library: processor time of this process, in millionths of a second (POSIX).
    fn clock() -> std::ffi::c_long;
}

fn processor_seconds() -> f64 {
    // Safe: it takes and keeps nothing.
    unsafe { clock() as f64 / 1e6 }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let requests = arguments[2].parse().expect("REQUESTS is a whole number");
    let seed = arguments[3].parse().expect("SEED is a whole number");
    let from = Instant::now();
    let cpu_from = processor_seconds();
    let mut simulation = Simulation::new(&arguments[1], requests, seed);
    simulation.run();
    let latencies = &mut simulation.latencies;
    let mean = latencies.iter().sum::<f64>() / latencies.len() as f64;
    let p50 = quantile(latencies, 0.5);
    let p99 = quantile(latencies, 0.99);
    let cpu_seconds = processor_seconds() - cpu_from;
    let seconds = from.elapsed().as_secs_f64();
    println!(
        "{{\"events\":{},\"seconds\":{seconds},\"cpuSeconds\":{cpu_seconds},\
         \"meanMs\":{mean},\"p50Ms\":{p50},\"p99Ms\":{p99}}}",
        simulation.events
    );
}
