// Products of output spikes with input traces that are never reset, for cells that are linear between their spikes.
//
// With M[j, t] the trace that input j alone leaves on the membrane, each output spike f of neuron i adds
// M[j, t_f] - rho^(t_f - c_f) M[j, c_f] to e_ij: two rows of M. A layer fires less than its input, and few of its
// neurons fire at all, so M is computed for a group of inputs at a time and read at the output spikes. The cost is a
// few operations per step for each group, and two rows of additions per output spike.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>

#include "parallel.hpp"
#include "vector.hpp"

// Spikes of a batch, see snnlab/data/spikes.py.
struct SpikeTrains {
    const int32_t* ids;
    const int64_t* offsets;  // (samples, steps + 1)
};

struct Products {
    SpikeTrains before, after;
    const double* transition;  // (states, states): state after a step = transition * state before
    const void* scale;         // real (samples, post): factors of each sample's products in `gradient`
    const void* weights;       // real (pre, post), or null without `backward`
    const void* send;          // real (samples, post), or null
    void* gradient;            // out real (chunks, pre, post): sum over samples of scale_i * e_ij
    void* backward;            // out real (samples, pre), initially zeros: sum over i of send_i * w_ij * e_ij
    double silent;             // e_ij in `gradient` of a neuron that never fires, for each input that does
    int32_t pre, post, samples, steps, reset_steps, delay, chunks, threads;
};
// reset_steps  steps after a spike in which the membrane stays at its reset
// chunks       parts into which samples are divided; set by the caller, so that sums do not depend on threads

constexpr int GROUP = 64;  // inputs whose traces are computed together: one word holds their spikes
constexpr int PART = 32;   // and read together: their traces over some hundred steps fit into the first-level cache

// Where one output spike reads the traces.
template <class real> struct Reading {
    uint32_t at;        // its step
    uint32_t released;  // the last step in which the previous spike held the membrane at its reset
    real decay;         // of the potential from step `released` to step `at`
};

template <class real> struct Neuron {
    int32_t id, end;  // `end` is the first reading of the next neuron
    real scale, send;
};

template <class real> struct Silent {
    int32_t id;
    real share;  // added to the gradient of each input that fires
};

// The readings of a sample: of neurons that fired and whose factors are not both zero.
template <class real> struct Readings {
    std::vector<Neuron<real>> neurons;
    std::vector<Reading<real>> all;
    std::vector<Silent<real>> silent;
    int32_t steps = 0;  // up to the last reading

    void fill(const Products& p, int sample, const std::vector<real>& powers) {
        const int64_t* offsets = p.after.offsets + int64_t(sample) * (p.steps + 1);
        std::vector<int32_t> count(p.post), next(p.post, -1);
        for (int64_t k = offsets[0]; k < offsets[p.steps]; ++k) ++count[p.after.ids[k]];
        int32_t total = 0;
        for (int32_t i = 0; i < p.post; ++i) {
            const int64_t at = int64_t(sample) * p.post + i;
            const real scale = static_cast<const real*>(p.scale)[at];
            const real send = p.send ? static_cast<const real*>(p.send)[at] : real(0);
            if (!count[i] && p.silent != 0 && scale != 0) silent.push_back({i, real(p.silent) * scale});
            if (!count[i] || (scale == 0 && send == 0)) continue;
            next[i] = total;
            total += count[i];
            neurons.push_back({i, total, scale, send});
        }
        if (!total) return;
        all.resize(total);
        for (int32_t t = 0; t < p.steps; ++t)
            for (int64_t k = offsets[t]; k < offsets[t + 1]; ++k)
                if (int32_t& place = next[p.after.ids[k]]; place >= 0) {
                    all[place++].at = t;
                    steps = t + 1;
                }
        set_resets(p.reset_steps, powers);
    }

    bool none() const { return neurons.empty() && silent.empty(); }

private:
    void set_resets(int32_t reset_steps, const std::vector<real>& powers) {
        int32_t k = 0;
        for (const auto& neuron : neurons) {
            all[k].released = 0;
            all[k].decay = 0;  // no reset before the first spike
            for (++k; k < neuron.end; ++k) {
                all[k].released = all[k - 1].at + reset_steps;
                all[k].decay = powers[all[k].at - all[k].released];
            }
        }
    }
};

// The input spikes of a batch as words: one word per group and step.
struct Arrivals {
    std::vector<int32_t> order;  // the input at each place; the last group may be incomplete
    std::vector<uint32_t> place;
    const int groups, steps;
    std::unique_ptr<uint64_t[]> words;   // (samples, groups, steps)
    std::unique_ptr<uint64_t[]> active;  // (samples, groups): the inputs that fire at all

