// Cochlea models, as defined in lyon.py and gammatone.py, with channels in parallel.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace {

using i64 = std::int64_t;

constexpr double kTiny = 1e-200;    // smaller states are set to 0, because subnormal parameters are slow
constexpr i64 kFlushInterval = 64;  // samples between flushes of tiny states
constexpr double kMaxControl = 0.9; // largest reduction by a gain control

// An allocator of aligned memory for vector instructions.
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

void flush(double* state, i64 size) {
    for (i64 k = 0; k < size; ++k) state[k] = std::fabs(state[k]) < kTiny ? 0.0 : state[k];
}

// A cascade of second-order sections. They run in parallel, each on the sample that the previous section has just
// finished: in round d, section i processes sample d - i. Rows of the last rounds are stored until all are finished.
class Cascade {
public:
    Cascade(const double* sections, i64 size)
        : sections_(sections), size_(size), first_(std::size_t(size)), second_(std::size_t(size)) {
        while (rows_ < size) rows_ *= 2;
        ring_.assign(std::size_t(rows_ * (size + 1)), 0.0);
    }

    // Round d receives the sample of round d + 1, and returns the outputs of all sections for sample d - size + 1.
    void round(i64 d, double sample, double* __restrict out) {
        step(row(d - 1), row(d) + 1);
        row(d)[0] = sample;
        if (d % kFlushInterval == 0) flush(first_.data(), size_), flush(second_.data(), size_);
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

// Half-wave rectification, then four stages of automatic gain control: each attenuates a channel by its recent output
// and that of its neighbours.
class Control {
public:
    // `parameters`: target and epsilon of each stage.
    Control(const double* parameters, i64 size)
        : parameters_(parameters), size_(size), stride_((size + 2 * kHalo + kHalo - 1) / kHalo * kHalo),
          state_(std::size_t(kStages * stride_)), next_(std::size_t(kStages * stride_)) {}

    void step(double* __restrict x) {
        const Stage a = stage(0), b = stage(1), c = stage(2), d = stage(3);
#pragma GCC ivdep
        for (i64 i = 0; i < size_; ++i) {
            const double wave = x[i] > 0.0 ? x[i] : 0.0;
            x[i] = d.attenuated(c.attenuated(b.attenuated(a.attenuated(wave, i), i), i), i);
        }
        // not when they are read, because reading a vector just after a partial write stalls
        for (double* t : {a.next, b.next, c.next, d.next}) t[-1] = t[0], t[size_] = t[size_ - 1];
        std::swap(state_, next_);
    }

    void flush_states() { flush(state_.data(), kStages * stride_); }

private:
    static constexpr i64 kStages = 4, kHalo = 8;  // padding before the first channel; only the last is read

    struct Stage {
        double drive, coupling;
        const double* state;
        double* next;

        double attenuated(double x, i64 i) const {
            x *= 1.0 - state[i];
            const double updated = x * drive + coupling * (state[i - 1] + state[i] + state[i + 1]);
            next[i] = updated > kMaxControl ? kMaxControl : updated;
            return x;
        }
    };

    Stage stage(i64 k) {
        const double target = parameters_[2 * k], epsilon = parameters_[2 * k + 1];
        const i64 begin = k * stride_ + kHalo;
        return {epsilon / target, (1.0 - epsilon) / 3.0, state_.data() + begin, next_.data() + begin};
    }

    const double* parameters_;
    i64 size_, stride_;
    Row state_, next_;
};

void rectify(Row& x) {
    for (double& value : x) value = std::max(value, 0.0);
}

// The low-pass filter before decimation, sampled at the end of each frame; frames of one sample are not filtered.
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
        if (n % kFlushInterval == 0) flush(first, size_), flush(second, size_);
        if (++count_ < decimation_) return;
        count_ = 0;
        const double* const frame = decimation_ > 1 ? y : x;
        // rounding may leave a decaying signal slightly negative
        out_ = std::transform(frame + skipped_, frame + size_, out_, [](double value) { return std::max(value, 0.0); });
    }

private:
    double gain_, b1_, b2_;
    i64 decimation_, size_, skipped_, count_ = 0;
    double* out_;
    Row y_, first_, second_;
};

// Each channel minus the next lower one, rectified.
void subtract_neighbours(const double* __restrict x, double* __restrict sharp, i64 size) {
    sharp[0] = x[0];
    for (i64 i = 1; i < size; ++i) sharp[i] = std::max(x[i - 1] - x[i], 0.0);
}

// Four complex poles in series per channel; states are (stage, real or imaginary part, channel).
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

    void flush_states() { flush(state_.data(), 8 * size_); }

private:
    const double* poles_;  // (3, size): real part, imaginary part, gain
    i64 size_;
    Row state_;
};

}  // namespace

extern "C" {

// Both return 0, or 1 if out of memory; `out` is (frames, channels).
int snnlab_lyon(const double* sound, i64 frames, i64 decimation, const double* sections, i64 size,
                const double* parameters, i64 controlled, i64 difference, const double* filter, double* out) try {
    Cascade cascade(sections, size);
    Control control(parameters, size);
    Frames output(filter, decimation, size, 2, out);
    Row x(std::size_t(size), 0.0), sharp(std::size_t(size), 0.0);
    const i64 samples = frames * decimation;
    for (i64 d = -1; d < samples + size - 1; ++d) {
        cascade.round(d, d + 1 < samples ? sound[d + 1] : 0.0, x.data());
        const i64 n = d - size + 1;
        if (n < 0) continue;
        if (n % decimation == 0) x[0] = x[1] = 0.0;
        controlled ? control.step(x.data()) : rectify(x);
        if (n % kFlushInterval == 0) control.flush_states();
        if (difference) subtract_neighbours(x.data(), sharp.data(), size);
        output.step(n, difference ? sharp.data() : x.data());
    }
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

int snnlab_gammatone(const double* sound, i64 frames, i64 decimation, const double* poles, i64 size,
                     const double* filter, double* out) try {
    Gammatones bank(poles, size);
    Frames output(filter, decimation, size, 0, out);
    Row envelope(std::size_t(size), 0.0);
    for (i64 n = 0; n < frames * decimation; ++n) {
        bank.step(sound[n], envelope.data());
        if (n % kFlushInterval == 0) bank.flush_states();
        output.step(n, envelope.data());
    }
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
}
