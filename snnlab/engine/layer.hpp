// One population of a feed-forward circuit, over a batch: tile by tile of its neurons, sample by sample, step by step.
//
// The order within a step is Brian2's: state update, threshold, arriving spikes, reset. A tile is 64 neurons, so that
// its weights stay in the second-level cache and one machine word says which of them fire. The cell is a template
// parameter, generated from its card.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>

#include "parallel.hpp"
#include "vector.hpp"

constexpr int TILE = 64;

// A projection onto the population: the spikes that cross it and the receptor they raise.
struct Input {
    const int32_t* ids;       // spikes of the batch, see snnlab/spikes.py
    const int64_t* offsets;   // (samples, steps + 1)
    const void* weights;      // real (pre, neurons)
    int32_t pre;
    int32_t receptor;         // index of a state variable
    int32_t delay;            // steps
};

struct Layer {
    const double* parameters;
    const Input* inputs;
    const double* start;      // (states, neurons)
    uint64_t* raster;         // out (samples, tiles, steps): bit k of a word is neuron 64 * tile + k
    int32_t* counts;          // out (samples, neurons)
    void* potential;          // out real (samples, neurons): the potential at each spike, summed over the spikes
    int32_t n_inputs, samples, steps, neurons, refractory, watched, threads;
};

// 64 flags of one byte each into one word.
inline uint64_t pack(const uint8_t* flags) {
    uint64_t word = 0;
    for (int k = 0; k < 8; ++k) {
        uint64_t eight;
        std::memcpy(&eight, flags + 8 * k, 8);
        word |= ((eight * 0x0102040810204080ull) >> 56) << (8 * k);
    }
    return word;
}

// The columns of one tile, side by side and aligned; neurons beyond the last get weights of zero.
template <class real> struct Tile {
    std::unique_ptr<Vec<real>[]> rows;
    explicit Tile(const Input& input, int first, int neurons)
        : rows(new Vec<real>[size_t(input.pre) * TILE / LANES<real>]) {
        const int width = std::min(TILE, neurons - first);
        real* to = reinterpret_cast<real*>(rows.get());
        const real* from = static_cast<const real*>(input.weights) + first;
        for (int64_t row = 0; row < input.pre; ++row, to += TILE, from += neurons) {
            std::memcpy(to, from, width * sizeof(real));
            std::memset(to + width, 0, (TILE - width) * sizeof(real));
        }
    }
};

// Adds the weights of the spikes [begin, end) to 64 receptors, spike after spike, in registers.
template <class real>
inline void deliver(real* receptor, const Vec<real>* rows, const int32_t* begin, const int32_t* end) {
    constexpr int N = TILE / LANES<real>;
    Vec<real> sum[N];
    std::memcpy(sum, receptor, sizeof sum);
    for (const int32_t* id = begin; id < end; ++id) {
        const Vec<real>* row = rows + int64_t(*id) * N;
        prefetch<N>(rows + int64_t(id[id + AHEAD < end ? AHEAD : 0]) * N);
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k) sum[k].of += row[k].of;
    }
    std::memcpy(receptor, sum, sizeof sum);
}

