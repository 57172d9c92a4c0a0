// Sums of potentials that are never reset at the times of errors, and of errors at the times of spikes, for NormAD.
//
// The potential after one input spike is a sum of three exponentials, so that three numbers hold the past of an input;
// they are updated at the times of errors, not in every step. Inputs that are silent throughout a sample are skipped.
// The cost is error times x inputs, and a few operations per spike.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "parallel.hpp"
#include "vector.hpp"

constexpr int TERMS = 3;  // exponentials of a kernel
using Wide = Vec<double>;
constexpr int WIDTH = LANES<double>;

struct Kernel {
    double amplitude[TERMS], rate[TERMS];  // after n steps: sum of amplitude * exp(-rate * n)

    void decay(int64_t steps, double* factor) const {
        for (int m = 0; m < TERMS; ++m) factor[m] = std::exp(-rate[m] * double(steps));
    }
};

// Spikes of a batch, see snnlab/data/spikes.py.
struct SpikeTrains {
    const int32_t* ids;
    const int64_t* offsets;  // (samples, steps + 1)
};

// Events sorted by sample and step; those of sample b start at begin[b].
struct Events {
    const int64_t* begin;  // (samples + 1)
    const int64_t* step;
    const int32_t* neuron;
    const double* value;
};

struct ErrorProducts {
    SpikeTrains pre;
    Events events;
    Kernel kernel;
    double* totals;  // out (chunks, pre, post), initially zeros: sum over events of value * potentials [/ norm]
    double* norms;   // out (events): of the potentials of all inputs
    double floor;    // events with a norm of at most this share of their sample's mean do not count
    int32_t pre_size, post_size, samples, steps, normalised, chunks, threads;
};

struct Backpropagation {
    SpikeTrains pre;
    Events events;
    Kernel kernel;
    const double* weights;  // (pre, post)
    double* result;         // out (spikes)
    int32_t pre_size, post_size, samples, steps, threads;
};

// The error products of the samples of one chunk.
class ProductsOfChunk {
    static constexpr int BLOCK = 64;  // error times whose potentials are stored
    struct Term {
        int32_t neuron, row;
        double weight;
    };
    const ErrorProducts& p;
    double* const total;
    std::vector<uint8_t> fires;
    std::vector<int32_t> slot, input;  // the slot of each input that fires, in ascending order; the input of each slot
    std::vector<Wide> state[TERMS], rows;
    std::vector<int64_t> first;  // the first event of each error time, and the end
    std::vector<Term> sorted;
    int wides = 0;
    int64_t at = 0;  // step of the states

public:
    ProductsOfChunk(const ErrorProducts& products, int chunk)
        : p(products), total(p.totals + int64_t(chunk) * p.pre_size * p.post_size), fires(p.pre_size),
          slot(p.pre_size) {}

    void sample(int b) {
        const int64_t begin = p.events.begin[b], end = p.events.begin[b + 1];
        if (begin == end) return;
        const int64_t* offsets = p.pre.offsets + int64_t(b) * (p.steps + 1);
        first.clear();
        for (int64_t e = begin; e < end; ++e)
            if (e == begin || p.events.step[e] != p.events.step[e - 1]) first.push_back(e);
        const int64_t times = int64_t(first.size());
        first.push_back(end);
        assign_slots(offsets, p.events.step[end - 1]);
        rows.resize(size_t(std::min<int64_t>(times, BLOCK)) * wides);
        // the mean needs all norms: two passes if not all potentials can be stored
        const bool twice = times > BLOCK && p.floor > 0;
        reset();
        for (int64_t i = 0; twice && i < times; i += BLOCK) trace(offsets, i, std::min(times, i + BLOCK));
        if (twice) reset();
        double limit = 0;
        for (int64_t i = 0; i < times; i += BLOCK) {
            const int64_t last = std::min(times, i + BLOCK);
            trace(offsets, i, last);
            if (i == 0 && p.floor > 0) limit = p.floor * mean(begin, end);
            multiply(i, last, limit);
        }
    }

private:
    // Slots for the inputs that fire before step `last`.
    void assign_slots(const int64_t* offsets, int64_t last) {
        std::fill(fires.begin(), fires.end(), 0);
        for (int64_t k = offsets[0]; k < offsets[last]; ++k) fires[p.pre.ids[k]] = 1;
        input.clear();
        for (int32_t j = 0; j < p.pre_size; ++j)
            if (fires[j]) {
                slot[j] = int32_t(input.size());
                input.push_back(j);
            }
        wides = int((input.size() + WIDTH - 1) / WIDTH);
    }

    void reset() {
        for (auto& one : state) one.assign(wides, Wide{});
        at = 0;
    }

