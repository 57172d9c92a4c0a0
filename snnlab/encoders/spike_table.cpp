// Spike trains that are known beforehand into the spikes of a batch: from a table, or evenly spaced. The Python beside
// this file says what they are; here every train is walked twice, to count the spikes of each step and to place them.
#include <algorithm>
#include <cstdint>
#include <numeric>

#include "parallel.hpp"

namespace {

using u8 = std::uint8_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

constexpr u64 kOne = u64{1} << 32;  // a whole interval, in which phases and rates count

// Every feature has `fields` neurons; the one of field k has row value * fields + k of a table of trains.
struct Table {
    const u8* values;    // (samples, features)
    const i64* starts;   // (rows + 1,)
    const i32* steps;    // ascending in each row
    i64 features, fields;

    i64 neurons() const { return features * fields; }

    template <class Fire>
    void walk(i64 sample, Fire fire) const {
        const u8* const value = values + sample * features;
        i32 neuron = 0;
        for (i64 feature = 0; feature < features; ++feature)
            for (i64 row = value[feature] * fields, end = row + fields; row < end; ++row, ++neuron)
                for (i64 at = starts[row]; at < starts[row + 1]; ++at) fire(steps[at], neuron);
    }
};

// The k-th spike of a train is in the first step t for which phase + t * rate reaches k intervals, k = 1, 2, ...
struct Regular {
    const u8* values;   // (samples, features)
    const u64* rates;   // of each value, up to one interval for each step
    const u32* phases;  // (samples, features)
    i64 features, length;

    i64 neurons() const { return features; }

    template <class Fire>
    void walk(i64 sample, Fire fire) const {
        for (i64 feature = 0; feature < features; ++feature) {
            const u64 rate = rates[values[sample * features + feature]];
            if (!rate) continue;
            const u64 missing = kOne - phases[sample * features + feature];
            const u64 whole = kOne / rate, rest = kOne % rate;
            u64 step = (missing + rate - 1) / rate, over = step * rate - missing;  // by how much it is late: below rate
            while (i64(step) < length) {
                fire(i64(step), i32(feature));
                const bool longer = rest > over;
                step += whole + longer;
                over = over + (longer ? rate : 0) - rest;
            }
        }
    }
};

// Where each step begins: offsets (samples, steps + 1), complete on return.
template <class Trains>
void count(const Trains& trains, i64 samples, i64 steps, i64* offsets, i64 threads) {
    parallel_for(samples, threads, [&](i64 sample) {
        i64* const seen = offsets + sample * (steps + 1);
        std::fill(seen, seen + steps + 1, 0);
        trains.walk(sample, [&](i64 step, i32) { ++seen[step + 1]; });
        std::partial_sum(seen, seen + steps + 1, seen);
    });
    for (i64 sample = 1; sample < samples; ++sample) {
        i64* const mine = offsets + sample * (steps + 1);
        const i64 start = mine[-1];
        for (i64 step = 0; step <= steps; ++step) mine[step] += start;
    }
}

// Neurons come in ascending order, so each step's do. Offsets count on while a step fills up, until each is where the
// next step begins; then they are moved back.
template <class Trains>
void place(const Trains& trains, i64 samples, i64 steps, i64* offsets, i32* ids, i64 threads) {
    parallel_for(samples, threads, [&](i64 sample) {
        i64* const at = offsets + sample * (steps + 1);
        const i64 first = at[0];
        trains.walk(sample, [&](i64 step, i32 neuron) { ids[at[step]++] = neuron; });
        std::copy_backward(at, at + steps, at + steps + 1);
        at[0] = first;
    });
}

// Counts where there are no ids yet, and places the spikes where there are.
template <class Trains>
void run(const Trains& trains, i64 samples, i64 steps, i64* offsets, i32* ids, i64 threads) {
    if (ids)
        place(trains, samples, steps, offsets, ids, threads);
    else
        count(trains, samples, steps, offsets, threads);
}

}  // namespace

extern "C" {

void snnlab_table(const u8* values, i64 samples, i64 features, i64 fields, const i64* starts, const i32* table,
                  i64 steps, i64* offsets, i32* ids, i64 threads) {
    run(Table{values, starts, table, features, fields}, samples, steps, offsets, ids, threads);
}

void snnlab_regular(const u8* values, i64 samples, i64 features, const u64* rates, const u32* phases, i64 steps,
                    i64* offsets, i32* ids, i64 threads) {
    run(Regular{values, rates, phases, features, steps}, samples, steps, offsets, ids, threads);
}
}
