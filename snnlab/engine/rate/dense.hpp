// Products of a batch of rates with full weights (pre, post), and updates of weights by outer products.
//
// A tile of columns stays in registers for SAMPLES samples while a block of rows is read. Each number is summed over
// rows, or over samples, in the same order for any number of threads and any batch.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "thread_pool.hpp"
#include "vector.hpp"

struct Dense {
    void* weights;         // real (pre, post)
    const void* before;    // real (samples, pre)
    void* after;           // real (samples, post): the product, or the second factor of the update
    double scale;          // factor of `before`
    int32_t samples, pre, post;
};

constexpr int SAMPLES = 10;  // of a group
template <class real> constexpr int WIDE = 2 * LANES<real>;
constexpr size_t BLOCK = 16;  // rows

// Presynaptic rates of groups of SAMPLES samples, the last group padded with zeros. Rows in which all rates of a group
// are zero are skipped.
template <class real> struct Groups {
    std::vector<real> values;  // (groups, rows, SAMPLES)
    std::vector<std::vector<int>> rows;

    explicit Groups(const Dense& p) : values(long(count(p)) * p.pre * SAMPLES), rows(count(p)) {
        const real* before = static_cast<const real*>(p.before);
        for (int group = 0; group < count(p); ++group) {
            const int first = group * SAMPLES, samples = std::min(SAMPLES, p.samples - first);
            const real scale = real(p.scale);
            real* to = values.data() + long(group) * p.pre * SAMPLES;
            for (int b = 0; b < samples; ++b)
                for (int row = 0; row < p.pre; ++row)
                    to[row * SAMPLES + b] = scale * before[long(first + b) * p.pre + row];
            for (int row = 0; row < p.pre; ++row) {
                bool silent = true;
                for (int b = 0; b < SAMPLES; ++b) silent &= to[row * SAMPLES + b] == 0;
                if (!silent) rows[group].push_back(row);
            }
        }
    }

    static int count(const Dense& p) { return (p.samples + SAMPLES - 1) / SAMPLES; }
};

template <class real> using Pair = typename Vec<real>::type[2];

// A whole tile, or the first `run` columns of the last one.
template <bool whole, class real> inline void load(Pair<real>& to, const real* from, int run) {
    if constexpr (whole) {
        for (int half = 0; half < 2; ++half)
            to[half] = reinterpret_cast<const Loose<real>*>(from + half * LANES<real>)->of;
    } else {
        alignas(64) real part[WIDE<real>] = {};
        for (int k = 0; k < run; ++k) part[k] = from[k];
        std::memcpy(to, part, sizeof part);
    }
}

template <bool whole, class real> inline void store(real* to, const Pair<real>& from, int run) {
    if constexpr (whole) {
        for (int half = 0; half < 2; ++half)
            reinterpret_cast<Loose<real>*>(to + half * LANES<real>)->of = from[half];
    } else {
        alignas(64) real part[WIDE<real>];
        std::memcpy(part, from, sizeof part);
        for (int k = 0; k < run; ++k) to[k] = part[k];
    }
}

// Adds the products of one group with some rows of weights to `after`.
template <bool whole, class real>
inline void propagate(const Dense& p, const real* values, const int* rows, int n_rows, int group, int at, int run) {
    const real* weights = static_cast<const real*>(p.weights) + at;
    real* after = static_cast<real*>(p.after) + long(group) * SAMPLES * p.post + at;
    const int samples = std::min(SAMPLES, p.samples - group * SAMPLES);
    Pair<real> sums[SAMPLES] = {};
    for (int b = 0; b < samples; ++b) load<whole, real>(sums[b], after + long(b) * p.post, run);
    for (int k = 0; k < n_rows; ++k) {
        Pair<real> weight;
        load<whole, real>(weight, weights + long(rows[k]) * p.post, run);
        const real* value = values + rows[k] * SAMPLES;
#pragma GCC unroll 10
        for (int b = 0; b < SAMPLES; ++b) {
            sums[b][0] += value[b] * weight[0];
            sums[b][1] += value[b] * weight[1];
        }
    }
    for (int b = 0; b < samples; ++b) store<whole, real>(after + long(b) * p.post, sums[b], run);
}

// Adds the outer products of one group to some rows of weights.
template <bool whole, class real>
inline void update(const Dense& p, const real* values, const int* rows, int n_rows, int group, int at, int run) {
    real* weights = static_cast<real*>(p.weights) + at;
    const real* after = static_cast<const real*>(p.after) + long(group) * SAMPLES * p.post + at;
    const int samples = std::min(SAMPLES, p.samples - group * SAMPLES);
    Pair<real> factors[SAMPLES] = {};
    for (int b = 0; b < samples; ++b) load<whole, real>(factors[b], after + long(b) * p.post, run);
    for (int k = 0; k < n_rows; ++k) {
        real* place = weights + long(rows[k]) * p.post;
        Pair<real> weight;
        load<whole, real>(weight, place, run);
        const real* value = values + rows[k] * SAMPLES;
#pragma GCC unroll 10
        for (int b = 0; b < SAMPLES; ++b) {
            weight[0] += value[b] * factors[b][0];
            weight[1] += value[b] * factors[b][1];
        }
        store<whole, real>(place, weight, run);
    }
}

// Calls `propagate` or `update` for all weights of all orders, by blocks of rows, so that weights are read in the order
// of memory. Each thread has its own columns; `cut` is for an incomplete last tile.
template <class real> using Part = void (*)(const Dense&, const real*, const int*, int, int, int, int);

template <class real>
void for_each_block(const Dense* orders, int n_orders, int threads, Part<real> whole, Part<real> cut) {
    std::vector<Groups<real>> groups;
    for (int k = 0; k < n_orders; ++k) groups.emplace_back(orders[k]);
    const auto strip = [&](const Dense& p, const Groups<real>& from, int number) {
        const int tiles = (p.post + WIDE<real> - 1) / WIDE<real>;
        const int first = tiles * number / threads, last = tiles * (number + 1) / threads;
        for (int group = 0; group < Groups<real>::count(p); ++group) {
            const auto& rows = from.rows[group];
            const real* values = from.values.data() + long(group) * p.pre * SAMPLES;
            for (size_t row = 0; row < rows.size(); row += BLOCK)
                for (int tile = first; tile < last; ++tile) {
                    const int at = tile * WIDE<real>, run = std::min(WIDE<real>, p.post - at);
                    const auto part = run == WIDE<real> ? whole : cut;
                    part(p, values, rows.data() + row, int(std::min(BLOCK, rows.size() - row)), group, at, run);
                }
        }
    };
    ThreadPool::each(threads, [&](int number) {
        for (int k = 0; k < n_orders; ++k) strip(orders[k], groups[k], number);
    });
}

template <class real> void propagate_all(const Dense* orders, int n_orders, int threads) {
    for (int k = 0; k < n_orders; ++k)
        std::memset(orders[k].after, 0, sizeof(real) * orders[k].samples * long(orders[k].post));
    for_each_block<real>(orders, n_orders, threads, propagate<true, real>, propagate<false, real>);
}

template <class real> void update_all(const Dense* orders, int n_orders, int threads) {
    for_each_block<real>(orders, n_orders, threads, update<true, real>, update<false, real>);
}
