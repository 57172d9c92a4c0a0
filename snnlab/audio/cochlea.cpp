// Two models of the ear, all channels of a step side by side. What is computed is defined in lyon.py and gammatone.py;
// this file computes it fast.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace {

using i64 = std::int64_t;

constexpr double kGone = 1e-200;  // a state below it is silence; numbers much smaller are computed very slowly
constexpr i64 kSweep = 64;        // samples between two looks for such states
constexpr double kLoudest = 0.9;  // what a gain control takes away at most

// Memory that begins where a vector register's share of it does.
template <class T>
struct Aligned {
    using value_type = T;
    static constexpr std::align_val_t kLine{64};
    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
    void deallocate(T* at, std::size_t) { ::operator delete(at, kLine); }
    bool operator==(const Aligned&) const { return true; }
    bool operator!=(const Aligned&) const { return false; }
};

using Row = std::vector<double, Aligned<double>>;

void sweep(double* state, i64 size) {
    for (i64 k = 0; k < size; ++k) state[k] = std::fabs(state[k]) < kGone ? 0.0 : state[k];
}

// A cascade of second-order sections. The sections work side by side, each on the sample that the one before it has
// just left: in round d section i is at sample d - i. The rows of the last rounds are kept until all are through.
class Cascade {
public:
    Cascade(const double* sections, i64 size)
        : sections_(sections), size_(size), first_(std::size_t(size)), second_(std::size_t(size)) {
        while (rows_ < size) rows_ *= 2;
        ring_.assign(std::size_t(rows_ * (size + 1)), 0.0);
    }

    // Round d takes the sample for round d + 1, and gives the outputs of all sections for sample d - size + 1.
    void round(i64 d, double sample, double* __restrict out) {
        step(row(d - 1), row(d) + 1);
        row(d)[0] = sample;
        if (d % kSweep == 0) sweep(first_.data(), size_), sweep(second_.data(), size_);
        const i64 n = d - size_ + 1;
        if (n < 0) return;
        for (i64 i = 0; i < size_; ++i) out[i] = row(n + i)[i + 1];
    }

private:
    double* row(i64 d) { return ring_.data() + (d & (rows_ - 1)) * (size_ + 1); }

    void step(const double* __restrict in, double* __restrict out) {
        const double *a0 = sections_, *a1 = a0 + size_, *a2 = a1 + size_, *b1 = a2 + size_, *b2 = b1 + size_;
        double *__restrict first = first_.data(), *__restrict second = second_.data();
        for (i64 i = 0; i < size_; ++i) {
            const double y = a0[i] * in[i] + first[i];
            first[i] = a1[i] * in[i] - b1[i] * y + second[i];
            second[i] = a2[i] * in[i] - b2[i] * y;
            out[i] = y;
        }
    }

    const double* sections_;  // (5, size): a0, a1, a2, b1, b2
    i64 size_, rows_ = 1;
    Row first_, second_, ring_;
};

// Half-wave rectification, then four stages of automatic gain control: in each, a channel is turned down by what it and
// its neighbours were of late.
class Control {
public:
    // `numbers` holds target and epsilon of each stage.
    Control(const double* numbers, i64 size)
        : numbers_(numbers), size_(size), stride_((size + 2 * kHalo + kHalo - 1) / kHalo * kHalo),
          state_(std::size_t(kStages * stride_)), next_(std::size_t(kStages * stride_)) {}

    void step(double* __restrict x) {
        const Stage a = stage(0), b = stage(1), c = stage(2), d = stage(3);
#pragma GCC ivdep
        for (i64 i = 0; i < size_; ++i) {
            const double wave = x[i] > 0.0 ? x[i] : 0.0;
            x[i] = d.turned_down(c.turned_down(b.turned_down(a.turned_down(wave, i), i), i), i);
        }
        // set now, not when they are read: a vector that was just written in part must be waited for
        for (double* t : {a.next, b.next, c.next, d.next}) t[-1] = t[0], t[size_] = t[size_ - 1];
        std::swap(state_, next_);
    }

    void rest() { sweep(state_.data(), kStages * stride_); }

private:
    static constexpr i64 kStages = 4, kHalo = 8;  // cells before the first channel, of which the last is read

    struct Stage {
        double drive, spread;
        const double* state;
        double* next;

        double turned_down(double x, i64 i) const {
            x *= 1.0 - state[i];
            const double moved = x * drive + spread * (state[i - 1] + state[i] + state[i + 1]);
            next[i] = moved > kLoudest ? kLoudest : moved;
            return x;
        }
    };

    Stage stage(i64 k) {
        const double target = numbers_[2 * k], epsilon = numbers_[2 * k + 1];
        const i64 begin = k * stride_ + kHalo;
        return {epsilon / target, (1.0 - epsilon) / 3.0, state_.data() + begin, next_.data() + begin};
    }

