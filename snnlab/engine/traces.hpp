// Products of output spikes with un-reset input traces, for cells that are linear between their spikes.
//
// With P the output spikes (and what their resets take away) and M the trace that each input leaves on the membrane,
// the products wanted are sums of P[i, t] M[j, t]. M is never formed: M is the cell's linear response to the input
// spikes, so the same response is run backwards in time from the output spikes, once per output neuron, and is read
// where an input spike arrives. The cost is one row of additions per input spike, as in the forward pass.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>

#include "parallel.hpp"
#include "vector.hpp"

struct Products {
    const int32_t* ids;           // input spikes, see snnlab/spikes.py
    const int64_t* offsets;       // (samples, steps + 1)
    const uint64_t* raster;       // output spikes, see layer.hpp
    const double* transition;     // (states, states): state after a step = transition * state before
    const void* scale;            // real (samples, post): what each sample's products are multiplied by in `summed`
    const void* weights;          // real (pre, post), or null where `sent` is not wanted
    const void* send;             // real (samples, post), or null
    void* summed;                 // out real (chunks, pre, post): sum over samples of scale_i * (P M)_ij
    void* sent;                   // out real (tiles, samples, pre): sum over i of send_i * w_ij * (P M)_ij
    int32_t pre, post, samples, steps, watched, receptor, held, delay, chunks, threads;
};
// held   steps after a spike in which the membrane stays at its reset
// chunks number of parts into which samples are divided; fixed by the caller, so that sums do not depend on threads

constexpr int WORD = 64;

template <class real, int STATES, int WIDTH> class Backward {
    const Products& p;
    const int first, width, tile;
    static constexpr int N = WIDTH / LANES<real>;
    std::unique_ptr<Vec<real>[]> sum;      // (pre, WIDTH)
    std::unique_ptr<Vec<real>[]> weights;  // (pre, WIDTH)
    real transition[STATES][STATES];

public:
    Backward(const Products& products, int tile_)
        : p(products), first(tile_ * WIDTH), width(std::min(WIDTH, products.post - first)), tile(tile_),
          sum(new Vec<real>[size_t(products.pre) * N]()) {
        for (int a = 0; a < STATES; ++a)
            for (int b = 0; b < STATES; ++b) transition[a][b] = real(p.transition[a * STATES + b]);
        if (!p.weights) return;
        weights.reset(new Vec<real>[size_t(p.pre) * N]());
        for (int64_t j = 0; j < p.pre; ++j)
            std::memcpy(&weights[j * N], static_cast<const real*>(p.weights) + j * p.post + first,
                        width * sizeof(real));
    }

    void sample(int b) {
        alignas(64) real scale[WIDTH] = {}, send[WIDTH] = {};
        const int64_t at = int64_t(b) * p.post + first;
        std::memcpy(scale, static_cast<const real*>(p.scale) + at, width * sizeof(real));
        if (p.send) std::memcpy(send, static_cast<const real*>(p.send) + at, width * sizeof(real));
        bool idle = true;
        for (int k = 0; k < WIDTH; ++k) idle = idle && scale[k] == 0 && send[k] == 0;
        if (idle) return;  // nothing to learn here
        const int64_t words = (int64_t(p.post) + WORD - 1) / WORD;
        const uint64_t* raster = p.raster + (int64_t(b) * words + first / WORD) * p.steps;
        alignas(64) real response[STATES][WIDTH] = {};
        bool silent = true;
        for (int t = p.steps - 1; t >= 0; --t) {
            if (!silent && t >= p.delay) arrive(b, t, response[p.receptor], scale, send);
            const uint64_t fired = fires(raster, t);
            silent = silent && !fired;
            if (silent) continue;
            // the membrane was clamped from the spike before until here, so nothing earlier acts through it
            if (p.held > 0 && t >= p.held) put(response[p.watched], fires(raster, t - p.held), real(0));
            put(response[p.watched], fired, real(1));
            back(response);
        }
    }

    void store(int chunk) const {
        real* to = static_cast<real*>(p.summed) + int64_t(chunk) * p.pre * p.post + first;
        for (int64_t j = 0; j < p.pre; ++j, to += p.post) std::memcpy(to, &sum[j * N], width * sizeof(real));
    }

private:
    uint64_t fires(const uint64_t* raster, int t) const {
        const uint64_t word = raster[t] >> (first % WORD);
        return width == 64 ? word : word & ((1ull << width) - 1);
    }

    static void put(real* values, uint64_t where, real value) {
        for (; where; where &= where - 1) values[__builtin_ctzll(where)] = value;
    }

    void arrive(int b, int t, const real* response, const real* scale, const real* send) {
        const int64_t* at = p.offsets + int64_t(b) * (p.steps + 1) + (t - p.delay);
        if (at[0] == at[1]) return;
        const int32_t *begin = p.ids + at[0], *end = p.ids + at[1];
        Vec<real> scaled[N];
        multiply(scaled, scale, response);
        for (const int32_t* id = begin; id < end; ++id) {
            Vec<real>* to = &sum[int64_t(*id) * N];
            prefetch<N>(&sum[int64_t(id[id + AHEAD < end ? AHEAD : 0]) * N]);
#pragma GCC unroll 8
            for (int k = 0; k < N; ++k) to[k].of += scaled[k].of;
        }
        if (!p.send) return;
        real* sent = static_cast<real*>(p.sent) + (int64_t(tile) * p.samples + b) * p.pre;
        multiply(scaled, send, response);
        for (const int32_t* id = begin; id < end; ++id) {
            const Vec<real>* weight = &weights[int64_t(*id) * N];
            Vec<real> total = {};
            for (int k = 0; k < N; ++k) total.of += weight[k].of * scaled[k].of;
            real all = 0;
            for (int k = 0; k < LANES<real>; ++k) all += total.of[k];
            sent[*id] += all;
        }
    }

    static void multiply(Vec<real>* out, const real* a, const real* b) {
        alignas(64) real product[WIDTH];
        for (int k = 0; k < WIDTH; ++k) product[k] = a[k] * b[k];
        std::memcpy(out, product, sizeof product);
    }

    // One step backwards: the transpose of the transition.
    void back(real response[][WIDTH]) const {
        for (int k = 0; k < WIDTH; ++k) {
            real before[STATES];
            for (int a = 0; a < STATES; ++a) {
                before[a] = 0;
                for (int s = 0; s < STATES; ++s) before[a] += transition[s][a] * response[s][k];
            }
            for (int a = 0; a < STATES; ++a) response[a][k] = before[a];
        }
    }
};

template <class real, int STATES, int WIDTH> void run_products(const Products& p) {
    static_assert(WORD % WIDTH == 0, "a tile must not straddle two words of the raster");
    const int tiles = (p.post + WIDTH - 1) / WIDTH;
    parallel_for(long(tiles) * p.chunks, p.threads, [&](long task) {
        const int tile = int(task / p.chunks), chunk = int(task % p.chunks);
        Backward<real, STATES, WIDTH> backward(p, tile);
        const int begin = int(int64_t(p.samples) * chunk / p.chunks);
        const int end = int(int64_t(p.samples) * (chunk + 1) / p.chunks);
        for (int b = begin; b < end; ++b) backward.sample(b);
        backward.store(chunk);
    });
}
