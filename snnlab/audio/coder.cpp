// Spike codes of cochleagrams, as defined in bsa.py and levels.py, with channels in parallel.
#include <cstdint>
#include <cstring>

namespace {

using u8 = std::uint8_t;
using i64 = std::int64_t;

constexpr i64 kLanes = SNNLAB_LANES;  // channels in parallel; coder.py pads rows to a multiple

// Explicit vectors, because compilers unroll loops over so few channels instead of vectorising them.
typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double))));
typedef i64 Mask __attribute__((vector_size(kLanes * sizeof(i64))));

inline Lanes load(const double* at) {
    Lanes value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

inline Lanes absolute(Lanes value) { return value < 0 ? -value : value; }

// Channels with a spike at the start of these steps: where subtracting the kernel reduces the residual by more than the
// threshold.
Mask compare(const double* at, i64 width, const double* kernel, i64 taps, double threshold) {
    Lanes with = {}, without = {};
    for (i64 j = 0; j < taps; ++j) {
        const Lanes value = load(at + j * width);
        with += absolute(value - kernel[j]);
        without += absolute(value);
    }
    return with < without - threshold;
}

void subtract(double* at, i64 width, const double* kernel, i64 taps, Mask fires) {
    for (i64 j = 0; j < taps; ++j) {
        const Lanes value = load(at + j * width), less = fires ? value - kernel[j] : value;
        std::memcpy(at + j * width, &less, sizeof less);
    }
}

}  // namespace

extern "C" {

// `signal` (steps + taps, width) is the residual on return; `raster` is (steps, width).
void snnlab_bsa(double* signal, i64 steps, i64 width, const double* kernel, i64 taps, double threshold, u8* raster) {
    for (i64 first = 0; first < width; first += kLanes)
        for (i64 step = 0; step < steps; ++step) {
            double* const at = signal + step * width + first;
            const Mask fires = compare(at, width, kernel, taps, threshold);
            i64 any = 0;
            for (i64 lane = 0; lane < kLanes; ++lane) {
                raster[step * width + first + lane] = fires[lane] != 0;
                any |= fires[lane];
            }
            if (any) subtract(at, width, kernel, taps, fires);
        }
}

// `reference` (channels) is in levels, initially 0; `raster` is (frames * steps_per_frame, 2 * channels), ON first.
void snnlab_levels(const double* frames, i64 count, i64 channels, i64 steps_per_frame, double level,
                   double* __restrict reference, u8* __restrict raster) {
    for (i64 step = 0; step < count * steps_per_frame; ++step) {
        const double* const value = frames + step / steps_per_frame * channels;
        u8 *on = raster + step * 2 * channels, *off = on + channels;
        for (i64 i = 0; i < channels; ++i) {
            on[i] = value[i] >= (reference[i] + 1) * level;
            off[i] = value[i] <= (reference[i] - 1) * level;
            reference[i] += double(on[i]) - double(off[i]);
        }
    }
}
}
