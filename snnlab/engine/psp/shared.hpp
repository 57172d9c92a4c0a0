// The products of traces.hpp for convolutions and pooling: neurons of all places, one sample after another.
//
// The cell's linear response runs backwards in time from the output spikes and is read at the arrival of input spikes.
// An input spike reads it at the target neurons of one kernel, and adds it to the gradient of that kernel.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "deliver.hpp"
#include "parallel.hpp"
#include "raster.hpp"
#include "vector.hpp"

struct SharedProducts {
    const int32_t* ids;        // input spikes, see snnlab/data/spikes.py
    const int64_t* offsets;    // (samples, steps + 1)
    const uint64_t* raster;    // output spikes, see raster.hpp
    const double* transition;  // (states, states): state after a step = transition * state before
    const void* scale;         // real (samples, post): factors of each sample's products in `gradient`
    const void* weights;       // real, as in Input
    const int32_t* shape;      // as in Input
    const void* send;          // real (samples, post), or null without `backward`
    void* gradient;            // out real (chunks, stored weights), or null: sum over samples of scale_i * (P M)_ij
    void* backward;            // out real (samples, pre): sum over i of send_i * w_ij * (P M)_ij
    int64_t stored;
    int32_t kind, pre, post, samples, steps, membrane, receptor, reset_steps, delay, chunks, threads;
};
// reset_steps  steps after a spike in which the membrane stays at its reset
// chunks       parts into which samples are divided; set by the caller, so that sums do not depend on threads