    explicit Arrivals(const Products& p)
        : order(p.pre), place(p.pre), groups((p.pre + GROUP - 1) / GROUP), steps(p.steps),
          words(new uint64_t[size_t(p.samples) * groups * steps]), active(new uint64_t[size_t(p.samples) * groups]) {
        // Groups are of similar activity, so that groups of rarely active inputs are silent in whole samples and
        // skipped. Every eighth spike is enough to sort the inputs.
        std::vector<int32_t> count(p.pre);
        const int64_t last = p.before.offsets[int64_t(p.samples) * (p.steps + 1) - 1];
        for (int64_t k = 0; k < last; k += 8) ++count[p.before.ids[k]];
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return count[a] > count[b]; });
        for (int32_t k = 0; k < p.pre; ++k) place[order[k]] = k;
    }

    void fill(const Products& p, int sample) {
        uint64_t* to = &words[size_t(sample) * groups * steps];
        std::memset(to, 0, size_t(groups) * steps * sizeof *to);
        const int64_t* offsets = p.before.offsets + int64_t(sample) * (steps + 1);
        const int32_t* ids = p.before.ids;
        const uint32_t* place = this->place.data();
        for (int32_t t = p.delay; t < steps; ++t)
            for (int64_t k = offsets[t - p.delay]; k < offsets[t - p.delay + 1]; ++k) {
                const uint32_t at = place[ids[k]];
                to[size_t(at / GROUP) * steps + t] |= 1ull << (at % GROUP);
            }
        for (int g = 0; g < groups; ++g) {
            uint64_t any = 0;
            for (int t = 0; t < steps; ++t) any |= to[int64_t(g) * steps + t];
            active[size_t(sample) * groups + g] = any;
        }
    }
};

// Words as wide as a real: each lane of a group's vectors tests its own bit.
template <class real> struct Lanes {
    using Word = std::conditional_t<sizeof(real) == 4, uint32_t, uint64_t>;
    typedef Word type __attribute__((vector_size(64)));
    static constexpr int BITS = 8 * sizeof(Word);
    type bits[GROUP / LANES<real>];
    Lanes() {
        for (int k = 0; k < GROUP; ++k) bits[k / LANES<real>][k % LANES<real>] = Word(1) << (k % BITS);
    }
    // Vector `n` of a group: 1 in lanes whose bit of the group's word is set, else 0.
    Vec<real> ones(uint64_t word, int n) const {
        const type here = bits[n] & Word(word >> (n * LANES<real> / BITS * BITS % GROUP));
        const typename Vec<real>::type one = Vec<real>{}.of + real(1);
        return {here == bits[n] ? one : Vec<real>{}.of};
    }
};

