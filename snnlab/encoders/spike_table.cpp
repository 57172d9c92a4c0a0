// Spikes of a batch from spike trains known in advance, as defined in spike_table.py. Every train is visited twice: to
// count the spikes of each step, and to write them.
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

constexpr u64 kOne = u64{1} << 32;  // an interval, the unit of phases and rates

// Every feature has `fields` neurons; neuron k has row value * fields + k of a table of trains.
struct Table {
    const u8* values;    // (samples, features)
    const i64* starts;   // (rows + 1,)
    const i32* steps;    // ascending in each row
    i64 features, fields;

    i64 neurons() const { return features * fields; }

    template <class Fire>
    void visit(i64 sample, Fire fire) const {
        const u8* const value = values + sample * features;
        i32 neuron = 0;
        for (i64 feature = 0; feature < features; ++feature)
            for (i64 row = value[feature] * fields, end = row + fields; row < end; ++row, ++neuron)
                for (i64 k = starts[row]; k < starts[row + 1]; ++k) fire(steps[k], neuron);
    }
};

// Spike k of a train is in the first step t with phase + t * rate of at least k intervals, k = 1, 2, ...
struct Regular {
    const u8* values;   // (samples, features)
    const u64* rates;   // of each value, up to one interval per step
    const u32* phases;  // (samples, features)
    i64 features, length;

    i64 neurons() const { return features; }

    template <class Fire>
    void visit(i64 sample, Fire fire) const {
        for (i64 feature = 0; feature < features; ++feature) {
            const u64 rate = rates[values[sample * features + feature]];
            if (!rate) continue;
            const u64 missing = kOne - phases[sample * features + feature];
            const u64 whole = kOne / rate, rest = kOne % rate;
            u64 step = (missing + rate - 1) / rate, over = step * rate - missing;  // its delay, below rate
            while (i64(step) < length) {
                fire(i64(step), i32(feature));
                const bool longer = rest > over;
                step += whole + longer;
                over = over + (longer ? rate : 0) - rest;
            }
        }
    }
};

// Computes where each step starts: offsets (samples, steps + 1).
template <class Trains>
void count(const Trains& trains, i64 samples, i64 steps, i64* offsets, i64 threads) {
    parallel_for(samples, threads, [&](i64 sample) {
        i64* const counts = offsets + sample * (steps + 1);
        std::fill(counts, counts + steps + 1, 0);
        trains.visit(sample, [&](i64 step, i32) { ++counts[step + 1]; });
        std::partial_sum(counts, counts + steps + 1, counts);
    });
    for (i64 sample = 1; sample < samples; ++sample) {
        i64* const row = offsets + sample * (steps + 1);
        const i64 start = row[-1];
        for (i64 step = 0; step <= steps; ++step) row[step] += start;
    }
}

// Writes the spikes. Neurons are visited in ascending order, so spikes of a step are sorted. An offset advances with
// every spike of its step until it is the start of the next step; finally all are moved back by one.
template <class Trains>
void write(const Trains& trains, i64 samples, i64 steps, i64* offsets, i32* ids, i64 threads) {
    parallel_for(samples, threads, [&](i64 sample) {
        i64* const row = offsets + sample * (steps + 1);
        const i64 first = row[0];
        trains.visit(sample, [&](i64 step, i32 neuron) { ids[row[step]++] = neuron; });
        std::copy_backward(row, row + steps, row + steps + 1);
        row[0] = first;
    });
}

// Counts without `ids`, and writes the spikes with `ids`.
template <class Trains>
void run(const Trains& trains, i64 samples, i64 steps, i64* offsets, i32* ids, i64 threads) {
    if (ids)
        write(trains, samples, steps, offsets, ids, threads);
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
