// Sums of un-reset potentials at the instants of errors, and of errors at the instants of spikes: what NormAD learns from.
//
// The potential that one input spike leaves is a sum of three exponentials, so that three numbers for each input say all
// about its past, and they are worked out at the instants that somebody asks about, not in every step. Inputs that are
// silent through a sample take no part. The cost is instants x inputs, and a few operations for each spike.
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

struct Course {
    double part[TERMS], rate[TERMS];  // kernel after n steps: sum of part * exp(-rate * n)

    void decay(int64_t steps, double* by) const {
        for (int m = 0; m < TERMS; ++m) by[m] = std::exp(-rate[m] * double(steps));
    }
};

// Spikes of a batch, see snnlab/data/spikes.py.
struct Fired {
    const int32_t* ids;
    const int64_t* offsets;  // (samples, steps + 1)
};

// Events sorted by sample and step, those of sample b from begin[b] on.
struct Told {
    const int64_t* begin;  // (samples + 1)
    const int64_t* step;
    const int32_t* neuron;
    const double* value;
};

struct Asked {
    Fired pre;
    Told events;
    Course course;
    double* totals;  // out (chunks, pre, post), zeros at first: sum over events of value * potentials [/ norm]
    double* norms;   // out (events): of the potentials of all inputs
    double floor;    // events whose norm is not above this part of their sample's mean count nothing
    int32_t pre_size, post_size, samples, steps, normalised, chunks, threads;
};

struct Sent {
    Fired pre;
    Told events;
    Course course;
    const double* weights;  // (pre, post)
    double* sent;           // out (spikes): what comes back to each
    int32_t pre_size, post_size, samples, steps, threads;
};

// The samples of one chunk, one after the other.
class Descent {
    static constexpr int BLOCK = 64;  // instants whose potentials are kept
    struct Use {
        int32_t neuron, row;
        double weight;
    };
    const Asked& p;
    double* const total;
    std::vector<uint8_t> fires;
    std::vector<int32_t> slot, input;  // of an input, and back: those that fire have slots, in their order
    std::vector<Wide> state[TERMS], rows;
    std::vector<int64_t> first;  // event of each instant, and the end
    std::vector<Use> uses;
    int wides = 0;
    int64_t at = 0;  // step of the states

public:
    Descent(const Asked& asked, int chunk)
        : p(asked), total(p.totals + int64_t(chunk) * p.pre_size * p.post_size), fires(p.pre_size), slot(p.pre_size) {}

    void sample(int b) {
        const int64_t begin = p.events.begin[b], end = p.events.begin[b + 1];
        if (begin == end) return;
        const int64_t* offsets = p.pre.offsets + int64_t(b) * (p.steps + 1);
        first.clear();
        for (int64_t e = begin; e < end; ++e)
            if (e == begin || p.events.step[e] != p.events.step[e - 1]) first.push_back(e);
        const int64_t instants = int64_t(first.size());
        first.push_back(end);
        seat(offsets, p.events.step[end - 1]);
        rows.resize(size_t(std::min<int64_t>(instants, BLOCK)) * wides);
        // the mean is known after the last instant alone, when it is too late for those that are no longer kept
        const bool twice = instants > BLOCK && p.floor > 0;
        rest();
        for (int64_t i = 0; twice && i < instants; i += BLOCK) trace(offsets, i, std::min(instants, i + BLOCK));
        if (twice) rest();
        double limit = 0;
        for (int64_t i = 0; i < instants; i += BLOCK) {
            const int64_t last = std::min(instants, i + BLOCK);
            trace(offsets, i, last);
            if (i == 0 && p.floor > 0) limit = p.floor * mean(begin, end);
            multiply(i, last, limit);
        }
    }

private:
    // Slots for the inputs that fire before step `last`.
    void seat(const int64_t* offsets, int64_t last) {
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

    void rest() {
        for (auto& one : state) one.assign(wides, Wide{});
        at = 0;
    }

    // The potentials at some instants, a row for each, and their norms.
    void trace(const int64_t* offsets, int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) {
            const int64_t now = p.events.step[first[i]];
            const double norm = advance(offsets, now, &rows[size_t(i - from) * wides]);
            std::fill(p.norms + first[i], p.norms + first[i + 1], norm);
        }
    }

