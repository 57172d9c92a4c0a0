// How spikes cross a projection: what each kind of weights adds to the receptors of the neurons behind it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

#include "raster.hpp"
#include "vector.hpp"

enum Kind : int32_t { FULL, CONVOLUTION, SPARSE };

// A projection onto the population: the spikes that cross it and the receptor they raise.
struct Input {
    const int32_t* ids;      // spikes of the batch, see snnlab/data/spikes.py; null where the population hears itself
    const int64_t* offsets;  // (samples, steps + 1)
    const void* weights;     // real: full (pre, neurons); convolution, see Kernels; sparse, the values stored
    const int32_t* shape;    // convolution: see Kernels; sparse: where each row begins (pre + 1), and the targets
    int32_t kind, pre, receptor, delay;
};

// The columns of one tile, side by side and aligned; neurons beyond the last get weights of zero.
template <class real> struct Tile {
    std::unique_ptr<Vec<real>[]> rows;
    Tile(const Input& input, int first, int neurons)
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

// Adds the weights of the spikes [id, end) to the first WIDTH receptors of a tile, in registers, one after another as
// Brian2 does; a function of its own, because inlined into the loop over steps its pointers would be spilled.
template <class real, int WIDTH>
static __attribute__((noinline)) void deliver(real* receptor, const Vec<real>* rows, const int32_t* id, const int32_t* end) {
    constexpr int N = WIDTH / LANES<real>;
    Vec<real>* to = reinterpret_cast<Vec<real>*>(receptor);
    Vec<real> sum[N];
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) sum[k].of = to[k].of;
    for (; id < end; ++id) {
        const Vec<real>* row = rows + int64_t(*id) * (TILE / LANES<real>);
#pragma GCC unroll 8
        for (int k = 0; k < N; ++k) sum[k].of += row[k].of;
    }
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) to[k].of = sum[k].of;
}

// Kernels that all places of an image share. Neurons of an image are numbered by row, column and channel, so that what
// a spike adds to one row of the image behind is one run of numbers, if the kernel's columns are stored last first.
// Each such row of weights is followed by zeros, so that a run may be read in whole vectors.
struct Kernels {
    int32_t image_columns, rows, columns, channels_in, channels_out, out_rows, out_columns, stride;

    // Calls act(first, from, run) for each row of the image behind that a spike of neuron `id` reaches: the neurons
    // [first, first + run), through the weights that begin at `from` in (channels in, rows, stride). A run goes on into
    // the zeros, to a whole number of vectors, where the image's right edge does not cut it off.
    template <class Act> void each_run(int32_t id, const Act& act) const {
        constexpr int WHOLE = 16;
        const int channel = id % channels_in, place = id / channels_in;
        const int x = place % image_columns, y = place / image_columns;
        const int left = std::max(0, x - columns + 1), right = std::min(out_columns - 1, x);
        const int skip = left - (x - columns + 1);
        int run = (right - left + 1) * channels_out;
        if (right == x) run = (run + WHOLE - 1) / WHOLE * WHOLE;
        for (int dy = std::max(0, y - out_rows + 1); dy < std::min(rows, y + 1); ++dy)
            act(((y - dy) * out_columns + left) * channels_out,
                (int64_t(channel) * rows + dy) * stride + skip * channels_out, run);
    }
};

// Calls act(target, from) for each synapse of neuron `id` behind sparse weights; `shape` as in Input.
template <class Act> inline void each_synapse(const int32_t* shape, int32_t pre, int32_t id, const Act& act) {
    for (int32_t k = shape[id]; k < shape[id + 1]; ++k) act(shape[pre + 1 + k], k);
}