    // The potentials at some error times, one row each, and their norms.
    void trace(const int64_t* offsets, int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) {
            const int64_t now = p.events.step[first[i]];
            const double norm = advance(offsets, now, &rows[size_t(i - from) * wides]);
            std::fill(p.norms + first[i], p.norms + first[i + 1], norm);
        }
    }

    double advance(const int64_t* offsets, int64_t now, Wide* row) {
        double factor[TERMS];
        p.kernel.decay(now - at, factor);
        for (int m = 0; m < TERMS; ++m)
            for (auto& one : state[m]) one.of *= factor[m];
        double* const to[TERMS] = {flat(0), flat(1), flat(2)};
        for (; at < now; ++at) {
            if (offsets[at] == offsets[at + 1]) continue;
            p.kernel.decay(now - at, factor);
            for (int64_t k = offsets[at]; k < offsets[at + 1]; ++k) {
                const int32_t s = slot[p.pre.ids[k]];
                for (int m = 0; m < TERMS; ++m) to[m][s] += factor[m];
            }
        }
        Wide squares{};
        for (int w = 0; w < wides; ++w) {
            row[w].of = p.kernel.amplitude[0] * state[0][w].of;
            for (int m = 1; m < TERMS; ++m) row[w].of += p.kernel.amplitude[m] * state[m][w].of;
            squares.of += row[w].of * row[w].of;
        }
        double sum = 0;
        for (int n = 0; n < WIDTH; ++n) sum += squares.of[n];
        return std::sqrt(sum);
    }

    double* flat(int m) { return reinterpret_cast<double*>(state[m].data()); }

    double mean(int64_t begin, int64_t end) const {
        double sum = 0;
        for (int64_t e = begin; e < end; ++e) sum += p.norms[e];
        return sum / double(end - begin);
    }

    // Adds the rows of some error times with the weights of their events, neuron by neuron.
    void multiply(int64_t from, int64_t to, double limit) {
        sorted.clear();
        for (int64_t i = from; i < to; ++i)
            for (int64_t e = first[i]; e < first[i + 1]; ++e)
                if (p.norms[e] > limit && p.events.value[e] != 0)
                    sorted.push_back({p.events.neuron[e], int32_t(i - from),
                                    p.normalised ? p.events.value[e] / p.norms[e] : p.events.value[e]});
        std::stable_sort(sorted.begin(), sorted.end(),
                         [](const Term& a, const Term& b) { return a.neuron < b.neuron; });
        constexpr int VECTORS = 4;  // contiguous in memory
        for (int w = 0; w < wides; w += VECTORS) {
            const int count = std::min(VECTORS, wides - w);
            for (size_t u = 0; u < sorted.size();) {
                const int32_t neuron = sorted[u].neuron;
                Wide sum[VECTORS] = {};
                for (; u < sorted.size() && sorted[u].neuron == neuron; ++u) {
                    const Wide* row = &rows[size_t(sorted[u].row) * wides + w];
                    for (int n = 0; n < count; ++n) sum[n].of += sorted[u].weight * row[n].of;
                }
                const double* one = reinterpret_cast<const double*>(sum);
                const int end = std::min(int(input.size()), (w + count) * WIDTH);
                for (int s = w * WIDTH; s < end; ++s, ++one) total[int64_t(input[s]) * p.post_size + neuron] += *one;
            }
        }
    }
};

inline void run_products(const ErrorProducts& p) {
    parallel_for(p.chunks, p.threads, [&](long chunk) {
        ProductsOfChunk products(p, int(chunk));
        const int end = int(int64_t(p.samples) * (chunk + 1) / p.chunks);
        for (int b = int(int64_t(p.samples) * chunk / p.chunks); b < end; ++b) products.sample(b);
    });
}

// One sample backwards in time: three numbers per neuron hold its later errors.
class BackwardPass {
    const Backpropagation& p;
    const int post;
    std::vector<double> state[TERMS], error;
    int64_t at = 0;

public:
    explicit BackwardPass(const Backpropagation& order) : p(order), post(order.post_size), error(post) {
        for (auto& one : state) one.resize(post);
    }

    void sample(int b) {
        for (auto& one : state) std::fill(one.begin(), one.end(), 0.0);
        const int64_t* offsets = p.pre.offsets + int64_t(b) * (p.steps + 1);
        const int64_t begin = p.events.begin[b];
        int64_t e = p.events.begin[b + 1];
        at = p.steps;
        for (int64_t t = int64_t(p.steps) - 1; t >= 0; --t) {
            if (offsets[t] < offsets[t + 1]) {
                go_back(t);
                sum_terms();
                for (int64_t k = offsets[t]; k < offsets[t + 1]; ++k) p.result[k] = weighted(p.pre.ids[k]);
            }
            if (e == begin || p.events.step[e - 1] != t) continue;
            go_back(t);
            for (; e > begin && p.events.step[e - 1] == t; --e)
                for (auto& one : state) one[p.events.neuron[e - 1]] += p.events.value[e - 1];
        }
    }

private:
    void go_back(int64_t to) {
        double factor[TERMS];
        p.kernel.decay(at - to, factor);
        for (int m = 0; m < TERMS; ++m)
            for (double& one : state[m]) one *= factor[m];
        at = to;
    }

    void sum_terms() {
        for (int k = 0; k < post; ++k) {
            error[k] = 0;
            for (int m = 0; m < TERMS; ++m) error[k] += p.kernel.amplitude[m] * state[m][k];
        }
    }

    double weighted(int32_t id) const {
        const double* row = p.weights + int64_t(id) * post;
        Wide sums{};
        int k = 0;
        for (; k + WIDTH <= post; k += WIDTH)
            sums.of += reinterpret_cast<const Loose<double>*>(row + k)->of *
                       reinterpret_cast<const Loose<double>*>(error.data() + k)->of;
        double sum = 0;
        for (int n = 0; n < WIDTH; ++n) sum += sums.of[n];
        for (; k < post; ++k) sum += row[k] * error[k];
        return sum;
    }
};

inline void run_backpropagation(const Backpropagation& p) {
    parallel_for(p.samples, p.threads, [&](long b) { BackwardPass(p).sample(int(b)); });
}
