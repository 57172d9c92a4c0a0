// Synapses onto the LANES neurons of a tile, for a batch that shares the weights.
#pragma once
#include <algorithm>
#include <cstdint>

#include "vector.hpp"

// The values of a channel in one step.
template <class real> struct Rates {
    const real* values;
    int64_t samples, width;

    // of the first sample; that of the next sample is `width` further
    const real* neuron(int64_t n) const {
        return values + n / LANES<real> * samples * width + n % LANES<real>;
    }
};

// The sums of inputs of LANES neurons; those of the next sample are `stride` further.
template <class real> struct Sums {
    real* values;
    int64_t stride;
    bool first;  // whether to start from zero
};

template <class real> struct Synapses {
    int states, weight;
    virtual ~Synapses() = default;
    // Updates the synapses of a tile if it learns, and adds the products of weights and rates to the sums.
    virtual void receive(int rows, real* synapses, const Rates<real>& rates, const Rates<real>& pre, const real* post,
                         const Sums<real>& sums, bool learns) const = 0;
};

// Synapses with fixed weights.
template <class real> struct FixedSynapse {
    static constexpr int states = 1, weight = 0;
    explicit FixedSynapse(const double*) {}
    void step(real*, typename Vec<real>::type) const {}
};

template <class Synapse, class real> struct SynapsesOf final : Synapses<real> {
    using vec = typename Vec<real>::type;
    static constexpr int L = LANES<real>, V = Synapse::states;
#ifdef __AVX512F__
    static constexpr int SUMS = 16;  // at a time, limited by the number of registers
#else
    static constexpr int SUMS = 4;
#endif
    static constexpr int BLOCK = 4 * L;  // rows that are updated and then read while they are in the cache
    Synapse synapse;

    explicit SynapsesOf(const double* parameters) : synapse(parameters) {
        this->states = V, this->weight = Synapse::weight;
    }

    void receive(int rows, real* synapses, const Rates<real>& rates, const Rates<real>& pre, const real* post,
                 const Sums<real>& sums, bool learns) const override {
        for (int from = 0; from < rows; from += BLOCK) {
            const int to = std::min(rows, from + BLOCK);
            if (learns && rates.samples == 1)
                learn<true>(from, to, synapses, pre, post);
            else if (learns)
                learn<false>(from, to, synapses, pre, post);
            const Sums<real> now{sums.values, sums.stride, sums.first && !from};
            if (rates.samples == 1)
                single(from, to, synapses, rates, now);
            else
                batch(from, to, synapses, rates, now);
        }
    }

   private:
    static vec& at(real* values) { return *reinterpret_cast<vec*>(values); }
    static const vec& at(const real* values) { return *reinterpret_cast<const vec*>(values); }
    static const vec& weight_of(const real* synapses, int64_t row) {
        return at(synapses + (row * V + Synapse::weight) * L);
    }

    // Learning -----------------------------------------------------------------------------------------------------

    template <bool SINGLE>
    void learn(int row, int rows, real* synapses, const Rates<real>& pre, const real* post) const {
        if constexpr (SUMS > 8 && SUMS <= L)  // of one tile
            for (; row + SUMS <= rows; row += SUMS) update<SUMS, SINGLE>(row, synapses, pre, post);
        for (; row + 8 <= rows; row += 8) update<8, SINGLE>(row, synapses, pre, post);
        if (row + 4 <= rows) update<4, SINGLE>(row, synapses, pre, post), row += 4;
        if (row + 2 <= rows) update<2, SINGLE>(row, synapses, pre, post), row += 2;
        if (row < rows) update<1, SINGLE>(row, synapses, pre, post);
    }

    // ROWS presynaptic neurons of one tile at a time: each postsynaptic factor is loaded once for all of them.
    template <int ROWS, bool SINGLE>
    void update(int64_t row, real* synapses, const Rates<real>& pre, const real* post) const {
        vec product[ROWS];
        constexpr int SPLIT = SINGLE || ROWS > 8 ? 1 : 8 / ROWS;
        multiply<ROWS, SPLIT>(pre.neuron(row), pre.width, post, SINGLE ? 1 : pre.samples, product);
        for (int r = 0; r < ROWS; ++r) synapse.step(synapses + (row + r) * V * L, product[r]);
    }

    // Sums over samples, SPLIT of them in parallel, because each addition depends on the one before.
    template <int ROWS, int SPLIT>
    static void multiply(const real* __restrict pre, int64_t width, const real* __restrict post, int64_t samples,
                         vec* __restrict product) {
        vec part[ROWS * SPLIT];
#pragma GCC unroll 16
        for (int k = 0; k < ROWS * SPLIT; ++k) part[k] = vec{};
        int64_t s = samples;
        for (; s >= SPLIT; s -= SPLIT, pre += SPLIT * width, post += SPLIT * L)
#pragma GCC unroll 16
            for (int k = 0; k < ROWS * SPLIT; ++k)
                part[k] += at(post + k / ROWS * L) * pre[k / ROWS * width + k % ROWS];
        for (; s > 0; --s, pre += width, post += L)
#pragma GCC unroll 16
            for (int r = 0; r < ROWS; ++r) part[r] += at(post) * pre[r];
#pragma GCC unroll 16
        for (int k = ROWS; k < ROWS * SPLIT; ++k) part[k % ROWS] += part[k];
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; ++r) product[r] = part[r];
    }

    // Propagation ---------------------------------------------------------------------------------------------------

    void batch(int row, int rows, const real* synapses, const Rates<real>& rates, const Sums<real>& sums) const {
        if (rates.width == L)
            groups<L>(row, rows, synapses, rates, sums);
        else
            groups<1>(row, rows, synapses, rates, sums);
    }

    template <int WIDTH>
    void groups(int row, int rows, const real* synapses, const Rates<real>& rates, const Sums<real>& sums) const {
        int64_t s = 0;
        for (; s + SUMS <= rates.samples; s += SUMS) several<SUMS, WIDTH>(s, row, rows, synapses, rates, sums);
        for (; s + 4 <= rates.samples; s += 4) several<4, WIDTH>(s, row, rows, synapses, rates, sums);
        for (; s < rates.samples; ++s) several<1, WIDTH>(s, row, rows, synapses, rates, sums);
    }

    // SAMPLES samples at a time, whose sums stay in registers over all rows.
    template <int SAMPLES, int WIDTH>
    void several(int64_t s, int64_t row, int64_t rows, const real* __restrict synapses, const Rates<real>& rates,
                 const Sums<real>& sums) const {
        vec sum[SAMPLES];
        real* to = sums.values + s * sums.stride;
#pragma GCC unroll 16
        for (int k = 0; k < SAMPLES; ++k) sum[k] = sums.first ? vec{} : at(to + k * sums.stride);
        for (; row < rows; row += L) {
            const real* __restrict now = rates.neuron(row) + s * WIDTH;
            const int64_t tile = std::min(rows, row + L);
            for (int64_t r = row; r < tile; ++r, ++now) {
                const vec weight = weight_of(synapses, r);
#pragma GCC unroll 16
                for (int k = 0; k < SAMPLES; ++k) sum[k] += weight * now[k * WIDTH];
            }
        }
#pragma GCC unroll 16
        for (int k = 0; k < SAMPLES; ++k) at(to + k * sums.stride) = sum[k];
    }

    // One sample: four sums in parallel, because each addition depends on the one before.
    void single(int64_t row, int64_t rows, const real* __restrict synapses, const Rates<real>& rates,
                const Sums<real>& sums) const {
        vec part[4] = {sums.first ? vec{} : at(sums.values), vec{}, vec{}, vec{}};
        const real* __restrict now = rates.neuron(row) - row;  // the tiles of a single sample are contiguous
        for (; row + 4 <= rows; row += 4)
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k) part[k] += weight_of(synapses, row + k) * now[row + k];
        for (; row < rows; ++row) part[0] += weight_of(synapses, row) * now[row];
        at(sums.values) = (part[0] + part[1]) + (part[2] + part[3]);
    }
};
