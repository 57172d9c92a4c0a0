// Full weights (pre, post) heard by a batch of rates, and changed by the products of what is before and after them.
//
// A tile of columns is kept in registers for TOGETHER samples while a block of rows passes by. Every number is summed
// over rows, or over samples, in one order, whatever the thread or the rest of the batch.
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
    void* after;           // real (samples, post): what is heard, or what the weights learn from
    double rate;           // what is before is multiplied by
    int32_t samples, pre, post;
};

constexpr int TOGETHER = 10;
template <class real> constexpr int WIDE = 2 * LANES<real>;
constexpr size_t BLOCK = 16;  // rows

// The rates before, TOGETHER samples side by side and zeros after the last; rows in which all of these are zero are
// left out, as nothing is heard of them and nothing learned from them.
template <class real> struct Heard {
    std::vector<real> values;  // (groups, rows, TOGETHER)
    std::vector<std::vector<int>> rows;

    explicit Heard(const Dense& p) : values(long(groups(p)) * p.pre * TOGETHER), rows(groups(p)) {
        const real* before = static_cast<const real*>(p.before);
        for (int group = 0; group < groups(p); ++group) {
            const int first = group * TOGETHER, many = std::min(TOGETHER, p.samples - first);
            const real rate = real(p.rate);
            real* to = values.data() + long(group) * p.pre * TOGETHER;
            for (int b = 0; b < many; ++b)
                for (int row = 0; row < p.pre; ++row)
                    to[row * TOGETHER + b] = rate * before[long(first + b) * p.pre + row];
            for (int row = 0; row < p.pre; ++row) {
                bool silent = true;
                for (int b = 0; b < TOGETHER; ++b) silent &= to[row * TOGETHER + b] == 0;
                if (!silent) rows[group].push_back(row);
            }
        }
    }

    static int groups(const Dense& p) { return (p.samples + TOGETHER - 1) / TOGETHER; }
};

template <class real> using Pair = typename Vec<real>::type[2];

// A whole tile, or the first `run` numbers of one that the last column cuts off.
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

// What one group hears of some rows, added to what it has heard so far.
template <bool whole, class real>
inline void hear(const Dense& p, const real* values, const int* rows, int many, int group, int at, int run) {
    const real* weights = static_cast<const real*>(p.weights) + at;
    real* after = static_cast<real*>(p.after) + long(group) * TOGETHER * p.post + at;
    const int samples = std::min(TOGETHER, p.samples - group * TOGETHER);
    Pair<real> sums[TOGETHER] = {};
    for (int b = 0; b < samples; ++b) load<whole, real>(sums[b], after + long(b) * p.post, run);
    for (int k = 0; k < many; ++k) {
        Pair<real> weight;
        load<whole, real>(weight, weights + long(rows[k]) * p.post, run);
        const real* value = values + rows[k] * TOGETHER;
#pragma GCC unroll 10
        for (int b = 0; b < TOGETHER; ++b) {
            sums[b][0] += value[b] * weight[0];
            sums[b][1] += value[b] * weight[1];
        }
    }
    for (int b = 0; b < samples; ++b) store<whole, real>(after + long(b) * p.post, sums[b], run);
}

// Some rows of weights, changed by what one group asks for.
template <bool whole, class real>
inline void change(const Dense& p, const real* values, const int* rows, int many, int group, int at, int run) {
    real* weights = static_cast<real*>(p.weights) + at;
    const real* after = static_cast<const real*>(p.after) + long(group) * TOGETHER * p.post + at;
    const int samples = std::min(TOGETHER, p.samples - group * TOGETHER);
    Pair<real> asked[TOGETHER] = {};
    for (int b = 0; b < samples; ++b) load<whole, real>(asked[b], after + long(b) * p.post, run);
    for (int k = 0; k < many; ++k) {
        real* place = weights + long(rows[k]) * p.post;
        Pair<real> weight;
        load<whole, real>(weight, place, run);
        const real* value = values + rows[k] * TOGETHER;
#pragma GCC unroll 10
        for (int b = 0; b < TOGETHER; ++b) {
            weight[0] += value[b] * asked[b][0];
            weight[1] += value[b] * asked[b][1];
        }
        store<whole, real>(place, weight, run);
    }
}

// `hear` or `change` over all weights of all orders, each thread on columns of its own; `cut` is for the last tile. Block
// by block of rows, so that weights are read as they lie in memory.
template <class real> using Part = void (*)(const Dense&, const real*, const int*, int, int, int, int);

template <class real>
void by_block(const Dense* orders, int many, int threads, Part<real> whole, Part<real> cut) {
    std::vector<Heard<real>> heard;
    for (int k = 0; k < many; ++k) heard.emplace_back(orders[k]);
    const auto strip = [&](const Dense& p, const Heard<real>& from, int number) {
        const int tiles = (p.post + WIDE<real> - 1) / WIDE<real>;
        const int first = tiles * number / threads, last = tiles * (number + 1) / threads;
        for (int group = 0; group < Heard<real>::groups(p); ++group) {
            const auto& rows = from.rows[group];
            const real* values = from.values.data() + long(group) * p.pre * TOGETHER;
            for (size_t row = 0; row < rows.size(); row += BLOCK)
                for (int tile = first; tile < last; ++tile) {
                    const int at = tile * WIDE<real>, run = std::min(WIDE<real>, p.post - at);
                    const auto part = run == WIDE<real> ? whole : cut;
                    part(p, values, rows.data() + row, int(std::min(BLOCK, rows.size() - row)), group, at, run);
                }
        }
    };
    ThreadPool::each(threads, [&](int number) {
        for (int k = 0; k < many; ++k) strip(orders[k], heard[k], number);
    });
}

template <class real> void hear_all(const Dense* orders, int many, int threads) {
    for (int k = 0; k < many; ++k)
        std::memset(orders[k].after, 0, sizeof(real) * orders[k].samples * long(orders[k].post));
    by_block<real>(orders, many, threads, hear<true, real>, hear<false, real>);
}

template <class real> void change_all(const Dense* orders, int many, int threads) {
    by_block<real>(orders, many, threads, change<true, real>, change<false, real>);
}
