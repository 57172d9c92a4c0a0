// Moving images into the events of a modelled sensor. The model is defined in camera.py; this file runs it fast.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "event.hpp"
#include "parallel.hpp"

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

constexpr float kNever = std::numeric_limits<float>::infinity();
constexpr int kLanes = 8;  // rows are filled up to a multiple of so many pixels

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a stream of its own for every recording.
struct Random {
    u64 state;

    static u64 mixed(u64 z) {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }

    u64 word() { return mixed(state += 0x9E3779B97F4A7C15u); }

    // Above 0 and at most 1.
    double uniform() { return double((word() >> 11) + 1) * 0x1p-53; }

    // Box and Muller's, of which one of two is used.
    double normal() {
        const double radius = std::sqrt(-2.0 * std::log(uniform()));
        return radius * std::cos(6.283185307179586 * uniform());
    }
};

// What all recordings share; camera.py says what each number means. Times are in steps, levels in natural logarithms.
struct Sensor {
    i64 rows, columns, scene, steps;
    double step;               // microseconds
    double refractory;         // steps
    double follow;             // share of its way that the photoreceptor goes in a step, 0 to 1
    double jitter;             // spread of a threshold from event to event, as a share of it
    double noise, noise_on;  // events of all pixels together in a step, and how many of them are ON
};

// The natural logarithm of positive normal numbers to 2e-7, in a form that compilers turn into vector instructions.
inline float logarithm(float value) {
    i32 bits;
    std::memcpy(&bits, &value, 4);
    const i32 exponent = (bits - 0x3F3504F3) >> 23;  // so that the mantissa lies in 0.707 to 1.414
    bits -= exponent << 23;
    float m;
    std::memcpy(&m, &bits, 4);
    const float s = (m - 1.0f) / (m + 1.0f), q = s * s;  // log m = 2 artanh s
    const float series = 2.0f + q * (0.666666667f + q * (0.4f + q * (0.285714286f + q * 0.222222222f)));
    return float(exponent) * 0.693147181f + s * series;
}

// A weighted mean of four neighbours in the scene, in logarithms: what one row of pixels sees.
__attribute__((noinline)) void see(const float* __restrict above, const float* __restrict below, const float* weights,
                                   float* __restrict seen, i64 count) {
    const float w0 = weights[0], w1 = weights[1], w2 = weights[2], w3 = weights[3];
    for (i64 x = 0; x < count; ++x)
        seen[x] = logarithm(w0 * above[x] + w1 * above[x + 1] + w2 * below[x] + w3 * below[x + 1]);
}

// The photoreceptors of one row follow what they see; true where one of them has left its band.
__attribute__((noinline)) bool follow(const float* __restrict seen, float* __restrict voltage,
                                      const float* __restrict low, const float* __restrict high, float share,
                                      i64 count) {
    i32 any = 0;
    for (i64 k = 0; k < count; ++k) {
        voltage[k] += share * (seen[k] - voltage[k]);
        any |= i32(voltage[k] >= high[k]) | i32(voltage[k] <= low[k]);
    }
    return any;
}

struct Waking {
    double time;  // steps
    i32 pixel;
};

// One recording: the state of every pixel, from the first step to the last.
class Recording {
  public:
    Recording(const Sensor& sensor, const float* on, const float* off)
        : s(sensor), on_(on), off_(off), row_((s.columns + kLanes - 1) / kLanes * kLanes) {
        for (auto* field : {&seen_, &voltage_, &before_}) field->resize(std::size_t(s.rows * row_));
        low_.assign(seen_.size(), -kNever), high_.assign(seen_.size(), kNever);  // lanes beyond the sensor never fire
        padded_.resize(std::size_t((s.scene + 1) * (s.scene + kLanes + 1)));
    }

    // `path` holds, for each moment from 0 to `steps`, where the sensor's first pixel lies in the scene, as x and y.
    void run(const float* scene, const double* path, u64 seed, std::vector<Event>& events) {
        random_.state = seed;
        events_ = &events;
        events.clear();
        waking_.clear();
        ready_.assign(seen_.size(), 0.0);
        next_ = 0;
        take(scene);
        look(path);
        voltage_ = seen_;
        for (i64 y = 0; y < s.rows; ++y)
            for (i64 x = 0; x < s.columns; ++x) arm(y * row_ + x, voltage_[std::size_t(y * row_ + x)]);
        double stray = s.noise > 0 ? -std::log(random_.uniform()) / s.noise : kNever;
        for (i64 step = 0; step < s.steps; ++step) {
            before_ = voltage_;
            look(path + 2 * (step + 1));
            advance(step);
            wake(step);
            for (; stray < double(step + 1); stray -= std::log(random_.uniform()) / s.noise) strayed(stray);
        }
        std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
    }

  private:
    const Sensor& s;
    const float *on_, *off_;
    i64 row_;
    std::vector<float> padded_, seen_, voltage_, before_, low_, high_;
    std::vector<double> ready_;  // when each pixel is awake again
    std::vector<Waking> waking_;  // in the order of their times, because all pixels rest equally long
    std::size_t next_ = 0;
    std::vector<Event>* events_ = nullptr;
    Random random_{0};

    i64 pitch() const { return s.scene + kLanes + 1; }

    // A copy of the scene with room behind each row, which the lanes beyond the sensor's last pixel look at.
    void take(const float* scene) {
        std::fill(padded_.begin(), padded_.end(), 1.0f);
        for (i64 y = 0; y < s.scene; ++y)
            std::copy(scene + y * s.scene, scene + (y + 1) * s.scene, padded_.begin() + y * pitch());
    }

