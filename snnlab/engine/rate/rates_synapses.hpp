// Synapses of a tile: from the neurons before to LANES neurons after, for a batch that shares the weights.
#pragma once
#include <algorithm>
#include <cstdint>

#include "vector.hpp"

// A channel in one step.
template <class real> struct Heard {
    const real* values;
    int64_t samples, width;

    // of the first sample; of the next it lies `width` further
    const real* neuron(int64_t n) const {
        return values + n / LANES<real> * samples * width + n % LANES<real>;
    }
};

// Where what arrives is summed up: of LANES neurons, of the next sample `stride` further.
template <class real> struct Sums {
    real* values;
    int64_t stride;
    bool first;  // nothing is there yet
};

template <class real> struct Synapses {
    int states, weight;
    virtual ~Synapses() = default;
    // Rows of one tile: moved, where there is something to learn, and then heard.
    virtual void hear(int rows, real* synapses, const Heard<real>& heard, const Heard<real>& told, const real* asked,
                      const Sums<real>& sums, bool learns) const = 0;
};

// Those that stay as they are.
template <class real> struct Fixed {
    static constexpr int states = 1, weight = 0;
    explicit Fixed(const double*) {}
    void row(real*, typename Vec<real>::type) const {}
};

template <class Plastic, class real> struct SynapsesOf final : Synapses<real> {
    using vec = typename Vec<real>::type;
    static constexpr int L = LANES<real>, V = Plastic::states;
#ifdef __AVX512F__
    static constexpr int MANY = 16;  // sums at a time, as many as there are registers for
#else
    static constexpr int MANY = 4;
#endif
    static constexpr int TOGETHER = 4 * L;  // rows that are heard as soon as they have moved: they are near by then
    Plastic plastic;

    explicit SynapsesOf(const double* parameters) : plastic(parameters) {
        this->states = V, this->weight = Plastic::weight;
    }

    void hear(int rows, real* synapses, const Heard<real>& heard, const Heard<real>& told, const real* asked,
              const Sums<real>& sums, bool learns) const override {
        for (int from = 0; from < rows; from += TOGETHER) {
            const int to = std::min(rows, from + TOGETHER);
            if (learns && heard.samples == 1)
                learn<true>(from, to, synapses, told, asked);
            else if (learns)
                learn<false>(from, to, synapses, told, asked);
            const Sums<real> now{sums.values, sums.stride, sums.first && !from};
            if (heard.samples == 1)
                single(from, to, synapses, heard, now);
            else
                batch(from, to, synapses, heard, now);
        }
    }

   private:
    static vec& at(real* values) { return *reinterpret_cast<vec*>(values); }
    static const vec& at(const real* values) { return *reinterpret_cast<const vec*>(values); }
    static const vec& weight_of(const real* synapses, int64_t row) {
        return at(synapses + (row * V + Plastic::weight) * L);
    }

    // Learning -----------------------------------------------------------------------------------------------------

    template <bool SINGLE>
    void learn(int row, int rows, real* synapses, const Heard<real>& told, const real* asked) const {
        if constexpr (MANY > 8 && MANY <= L)  // of one tile
            for (; row + MANY <= rows; row += MANY) move<MANY, SINGLE>(row, synapses, told, asked);
        for (; row + 8 <= rows; row += 8) move<8, SINGLE>(row, synapses, told, asked);
        if (row + 4 <= rows) move<4, SINGLE>(row, synapses, told, asked), row += 4;
        if (row + 2 <= rows) move<2, SINGLE>(row, synapses, told, asked), row += 2;
        if (row < rows) move<1, SINGLE>(row, synapses, told, asked);
    }

    // ROWS neurons before at a time, of one tile: each number of the neurons after is fetched once for all of them.
    template <int ROWS, bool SINGLE>
    void move(int64_t row, real* synapses, const Heard<real>& told, const real* asked) const {
        vec product[ROWS];
        constexpr int SPLIT = SINGLE || ROWS > 8 ? 1 : 8 / ROWS;
        multiply<ROWS, SPLIT>(told.neuron(row), told.width, asked, SINGLE ? 1 : told.samples, product);
        for (int r = 0; r < ROWS; ++r) plastic.row(synapses + (row + r) * V * L, product[r]);
    }

    // Sums over samples, SPLIT of them side by side, for one would wait for itself.
    template <int ROWS, int SPLIT>
    static void multiply(const real* __restrict told, int64_t width, const real* __restrict asked, int64_t samples,
                         vec* __restrict product) {
        vec part[ROWS * SPLIT];
#pragma GCC unroll 16
        for (int k = 0; k < ROWS * SPLIT; ++k) part[k] = vec{};
        int64_t s = samples;
        for (; s >= SPLIT; s -= SPLIT, told += SPLIT * width, asked += SPLIT * L)
#pragma GCC unroll 16
            for (int k = 0; k < ROWS * SPLIT; ++k)
                part[k] += at(asked + k / ROWS * L) * told[k / ROWS * width + k % ROWS];
        for (; s > 0; --s, told += width, asked += L)
#pragma GCC unroll 16
            for (int r = 0; r < ROWS; ++r) part[r] += at(asked) * told[r];
#pragma GCC unroll 16
        for (int k = ROWS; k < ROWS * SPLIT; ++k) part[k % ROWS] += part[k];
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; ++r) product[r] = part[r];
    }

    // Hearing ------------------------------------------------------------------------------------------------------

    void batch(int row, int rows, const real* synapses, const Heard<real>& heard, const Sums<real>& sums) const {
        if (heard.width == L)
            groups<L>(row, rows, synapses, heard, sums);
        else
            groups<1>(row, rows, synapses, heard, sums);
    }

    template <int WIDTH>
    void groups(int row, int rows, const real* synapses, const Heard<real>& heard, const Sums<real>& sums) const {
        int64_t s = 0;
        for (; s + MANY <= heard.samples; s += MANY) several<MANY, WIDTH>(s, row, rows, synapses, heard, sums);
        for (; s + 4 <= heard.samples; s += 4) several<4, WIDTH>(s, row, rows, synapses, heard, sums);
        for (; s < heard.samples; ++s) several<1, WIDTH>(s, row, rows, synapses, heard, sums);
    }

    // So many samples at a time, whose sums stay where they are until all rows are heard.
    template <int SAMPLES, int WIDTH>
    void several(int64_t s, int64_t row, int64_t rows, const real* __restrict synapses, const Heard<real>& heard,
                 const Sums<real>& sums) const {
        vec sum[SAMPLES];
        real* to = sums.values + s * sums.stride;
#pragma GCC unroll 16
        for (int k = 0; k < SAMPLES; ++k) sum[k] = sums.first ? vec{} : at(to + k * sums.stride);
        for (; row < rows; row += L) {
            const real* __restrict now = heard.neuron(row) + s * WIDTH;
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

    // One sample: four sums side by side, for one would wait for itself.
    void single(int64_t row, int64_t rows, const real* __restrict synapses, const Heard<real>& heard,
                const Sums<real>& sums) const {
        vec part[4] = {sums.first ? vec{} : at(sums.values), vec{}, vec{}, vec{}};
        const real* __restrict now = heard.neuron(row) - row;  // of a single sample, tile after tile lies side by side
        for (; row + 4 <= rows; row += 4)
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k) part[k] += weight_of(synapses, row + k) * now[row + k];
        for (; row < rows; ++row) part[0] += weight_of(synapses, row) * now[row];
        at(sums.values) = (part[0] + part[1]) + (part[2] + part[3]);
    }
};
