// Spikes as one bit per neuron and step: bit k of word (sample, tile, step) is neuron 64 * tile + k.
#pragma once
#include <cstdint>
#include <cstring>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "parallel.hpp"

constexpr int TILE = 64;
constexpr int NARROW = 16;  // a tile of at most so many neurons is computed without its padding

inline int tiles_of(int neurons) { return (neurons + TILE - 1) / TILE; }

// 64 flags, each 0 or 1, into one word.
inline uint64_t pack(const int32_t* flags) {
#ifdef __AVX512F__
    uint64_t word = 0;
    for (int k = 0; k < 4; ++k) {
        const __m512i sixteen = _mm512_load_si512(flags + 16 * k);
        word |= uint64_t(_mm512_test_epi32_mask(sixteen, sixteen)) << (16 * k);
    }
    return word;
#else
    uint8_t narrow[TILE];
    for (int k = 0; k < TILE; ++k) narrow[k] = uint8_t(flags[k]);
    uint64_t word = 0;
    for (int k = 0; k < 8; ++k) {
        uint64_t eight;
        std::memcpy(&eight, narrow + 8 * k, 8);
        word |= ((eight * 0x0102040810204080ull) >> 56) << (8 * k);
    }
    return word;
#endif
}

// Calls act(k) for each bit k that is set, in ascending order.
template <class Act> inline void each_bit(uint64_t word, const Act& act) {
    for (; word; word &= word - 1) act(__builtin_ctzll(word));
}

// Adds up the spikes in each step (samples, steps).
inline void count_steps(const uint64_t* raster, int samples, int tiles, int steps, int64_t* per_step, int threads) {
    parallel_for(samples, threads, [&](long sample) {
        for (int tile = 0; tile < tiles; ++tile) {
            const uint64_t* words = raster + (int64_t(sample) * tiles + tile) * steps;
            for (int t = 0; t < steps; ++t) per_step[int64_t(sample) * steps + t] += __builtin_popcountll(words[t]);
        }
    });
}

// The neurons that fire, by step and in ascending order, and the spikes of each (samples, neurons). `offsets`
// (samples, steps + 1) holds the start of each step in `ids`.
inline void list_spikes(const uint64_t* raster, int samples, int neurons, int steps, const int64_t* offsets,
                        int32_t* ids, int32_t* counts, int threads) {
    const int tiles = tiles_of(neurons);
    parallel_for(samples, threads, [&](long sample) {
        const int64_t begin = offsets[sample * (steps + 1)], end = offsets[(sample + 1) * (steps + 1) - 1];
        std::vector<int32_t> found(end - begin + 1);
        int32_t* to = found.data();
        const uint64_t* words = raster + sample * tiles * steps;
        // the loop below reads in long strides, which processors do not prefetch
        for (int64_t k = 0; k < int64_t(tiles) * steps; k += 8) __builtin_prefetch(words + k);
        for (int t = 0; t < steps; ++t)
            for (int tile = 0; tile < tiles; ++tile) {
                const uint64_t word = words[int64_t(tile) * steps + t];
                // mostly zero or one neuron fires: its number is always written, and counted if there is one
                *to = tile * TILE + __builtin_ctzll(word | 1ull << (TILE - 1));
                to += word != 0;
                each_bit(word & (word - 1), [&](int k) { *to++ = tile * TILE + k; });
            }
        std::memcpy(ids + begin, found.data(), (end - begin) * sizeof *ids);
        for (const int32_t* id = ids + begin; id < ids + end; ++id) ++counts[sample * neurons + *id];
    });
}