    double advance(const int64_t* offsets, int64_t now, Wide* row) {
        double by[TERMS];
        p.course.decay(now - at, by);
        for (int m = 0; m < TERMS; ++m)
            for (auto& one : state[m]) one.of *= by[m];
        double* const to[TERMS] = {flat(0), flat(1), flat(2)};
        for (; at < now; ++at) {
            if (offsets[at] == offsets[at + 1]) continue;
            p.course.decay(now - at, by);
            for (int64_t k = offsets[at]; k < offsets[at + 1]; ++k) {
                const int32_t s = slot[p.pre.ids[k]];
                for (int m = 0; m < TERMS; ++m) to[m][s] += by[m];
            }
        }
        Wide squares{};
        for (int w = 0; w < wides; ++w) {
            row[w].of = p.course.part[0] * state[0][w].of;
            for (int m = 1; m < TERMS; ++m) row[w].of += p.course.part[m] * state[m][w].of;
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

    // Adds the rows of some instants, times what their events weigh, neuron after neuron.
    void multiply(int64_t from, int64_t to, double limit) {
        uses.clear();
        for (int64_t i = from; i < to; ++i)
            for (int64_t e = first[i]; e < first[i + 1]; ++e)
                if (p.norms[e] > limit && p.events.value[e] != 0)
                    uses.push_back({p.events.neuron[e], int32_t(i - from),
                                    p.normalised ? p.events.value[e] / p.norms[e] : p.events.value[e]});
        std::stable_sort(uses.begin(), uses.end(), [](const Use& a, const Use& b) { return a.neuron < b.neuron; });
        constexpr int MANY = 4;  // vectors at a time, which are next to one another in memory
        for (int w = 0; w < wides; w += MANY) {
            const int count = std::min(MANY, wides - w);
            for (size_t u = 0; u < uses.size();) {
                const int32_t neuron = uses[u].neuron;
                Wide sum[MANY] = {};
                for (; u < uses.size() && uses[u].neuron == neuron; ++u) {
                    const Wide* row = &rows[size_t(uses[u].row) * wides + w];
                    for (int n = 0; n < count; ++n) sum[n].of += uses[u].weight * row[n].of;
                }
                const double* one = reinterpret_cast<const double*>(sum);
                const int end = std::min(int(input.size()), (w + count) * WIDTH);
                for (int s = w * WIDTH; s < end; ++s, ++one) total[int64_t(input[s]) * p.post_size + neuron] += *one;
            }
        }
    }
};

inline void run_products(const Asked& p) {
    parallel_for(p.chunks, p.threads, [&](long chunk) {
        Descent descent(p, int(chunk));
        const int end = int(int64_t(p.samples) * (chunk + 1) / p.chunks);
        for (int b = int(int64_t(p.samples) * chunk / p.chunks); b < end; ++b) descent.sample(b);
    });
}

// One sample backwards in time: three numbers for each neuron that errs say all about the errors that are still to come.
class Ascent {
    const Sent& p;
    const int post;
    std::vector<double> state[TERMS], heard;
    int64_t at = 0;

public:
    explicit Ascent(const Sent& sent) : p(sent), post(sent.post_size), heard(post) {
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
                recede(t);
                listen();
                for (int64_t k = offsets[t]; k < offsets[t + 1]; ++k) p.sent[k] = weigh(p.pre.ids[k]);
            }
            if (e == begin || p.events.step[e - 1] != t) continue;
            recede(t);
            for (; e > begin && p.events.step[e - 1] == t; --e)
                for (auto& one : state) one[p.events.neuron[e - 1]] += p.events.value[e - 1];
        }
    }

private:
    void recede(int64_t to) {
        double by[TERMS];
        p.course.decay(at - to, by);
        for (int m = 0; m < TERMS; ++m)
            for (double& one : state[m]) one *= by[m];
        at = to;
    }

    void listen() {
        for (int k = 0; k < post; ++k) {
            heard[k] = 0;
            for (int m = 0; m < TERMS; ++m) heard[k] += p.course.part[m] * state[m][k];
        }
    }

    double weigh(int32_t id) const {
        const double* row = p.weights + int64_t(id) * post;
        Wide sums{};
        int k = 0;
        for (; k + WIDTH <= post; k += WIDTH)
            sums.of += reinterpret_cast<const Loose<double>*>(row + k)->of *
                       reinterpret_cast<const Loose<double>*>(heard.data() + k)->of;
        double sum = 0;
        for (int n = 0; n < WIDTH; ++n) sum += sums.of[n];
        for (; k < post; ++k) sum += row[k] * heard[k];
        return sum;
    }
};

inline void run_sent(const Sent& p) {
    parallel_for(p.samples, p.threads, [&](long b) { Ascent(p).sample(int(b)); });
}
