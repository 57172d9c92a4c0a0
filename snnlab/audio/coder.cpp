// Cochleagrams into spikes, all channels of a step side by side. What is computed is defined in bsa.py and levels.py;
// this file computes it fast.
#include <cstdint>
#include <cstring>

namespace {

using u8 = std::uint8_t;
using i64 = std::int64_t;

constexpr i64 kLanes = SNNLAB_LANES;  // channels that are coded side by side, as coder.py fills up rows

// Spelt out as vectors: compilers unroll loops over so few channels before they see that they could be one instruction.
typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double))));
typedef i64 Mask __attribute__((vector_size(kLanes * sizeof(i64))));

inline Lanes load(const double* at) {
    Lanes value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

inline Lanes absolute(Lanes value) { return value < 0 ? -value : value; }

// Which of some channels have a spike at the beginning of these steps: where taking the kernel away makes what is left
// smaller by more than the threshold.
Mask compare(const double* at, i64 width, const double* kernel, i64 taps, double threshold) {
    Lanes with = {}, without = {};
    for (i64 j = 0; j < taps; ++j) {
        const Lanes value = load(at + j * width);
        with += absolute(value - kernel[j]);
        without += absolute(value);
    }
    return with < without - threshold;
}

void take_away(double* at, i64 width, const double* kernel, i64 taps, Mask fires) {
    for (i64 j = 0; j < taps; ++j) {
        const Lanes value = load(at + j * width), less = fires ? value - kernel[j] : value;
        std::memcpy(at + j * width, &less, sizeof less);
    }
}

}  // namespace

extern "C" {

// `signal` (steps + taps, width) is what is left of it on return; `raster` is (steps, width).
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
            if (any) take_away(at, width, kernel, taps, fires);
        }
}

// `reached` (channels) counts levels, and begins at 0; `raster` is (frames * hold, 2 * channels), ON before OFF.
void snnlab_levels(const double* frames, i64 count, i64 channels, i64 hold, double level, double* __restrict reached,
                   u8* __restrict raster) {
    for (i64 step = 0; step < count * hold; ++step) {
        const double* const value = frames + step / hold * channels;
        u8 *on = raster + step * 2 * channels, *off = on + channels;
        for (i64 i = 0; i < channels; ++i) {
            on[i] = value[i] >= (reached[i] + 1) * level;
            off[i] = value[i] <= (reached[i] - 1) * level;
            reached[i] += double(on[i]) - double(off[i]);
        }
    }
}
}