template <class real, int STATES> class SharedBackward {
    const SharedProducts& p;
    const int tiles;
    const int64_t span;
    real transition[STATES][STATES];
    Kernels kernels;
    const int64_t row;                    // span, and the padding that a run may read
    std::unique_ptr<Vec<real>[]> memory;  // the response (states, row), and its products with `scale` and `send`
    std::vector<int> last;                // the last step in which a tile fires, -1 for never
    real* const gradient;
    const real *scale = nullptr, *send = nullptr;
    const uint64_t* raster = nullptr;

public:
    SharedBackward(const SharedProducts& products, int chunk)
        : p(products), tiles(tiles_of(products.post)), span(int64_t(tiles) * TILE),
          row(span + 2 * LANES<real>), memory(new Vec<real>[(STATES + 2) * row / LANES<real>]), last(tiles),
          gradient(p.gradient ? static_cast<real*>(p.gradient) + chunk * p.stored : nullptr) {
        for (int a = 0; a < STATES; ++a)
            for (int b = 0; b < STATES; ++b) transition[a][b] = real(p.transition[a * STATES + b]);
        if (p.kind == CONVOLUTION) std::memcpy(&kernels, p.shape, sizeof kernels);
    }

    void sample(int b) {
        scale = static_cast<const real*>(p.scale) + int64_t(b) * p.post;
        send = p.send ? static_cast<const real*>(p.send) + int64_t(b) * p.post : nullptr;
        raster = p.raster + int64_t(b) * tiles * p.steps;
        const int end = initialise();
        for (int t = end; t >= 0; --t) {
            if (t < end && t >= p.delay) read(b, t);
            for (int g = 0; g < tiles; ++g)
                if (t <= last[g]) step_back(g, t);
        }
    }

private:
    real* response(int s) const { return reinterpret_cast<real*>(memory.get()) + s * row; }
    real* scaled() const { return response(send ? STATES : p.receptor); }
    real* to_send() const { return response(STATES + 1); }

    // Sets the response to zero; returns the last step in which a tile with nonzero factors fires.
    int initialise() {
        std::memset(static_cast<void*>(memory.get()), 0, (STATES + 2) * row * sizeof(real));
        int end = -1;
        for (int g = 0; g < tiles; ++g) {
            last[g] = -1;
            bool idle = true;
            for (int i = g * TILE; i < std::min(p.post, (g + 1) * TILE); ++i)
                idle = idle && scale[i] == 0 && (!send || send[i] == 0);
            if (idle) continue;
            last[g] = p.steps - 1;
            while (last[g] >= 0 && !raster[int64_t(g) * p.steps + last[g]]) --last[g];
            end = std::max(end, last[g]);
        }
        return end;
    }

    // One step backwards through the cells of a tile.
    void step_back(int g, int t) {
        real* at[STATES];
        for (int s = 0; s < STATES; ++s) at[s] = response(s) + g * TILE;
        const uint64_t* words = raster + int64_t(g) * p.steps;
        // the membrane was held at its reset since the previous spike, so earlier input has no effect
        if (p.reset_steps > 0 && t >= p.reset_steps)
            each_bit(words[t - p.reset_steps], [&](int k) { at[p.membrane][k] = 0; });
        const int first = g * TILE, width = std::min(TILE, p.post - first);
        if (!send) {  // the response is linear in the value at the spike, so that value can be scaled
            each_bit(words[t], [&](int k) { at[p.membrane][k] = scale[first + k]; });
            transpose(at);
            return;
        }
        each_bit(words[t], [&](int k) { at[p.membrane][k] = 1; });
        transpose(at);
        multiply(scaled() + first, scale + first, at[p.receptor], width);
        multiply(to_send() + first, send + first, at[p.receptor], width);
    }

    static void multiply(real* __restrict out, const real* __restrict one, const real* __restrict two, int width) {
        for (int k = 0; k < width; ++k) out[k] = one[k] * two[k];
    }

    void transpose(real* const* at) const {
        real* __restrict to[STATES];
        for (int s = 0; s < STATES; ++s) to[s] = at[s];
#pragma GCC ivdep
        for (int k = 0; k < TILE; ++k) {
            real before[STATES];
            for (int a = 0; a < STATES; ++a) {
                before[a] = 0;
                for (int s = 0; s < STATES; ++s) before[a] += transition[s][a] * to[s][k];
            }
            for (int a = 0; a < STATES; ++a) to[a][k] = before[a];
        }
    }

    void read(int b, int t) {
        const int64_t* at = p.offsets + int64_t(b) * (p.steps + 1) + (t - p.delay);
        const real* weights = static_cast<const real*>(p.weights);
        real* backward = p.backward ? static_cast<real*>(p.backward) + int64_t(b) * p.pre : nullptr;
        for (const int32_t *id = p.ids + at[0], *end = p.ids + at[1]; id < end; ++id) {
            if (p.kind == SPARSE) {
                each_synapse(p.shape, p.pre, *id, [&](int i, int k) {
                    if (send) backward[*id] += weights[k] * to_send()[i];
                });
                continue;
            }
            Vec<real> total = {};
            kernels.each_run(*id, [&](int first, int64_t k, int run) {
                if (quiet(first, std::min<int>(first + run, span) - 1, t)) return;
                if (gradient) add(gradient + k, scaled() + first, run);
                if (send) weigh(total, weights + k, to_send() + first, run);
            });
            if (send)
                for (int k = 0; k < LANES<real>; ++k) backward[*id] += total.of[k];
        }
    }

    // Whether none of these neurons fires after step t, so that their response is still zero.
    bool quiet(int first, int end, int t) const {
        for (int g = first / TILE; g <= end / TILE; ++g)
            if (t < last[g]) return false;
        return true;
    }

    static void weigh(Vec<real>& total, const real* weights, const real* from, int run) {
        int k = 0;
        for (; k + LANES<real> <= run; k += LANES<real>)
            total.of += reinterpret_cast<const Loose<real>*>(weights + k)->of *
                        reinterpret_cast<const Loose<real>*>(from + k)->of;
        for (; k < run; ++k) total.of[0] += weights[k] * from[k];
    }
};

template <class real, int STATES> void run_shared(const SharedProducts& p) {
    parallel_for(p.chunks, p.threads, [&](long chunk) {
        SharedBackward<real, STATES> backward(p, int(chunk));
        const int begin = int(int64_t(p.samples) * chunk / p.chunks);
        const int end = int(int64_t(p.samples) * (chunk + 1) / p.chunks);
        for (int b = begin; b < end; ++b) backward.sample(b);
    });
}