template <template <class> class Cell, class real>
void run_sample(const Layer& layer, const Cell<real>& cell, const std::vector<Tile<real>>& weights, int tile,
                int sample) {
    const int first = tile * TILE, width = std::min(TILE, layer.neurons - first);
    alignas(64) real state[Cell<real>::states][TILE] = {};
    alignas(64) real potential[TILE] = {};
    alignas(64) int32_t ready[TILE] = {}, counts[TILE] = {};
    alignas(64) uint8_t free[TILE], fires[TILE];
    for (int s = 0; s < Cell<real>::states; ++s)
        for (int k = 0; k < width; ++k) state[s][k] = real(layer.start[int64_t(s) * layer.neurons + first + k]);
    const uint64_t real_neurons = width == TILE ? ~0ull : (1ull << width) - 1;
    const int tiles = (layer.neurons + TILE - 1) / TILE;
    uint64_t* raster = layer.raster + (int64_t(sample) * tiles + tile) * layer.steps;

    for (int t = 0; t < layer.steps; ++t) {
        for (int k = 0; k < TILE; ++k) free[k] = t >= ready[k];
        cell.update(state, free, fires);
        const uint64_t fired = pack(fires) & real_neurons;
        raster[t] = fired;
        for (uint64_t left = fired; left; left &= left - 1) {
            const int k = __builtin_ctzll(left);
            potential[k] += state[layer.watched][k];
            counts[k] += 1;
            ready[k] = t + layer.refractory;
            free[k] = 0;
        }
        for (int p = 0; p < layer.n_inputs; ++p) {
            const Input& input = layer.inputs[p];
            if (t < input.delay) continue;
            const int64_t* at = input.offsets + int64_t(sample) * (layer.steps + 1) + (t - input.delay);
            if (at[0] == at[1]) continue;
            real* receptor = state[input.receptor];
            alignas(64) real before[TILE];
            if (Cell<real>::held[input.receptor]) std::memcpy(before, receptor, sizeof before);
            deliver<real>(receptor, weights[p].rows.get(), input.ids + at[0], input.ids + at[1]);
            if (Cell<real>::held[input.receptor])  // a variable that rests while refractory takes no input either
                for (int k = 0; k < TILE; ++k) receptor[k] = free[k] ? receptor[k] : before[k];
        }
        for (uint64_t left = fired; left; left &= left - 1) cell.reset_one(state, __builtin_ctzll(left));
    }
    const int64_t at = int64_t(sample) * layer.neurons + first;
    std::memcpy(layer.counts + at, counts, width * sizeof(int32_t));
    std::memcpy(static_cast<real*>(layer.potential) + at, potential, width * sizeof(real));
}

template <template <class> class Cell, class real> void run_layer(const Layer& layer) {
    const Cell<real> cell(layer.parameters);
    const int tiles = (layer.neurons + TILE - 1) / TILE;
    // enough tasks for the threads to end together, few enough that packing a tile's weights is not felt
    const int chunks = std::min(layer.samples, std::max(1, 8 * layer.threads / tiles));
    parallel_for(long(tiles) * chunks, layer.threads, [&](long task) {
        const int tile = int(task / chunks), chunk = int(task % chunks);
        std::vector<Tile<real>> weights;
        for (int p = 0; p < layer.n_inputs; ++p) weights.emplace_back(layer.inputs[p], tile * TILE, layer.neurons);
        const int begin = int(int64_t(layer.samples) * chunk / chunks);
        const int end = int(int64_t(layer.samples) * (chunk + 1) / chunks);
        for (int sample = begin; sample < end; ++sample) run_sample<Cell, real>(layer, cell, weights, tile, sample);
    });
}

// Spikes in each step (samples, steps), from the words of the raster.
inline void count_steps(const uint64_t* raster, int samples, int tiles, int steps, int64_t* per_step) {
    for (int64_t sample = 0; sample < samples; ++sample)
        for (int tile = 0; tile < tiles; ++tile) {
            const uint64_t* words = raster + (sample * tiles + tile) * steps;
            for (int t = 0; t < steps; ++t) per_step[sample * steps + t] += __builtin_popcountll(words[t]);
        }
}

// The neurons that fire, step after step, in ascending order; `offsets` (samples, steps + 1) says where a step begins.
inline void list_spikes(const uint64_t* raster, int samples, int tiles, int steps, const int64_t* offsets, int32_t* ids,
                        int threads) {
    parallel_for(samples, threads, [&](long sample) {
        int32_t* to = ids + offsets[sample * (steps + 1)];
        for (int t = 0; t < steps; ++t)
            for (int tile = 0; tile < tiles; ++tile)
                for (uint64_t left = raster[(sample * tiles + tile) * steps + t]; left; left &= left - 1)
                    *to++ = tile * TILE + __builtin_ctzll(left);
    });
}