    void look(const double* at) {
        const i64 x = i64(at[0]), y = i64(at[1]);
        const float fx = float(at[0] - double(x)), fy = float(at[1] - double(y));
        const float weights[4] = {(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy};
        for (i64 line = 0; line < s.rows; ++line) {
            const float* above = padded_.data() + (y + line) * pitch() + x;
            see(above, above + pitch(), weights, seen_.data() + line * row_, row_);
        }
    }

    void advance(i64 step) {
        for (i64 first = 0; first < s.rows * row_; first += row_) {
            const float *seen = seen_.data() + first, *low = low_.data() + first, *high = high_.data() + first;
            if (!follow(seen, voltage_.data() + first, low, high, float(s.follow), row_)) continue;
            for (i64 pixel = first; pixel < first + s.columns; ++pixel)
                if (left(std::size_t(pixel))) crossed(step, pixel, 0.0);
        }
    }

    bool left(std::size_t pixel) const {
        return voltage_[pixel] >= high_[pixel] || voltage_[pixel] <= low_[pixel];
    }

    // Voltages run straight from one moment to the next: where, `from` on, this one leaves its band.
    void crossed(i64 step, i64 pixel, double from) {
        const std::size_t k = std::size_t(pixel);
        const bool on = voltage_[k] >= high_[k];
        const double level = on ? high_[k] : low_[k], way = double(voltage_[k]) - before_[k];
        const double when = way == 0 ? 1.0 : std::clamp((level - before_[k]) / way, from, 1.0);
        fire(double(step) + when, pixel, on);
    }

    void fire(double time, i64 pixel, bool on) {
        events_->push_back({std::int16_t(pixel % row_), std::int16_t(pixel / row_), on, i64(time * s.step)});
        low_[std::size_t(pixel)] = -kNever, high_[std::size_t(pixel)] = kNever;
        ready_[std::size_t(pixel)] = time + s.refractory;
        waking_.push_back({time + s.refractory, i32(pixel)});
        // a pixel that woke in this step and fired at once may rest until before one that fired earlier in the list
        for (std::size_t k = waking_.size() - 1; k > next_ && waking_[k].time < waking_[k - 1].time; --k)
            std::swap(waking_[k], waking_[k - 1]);
    }

    // From now on the pixel compares with this voltage.
    void arm(i64 pixel, double voltage) {
        const std::size_t k = std::size_t(pixel), x = k % std::size_t(row_), y = k / std::size_t(row_);
        const std::size_t at = y * std::size_t(s.columns) + x;
        double up = on_[at], down = off_[at];
        if (s.jitter > 0) {
            up *= std::max(0.1, 1 + s.jitter * random_.normal());
            down *= std::max(0.1, 1 + s.jitter * random_.normal());
        }
        high_[k] = float(voltage + up), low_[k] = float(voltage - down);
    }

    void wake(i64 step) {
        for (; next_ < waking_.size() && waking_[next_].time < double(step + 1); ++next_) {
            const Waking one = waking_[next_];
            const std::size_t k = std::size_t(one.pixel);
            const double inside = std::max(one.time - double(step), 0.0);
            arm(one.pixel, before_[k] + inside * (double(voltage_[k]) - before_[k]));
            if (left(k)) crossed(step, one.pixel, inside);
        }
    }

    // An event without a cause, which a pixel at rest does not make.
    void strayed(double time) {
        const i64 place = std::min(i64(random_.uniform() * double(s.rows * s.columns)), s.rows * s.columns - 1);
        const bool on = random_.uniform() <= s.noise_on;
        const i64 pixel = place / s.columns * row_ + place % s.columns;
        if (high_[std::size_t(pixel)] < kNever && time >= ready_[std::size_t(pixel)]) fire(time, pixel, on);
    }
};

struct Batch {
    const Sensor* sensor;
    const float *scenes, *on, *off;
    const double* paths;
    const u64* seeds;
    i64 samples;
    std::vector<std::vector<Event>> events;
    std::atomic<i64> next{0};
    std::atomic<bool> full{false};

    void work() noexcept {
        try {
            Recording recording(*sensor, on, off);
            std::vector<Event> made;
            for (i64 k; (k = next++) < samples;) {
                recording.run(scenes + k * sensor->scene * sensor->scene, paths + k * 2 * (sensor->steps + 1), seeds[k],
                              made);
                events[std::size_t(k)].assign(made.begin(), made.end());
            }
        } catch (const std::bad_alloc&) {
            full = true;
        }
    }
};

}  // namespace

extern "C" {

// Record all samples; `ends` then says where each one's events end. Null where memory ran out.
void* snnlab_record(const float* scenes, const double* paths, const u64* seeds, i64 samples, const float* on,
                    const float* off, const Sensor* sensor, i64* ends, i64 threads) try {
    auto batch = std::unique_ptr<Batch>(new Batch{sensor, scenes, on, off, paths, seeds, samples, {}});
    batch->events.resize(std::size_t(samples));
    on_threads(std::min(threads, samples), [&] { batch->work(); });
    if (batch->full) return nullptr;
    i64 end = 0;
    for (i64 k = 0; k < samples; ++k) ends[k] = end += i64(batch->events[std::size_t(k)].size());
    return batch.release();
} catch (const std::bad_alloc&) {
    return nullptr;
}

// Copy the events of all samples, one after another, to `events`.
void snnlab_events(void* recorded, void* events) {
    char* out = static_cast<char*>(events);
    for (const std::vector<Event>& one : static_cast<Batch*>(recorded)->events) {
        if (!one.empty()) std::memcpy(out, one.data(), one.size() * sizeof(Event));
        out += one.size() * sizeof(Event);
    }
}

void snnlab_forget(void* recorded) { delete static_cast<Batch*>(recorded); }

}  // extern "C"
