// Distances of pairs of spike trains, as defined in distances.py.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "parallel.hpp"

namespace {

using i64 = std::int64_t;

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr i64 kBlock = 64;  // pairs per task

// Spike times in ascending order.
struct Train {
    const double *begin, *end;
};

// Concatenated trains; train k starts at starts[k].
struct Trains {
    const double* times;
    const i64* starts;

    Train operator[](i64 k) const { return {times + starts[k], times + starts[k + 1]}; }
};

// Integrals of f f, f g, g g and (f - g)^2 over all time, in units of tau. Every spike of `a` adds exp(-t / tau) to f,
// and every spike of `b` to g. Between spikes both decay, and the integrals have a closed form.
void overlaps(Train a, Train b, double tau, double* out) {
    double f = 0, g = 0, ff = 0, fg = 0, gg = 0, dd = 0;
    const auto advance = [&](double gap) {
        const double share = -std::expm1(-2 * gap) / 2, decay = std::exp(-gap);
        ff += f * f * share;
        fg += f * g * share;
        gg += g * g * share;
        dd += (f - g) * (f - g) * share;
        f *= decay;
        g *= decay;
    };
    double now = -kNever;
    while (a.begin != a.end || b.begin != b.end) {
        const bool from_a = b.begin == b.end || (a.begin != a.end && *a.begin <= *b.begin);
        const double next = from_a ? *a.begin++ : *b.begin++;
        advance((next - now) / tau);
        (from_a ? f : g) += 1;
        now = next;
    }
    advance(kNever);
    out[0] = ff, out[1] = fg, out[2] = gg, out[3] = dd;
}

// Least cost of transforming `a` into `b`. After each spike of `a`, row[j] is the cost of transforming its spikes so
// far into the first j spikes of `b`.
double edits(Train a, Train b, double cost, double* row) {
    const i64 m = b.end - b.begin;
    for (i64 j = 0; j <= m; ++j) row[j] = double(j);
    for (; a.begin != a.end; ++a.begin) {
        double shorter = row[0], left = shorter + 1;
        row[0] = left;
        for (i64 j = 0; j < m; ++j) {
            const double moved = shorter + cost * std::fabs(*a.begin - b.begin[j]);
            shorter = row[j + 1];
            row[j + 1] = left = std::min(left + 1, std::min(shorter + 1, moved));
        }
    }
    return row[m];
}

template <class Task> void each_pair(i64 pairs, i64 threads, const Task& task) {
    parallel_for(long((pairs + kBlock - 1) / kBlock), long(threads), [&](long block) {
        for (i64 k = block * kBlock; k < std::min((block + 1) * kBlock, pairs); ++k) task(k);
    });
}

}  // namespace

extern "C" {

// `out` has four values per pair.
void snnlab_overlaps(const double* a, const i64* a_starts, const double* b, const i64* b_starts, i64 pairs, double tau,
                     double* out, i64 threads) {
    const Trains first{a, a_starts}, second{b, b_starts};
    each_pair(pairs, threads, [&](i64 k) { overlaps(first[k], second[k], tau, out + 4 * k); });
}

// `scratch` has the size of all spikes of `b` plus one value per pair.
void snnlab_edits(const double* a, const i64* a_starts, const double* b, const i64* b_starts, i64 pairs, double cost,
                  double* scratch, double* out, i64 threads) {
    const Trains first{a, a_starts}, second{b, b_starts};
    each_pair(pairs, threads,
              [&](i64 k) { out[k] = edits(first[k], second[k], cost, scratch + b_starts[k] + k); });
}

}  // extern "C"