    const double* numbers_;
    i64 size_, stride_;
    Row state_, next_;
};

void rectify(Row& x) {
    for (double& value : x) value = std::max(value, 0.0);
}

// The low-pass before decimation, and what it let through at the end of each frame; a frame of one sample is kept as it
// is.
class Frames {
public:
    Frames(const double* filter, i64 decimation, i64 size, i64 skipped, double* out)
        : gain_(filter[0]), b1_(filter[1]), b2_(filter[2]), decimation_(decimation), size_(size), skipped_(skipped),
          out_(out), y_(std::size_t(size)), first_(std::size_t(size)), second_(std::size_t(size)) {}

    void step(i64 n, const double* __restrict x) {
        double *__restrict y = y_.data(), *__restrict first = first_.data(), *__restrict second = second_.data();
        for (i64 i = 0; i < size_; ++i) {
            y[i] = first[i];
            first[i] = second[i] - b1_ * y[i];
            second[i] = gain_ * x[i] - b2_ * y[i];
        }
        if (n % kSweep == 0) sweep(first, size_), sweep(second, size_);
        if (++count_ < decimation_) return;
        count_ = 0;
        const double* const kept = decimation_ > 1 ? y : x;
        // rounding leaves what fades away a hair below 0
        out_ = std::transform(kept + skipped_, kept + size_, out_, [](double value) { return std::max(value, 0.0); });
    }

private:
    double gain_, b1_, b2_;
    i64 decimation_, size_, skipped_, count_ = 0;
    double* out_;
    Row y_, first_, second_;
};

// Neighbours subtracted, the higher channel less the lower, and what is left of it above 0.
void subtract_neighbours(const double* __restrict x, double* __restrict sharp, i64 size) {
    sharp[0] = x[0];
    for (i64 i = 1; i < size; ++i) sharp[i] = std::max(x[i - 1] - x[i], 0.0);
}

// Four complex poles in a row for each channel; their states as (stage, real or imaginary, channel).
class Gammatones {
public:
    Gammatones(const double* poles, i64 size) : poles_(poles), size_(size), state_(std::size_t(8 * size)) {}

    void step(double sample, double* __restrict envelope) {
        const double *re = poles_, *im = poles_ + size_, *gain = poles_ + 2 * size_;
        double* const s = state_.data();
        for (i64 i = 0; i < size_; ++i) {
            double x = gain[i] * sample, y = 0;
            for (i64 k = 0; k < 4; ++k) {
                double &u = s[2 * k * size_ + i], &v = s[(2 * k + 1) * size_ + i];
                const double next = re[i] * u - im[i] * v + x;
                v = re[i] * v + im[i] * u + y;
                u = next;
                x = u, y = v;
            }
            envelope[i] = std::sqrt(x * x + y * y);
        }
    }

    void rest() { sweep(state_.data(), 8 * size_); }

private:
    const double* poles_;  // (3, size): real part, imaginary part, gain
    i64 size_;
    Row state_;
};

}  // namespace

extern "C" {

// Both give 0, and 1 where memory ran out; `out` is (frames, channels).
int snnlab_lyon(const double* sound, i64 frames, i64 decimation, const double* sections, i64 size, const double* numbers,
                i64 controlled, i64 difference, const double* filter, double* out) try {
    Cascade cascade(sections, size);
    Control control(numbers, size);
    Frames kept(filter, decimation, size, 2, out);
    Row x(std::size_t(size), 0.0), sharp(std::size_t(size), 0.0);
    const i64 samples = frames * decimation;
    for (i64 d = -1; d < samples + size - 1; ++d) {
        cascade.round(d, d + 1 < samples ? sound[d + 1] : 0.0, x.data());
        const i64 n = d - size + 1;
        if (n < 0) continue;
        if (n % decimation == 0) x[0] = x[1] = 0.0;
        controlled ? control.step(x.data()) : rectify(x);
        if (n % kSweep == 0) control.rest();
        if (difference) subtract_neighbours(x.data(), sharp.data(), size);
        kept.step(n, difference ? sharp.data() : x.data());
    }
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

int snnlab_gammatone(const double* sound, i64 frames, i64 decimation, const double* poles, i64 size,
                     const double* filter, double* out) try {
    Gammatones bank(poles, size);
    Frames kept(filter, decimation, size, 0, out);
    Row envelope(std::size_t(size), 0.0);
    for (i64 n = 0; n < frames * decimation; ++n) {
        bank.step(sound[n], envelope.data());
        if (n % kSweep == 0) bank.rest();
        kept.step(n, envelope.data());
    }
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
}