// One group of inputs, and the sums of its products.
template <class real, int STATES, int MEMBRANE, int RECEPTOR> class Group {
    static constexpr int N = GROUP / LANES<real>, M = PART / LANES<real>, PARTS = GROUP / PART;
    const Products& p;
    const Arrivals& arrivals;
    const int group, width;
    std::unique_ptr<Vec<real>[]> sum;      // (post, GROUP)
    std::unique_ptr<Vec<real>[]> weights;  // (post, GROUP)
    std::unique_ptr<Vec<real>[]> traces;   // (PARTS, steps, PART)
    real transition[STATES][STATES];
    bool unused = true;

public:
    Group(const Products& products, const Arrivals& arriving, int group_)
        : p(products), arrivals(arriving), group(group_), width(std::min(GROUP, p.pre - group * GROUP)),
          sum(new Vec<real>[size_t(p.post) * N]()), traces(new Vec<real>[size_t(p.steps) * N]) {
        for (int a = 0; a < STATES; ++a)
            for (int b = 0; b < STATES; ++b) transition[a][b] = real(p.transition[a * STATES + b]);
        if (!p.weights) return;
        weights.reset(new Vec<real>[size_t(p.post) * N]());
        for (int k = 0; k < width; ++k) {
            const real* from = static_cast<const real*>(p.weights) + int64_t(input(k)) * p.post;
            for (int64_t i = 0; i < p.post; ++i) reinterpret_cast<real*>(weights.get())[i * GROUP + k] = from[i];
        }
    }

    void sample(int b, const Readings<real>& readings) {
        const uint64_t active = readings.none() ? 0 : arrivals.active[size_t(b) * arrivals.groups + group];
        if (!active) return;
        unused = false;
        add_silent(readings, active);
        if (readings.neurons.empty()) return;
        trace(b, readings.steps);
        alignas(64) real back[GROUP];
        for (int part = 0; part < PARTS; ++part) read(part, readings, reinterpret_cast<Vec<real>*>(back) + part * M);
        if (!p.send) return;
        real* to = static_cast<real*>(p.backward) + int64_t(b) * p.pre;
        for (int k = 0; k < width; ++k) to[input(k)] = back[k];
    }

    void store(int chunk) const {
        real* to = static_cast<real*>(p.gradient) + int64_t(chunk) * p.pre * p.post;
        const real* from = reinterpret_cast<const real*>(sum.get());
        constexpr int DEEP = 64, WIDE = 16;  // by blocks, so that rows and columns of a block stay in the cache
        alignas(64) real block[WIDE][DEEP];
        if (unused) {
            for (int k = 0; k < width; ++k) std::memset(to + int64_t(input(k)) * p.post, 0, p.post * sizeof(real));
            return;
        }
        for (int i = 0; i < p.post; i += DEEP)
            for (int k = 0; k < width; k += WIDE) {
                const int deep = std::min(DEEP, p.post - i), wide = std::min(WIDE, width - k);
                for (int b = 0; b < wide; ++b)
                    for (int a = 0; a < deep; ++a) block[b][a] = from[int64_t(i + a) * GROUP + k + b];
                for (int b = 0; b < wide; ++b)
                    std::memcpy(to + int64_t(input(k + b)) * p.post + i, block[b], deep * sizeof(real));
            }
    }

private:
    int32_t input(int k) const { return arrivals.order[group * GROUP + k]; }

    // Gradient of neurons that never fire: it does not depend on the times of input spikes.
    void add_silent(const Readings<real>& readings, uint64_t active) {
        if (readings.silent.empty()) return;
        const Lanes<real> lanes;
        Vec<real> ones[N];
        for (int n = 0; n < N; ++n) ones[n] = lanes.ones(active, n);
        for (const auto& neuron : readings.silent)
            for (int n = 0; n < N; ++n) sum[size_t(neuron.id) * N + n].of += neuron.share * ones[n].of;
    }

    // The potential due to each input alone in each step, before that step's own spikes arrive.
    void trace(int b, int32_t steps) {
        const uint64_t* words = &arrivals.words[(size_t(b) * arrivals.groups + group) * arrivals.steps];
        const Lanes<real> lanes;
        Vec<real> state[STATES][N] = {};
        for (int32_t t = 0; t < steps; ++t)
#pragma GCC unroll 8
            for (int n = 0; n < N; ++n) {
                Vec<real> before[STATES];
                for (int a = 0; a < STATES; ++a) before[a] = state[a][n];
                for (int a = 0; a < STATES; ++a) {
                    Vec<real> sum = a == RECEPTOR ? lanes.ones(words[t], n) : Vec<real>{};
                    for (int s = 0; s < STATES; ++s)  // its own last: the next step depends on this product alone
                        if (s != a && s != MEMBRANE) sum.of += transition[a][s] * before[s].of;
                    state[a][n].of = transition[a][a] * before[a].of + sum.of;
                }
                traces[(n / M * p.steps + t) * M + n % M] = state[MEMBRANE][n];
            }
    }

    void read(int part, const Readings<real>& readings, Vec<real>* back) {
        const Vec<real>* rows = &traces[size_t(part) * p.steps * M];
        Vec<real> down[M] = {};
        const Reading<real>* reading = readings.all.data();
        for (const auto& neuron : readings.neurons) {
            Vec<real> e[M] = {};
            for (const auto* end = readings.all.data() + neuron.end; reading < end; ++reading) {
                const Vec<real>*now = rows + size_t(reading->at) * M, *then = rows + size_t(reading->released) * M;
                for (int m = 0; m < M; ++m) e[m].of += now[m].of - reading->decay * then[m].of;
            }
            Vec<real>* to = &sum[size_t(neuron.id) * N + part * M];
            for (int m = 0; m < M; ++m) to[m].of += neuron.scale * e[m].of;
            if (!p.send) continue;
            const Vec<real>* weight = &weights[size_t(neuron.id) * N + part * M];
            for (int m = 0; m < M; ++m) down[m].of += neuron.send * weight[m].of * e[m].of;
        }
        std::memcpy(back, down, sizeof down);
    }
};

template <class real, int STATES, int MEMBRANE, int RECEPTOR> void run_products(const Products& p) {
    std::vector<real> powers(p.steps + 1);
    const double rho = p.transition[MEMBRANE * (STATES + 1)];
    for (int n = 0; n <= p.steps; ++n) powers[n] = real(std::pow(rho, n));
    std::vector<Readings<real>> readings(p.samples);
    Arrivals arrivals(p);
    parallel_for(p.samples, p.threads, [&](long b) {
        readings[b].fill(p, int(b), powers);
        if (!readings[b].none()) arrivals.fill(p, int(b));
    });
    parallel_for(long(arrivals.groups) * p.chunks, p.threads, [&](long task) {
        Group<real, STATES, MEMBRANE, RECEPTOR> group(p, arrivals, int(task / p.chunks));
        const int chunk = int(task % p.chunks);
        const int begin = int(int64_t(p.samples) * chunk / p.chunks);
        const int end = int(int64_t(p.samples) * (chunk + 1) / p.chunks);
        for (int b = begin; b < end; ++b) group.sample(b, readings[b]);
        group.store(chunk);
    });
}
