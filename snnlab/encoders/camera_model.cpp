// Events of a simulated camera in front of moving images, as defined in camera_model.py.
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
constexpr int kLanes = 8;  // rows are padded to a multiple of it

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), one per recording.
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

    // Box-Muller transform; the second number is not used.
    double normal() {
        const double radius = std::sqrt(-2.0 * std::log(uniform()));
        return radius * std::cos(6.283185307179586 * uniform());
    }
};

// Parameters of all recordings, see camera_model.py. Times are in steps, levels in natural logarithms.
struct Sensor {
    i64 rows, columns, scene, steps;
    double step;               // microseconds
    double refractory;         // steps
    double follow;             // fraction of the difference that the photoreceptor covers in a step, 0 to 1
    double jitter;             // relative standard deviation of a threshold from event to event
    double noise, noise_on;  // noise events of all pixels per step, and the fraction of ON events
};

// The natural logarithm of positive normal numbers to 2e-7, in a form that compilers can vectorise.
inline float logarithm(float value) {
    i32 bits;
    std::memcpy(&bits, &value, 4);
    const i32 exponent = (bits - 0x3F3504F3) >> 23;  // for a mantissa of 0.707 to 1.414
    bits -= exponent << 23;
    float m;
    std::memcpy(&m, &bits, 4);
    const float s = (m - 1.0f) / (m + 1.0f), q = s * s;  // log m = 2 artanh s
    const float series = 2.0f + q * (0.666666667f + q * (0.4f + q * (0.285714286f + q * 0.222222222f)));
    return float(exponent) * 0.693147181f + s * series;
}

// The logarithm of the light of one row of pixels: a weighted mean of four neighbours in the scene.
__attribute__((noinline)) void receive(const float* __restrict above, const float* __restrict below,
                                       const float* weights, float* __restrict seen, i64 count) {
    const float w0 = weights[0], w1 = weights[1], w2 = weights[2], w3 = weights[3];
    for (i64 x = 0; x < count; ++x)
        seen[x] = logarithm(w0 * above[x] + w1 * above[x + 1] + w2 * below[x] + w3 * below[x + 1]);
}

// Updates the photoreceptors of one row; returns whether any voltage has left its band.
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

struct Wakeup {
    double time;  // steps
    i32 pixel;
};

// Simulates one recording: the state of every pixel, step by step.
class Recording {
  public:
    Recording(const Sensor& sensor, const float* on, const float* off)
        : s(sensor), on_(on), off_(off), row_((s.columns + kLanes - 1) / kLanes * kLanes) {
        for (auto* field : {&seen_, &voltage_, &before_}) field->resize(std::size_t(s.rows * row_));
        low_.assign(seen_.size(), -kNever), high_.assign(seen_.size(), kNever);  // padding never fires
        padded_.resize(std::size_t((s.scene + 1) * (s.scene + kLanes + 1)));
    }

    // `path` has the position of the sensor's first pixel in the scene, x and y, at the times 0 to `steps`.
    void run(const float* scene, const double* path, u64 seed, std::vector<Event>& events) {
        random_.state = seed;
        events_ = &events;
        events.clear();
        wakeups_.clear();
        ready_.assign(seen_.size(), 0.0);
        next_ = 0;
        pad(scene);
        look(path);
        voltage_ = seen_;
        for (i64 y = 0; y < s.rows; ++y)
            for (i64 x = 0; x < s.columns; ++x) arm(y * row_ + x, voltage_[std::size_t(y * row_ + x)]);
        double next_noise = s.noise > 0 ? -std::log(random_.uniform()) / s.noise : kNever;
        for (i64 step = 0; step < s.steps; ++step) {
            before_ = voltage_;
            look(path + 2 * (step + 1));
            advance(step);
            wake(step);
            for (; next_noise < double(step + 1); next_noise -= std::log(random_.uniform()) / s.noise)
                add_noise(next_noise);
        }
        std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
    }

  private:
    const Sensor& s;
    const float *on_, *off_;
    i64 row_;
    std::vector<float> padded_, seen_, voltage_, before_, low_, high_;
    std::vector<double> ready_;  // end of each pixel's refractory period
    std::vector<Wakeup> wakeups_;  // sorted by time, as all refractory periods are equal
    std::size_t next_ = 0;
    std::vector<Event>* events_ = nullptr;
    Random random_{0};

    i64 pitch() const { return s.scene + kLanes + 1; }

    // Copies the scene with padding after each row, which the padding of the sensor reads.
    void pad(const float* scene) {
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
            receive(above, above + pitch(), weights, seen_.data() + line * row_, row_);
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

    // Emits an event when a voltage, linear within the step, leaves its band at or after `from`.
    void crossed(i64 step, i64 pixel, double from) {
        const std::size_t k = std::size_t(pixel);
        const bool on = voltage_[k] >= high_[k];
        const double level = on ? high_[k] : low_[k], change = double(voltage_[k]) - before_[k];
        const double fraction = change == 0 ? 1.0 : std::clamp((level - before_[k]) / change, from, 1.0);
        fire(double(step) + fraction, pixel, on);
    }

    void fire(double time, i64 pixel, bool on) {
        events_->push_back({std::int16_t(pixel % row_), std::int16_t(pixel / row_), on, i64(time * s.step)});
        low_[std::size_t(pixel)] = -kNever, high_[std::size_t(pixel)] = kNever;
        ready_[std::size_t(pixel)] = time + s.refractory;
        wakeups_.push_back({time + s.refractory, i32(pixel)});
        // a pixel that woke in this step may fire before one that is earlier in the list
        for (std::size_t k = wakeups_.size() - 1; k > next_ && wakeups_[k].time < wakeups_[k - 1].time; --k)
            std::swap(wakeups_[k], wakeups_[k - 1]);
    }

    // Sets the reference voltage of a pixel.
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
        for (; next_ < wakeups_.size() && wakeups_[next_].time < double(step + 1); ++next_) {
            const Wakeup wakeup = wakeups_[next_];
            const std::size_t k = std::size_t(wakeup.pixel);
            const double inside = std::max(wakeup.time - double(step), 0.0);
            arm(wakeup.pixel, before_[k] + inside * (double(voltage_[k]) - before_[k]));
            if (left(k)) crossed(step, wakeup.pixel, inside);
        }
    }

    // Emits a noise event unless the pixel is refractory.
    void add_noise(double time) {
        const i64 index = std::min(i64(random_.uniform() * double(s.rows * s.columns)), s.rows * s.columns - 1);
        const bool on = random_.uniform() <= s.noise_on;
        const i64 pixel = index / s.columns * row_ + index % s.columns;
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
            std::vector<Event> recorded;
            for (i64 k; (k = next++) < samples;) {
                recording.run(scenes + k * sensor->scene * sensor->scene, paths + k * 2 * (sensor->steps + 1), seeds[k],
                              recorded);
                events[std::size_t(k)].assign(recorded.begin(), recorded.end());
            }
        } catch (const std::bad_alloc&) {
            full = true;
        }
    }
};

}  // namespace

extern "C" {

// Records all samples; `ends` receives the end of each one's events. Null if out of memory.
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

// Copies the events of all samples to `events`.
void snnlab_events(void* batch, void* events) {
    char* out = static_cast<char*>(events);
    for (const std::vector<Event>& sample : static_cast<Batch*>(batch)->events) {
        if (!sample.empty()) std::memcpy(out, sample.data(), sample.size() * sizeof(Event));
        out += sample.size() * sizeof(Event);
    }
}

void snnlab_forget(void* batch) { delete static_cast<Batch*>(batch); }

}  // extern "C"
