// Delivery of spikes through a projection: how each kind of weights increases the receptors of the target neurons.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

#include "raster.hpp"
#include "vector.hpp"

enum Kind : int32_t { FULL, CONVOLUTION, SPARSE };

// A projection onto the population: its spikes and the receptor that they increase.
struct Input {
    const int32_t* ids;      // spikes of the batch, see snnlab/data/spikes.py; null if the projection is recurrent
    const int64_t* offsets;  // (samples, steps + 1)
    const void* weights;     // real: full (pre, neurons); convolution: see Kernels; sparse: the stored values
    const int32_t* shape;    // convolution: Kernels; sparse: the start of each row (pre + 1), then the targets
    int32_t kind, pre, receptor, delay;
};

// The columns of one tile, contiguous and aligned; padding neurons have weights of zero.
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

// Adds the weights of the spikes [id, end) to the first WIDTH receptors of a tile, in registers, in the order of
// Brian2. Not inlined: in the loop over steps its pointers would be spilled.
template <class real, int WIDTH>
static __attribute__((noinline)) void deliver(
    real* receptor, const Vec<real>* rows, const int32_t* id, const int32_t* end
) {
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

// Kernels of a convolution. Neurons of an image are numbered by row, column and channel, so that the weights of a spike
// onto one row of the postsynaptic image are contiguous if the kernel's columns are stored in reverse order. Zeros
// follow each row of weights, so that a run can be read in whole vectors.
struct Kernels {
    int32_t image_columns, rows, columns, channels_in, channels_out, out_rows, out_columns, stride;

    // Calls act(first, from, run) for each row of the postsynaptic image that a spike of neuron `id` reaches: neurons
    // [first, first + run), through the weights from index `from` on in (channels_in, rows, stride). A run is extended
    // into the zeros to a whole number of vectors, except at the right edge of the image.
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

// Calls act(target, from) for each synapse of neuron `id` with sparse weights; `shape` as in Input.
template <class Act> inline void each_synapse(const int32_t* shape, int32_t pre, int32_t id, const Act& act) {
    for (int32_t k = shape[id]; k < shape[id + 1]; ++k) act(shape[pre + 1 + k], k);
}
