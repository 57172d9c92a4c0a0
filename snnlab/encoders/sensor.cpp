// Events of an event camera as spikes on a grid of time steps, as defined in sensor.py.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <vector>

#include "event.hpp"

namespace {

using i32 = std::int32_t;
using i64 = std::int64_t;

constexpr i64 kNever = std::numeric_limits<i64>::max();

struct Sensor {
    i64 width, height;
    bool polarities;         // whether ON and OFF are separate neurons
    i64 steps, step_us;      // an event at t is a spike in step ceil(t / step_us) + 1
    i64 shifts;
    const i64 *from;         // (shifts,) start time of each shift
    const i64 *right, *down; // (shifts,) added to x and y
    std::vector<i32> index_x, index_y;  // a neuron is the sum of both and the polarity

    void set_indices(i64 pool) {
        const i64 columns = (width + pool - 1) / pool, neurons = polarities ? 2 : 1;
        for (i64 x = 0; x < width; ++x) index_x.push_back(i32(x / pool * neurons));
        for (i64 y = 0; y < height; ++y) index_y.push_back(i32(y / pool * columns * neurons));
    }
};

struct Pixel {
    i64 x, y;
};

// The step and the shift at a time, cached because events are mostly in order of time.
struct Clock {
    const Sensor& sensor;
    i64 step = 0, after = kNever, until = -1;      // the step of after < t <= until
    i64 right = 0, down = 0, since = kNever, before = -1;  // the shift of since <= t < before

    void set(i64 t) {
        if (t > until || t <= after) {
            const i64 whole = (t + sensor.step_us - 1) / sensor.step_us;
            step = whole + 1, until = whole * sensor.step_us, after = until - sensor.step_us;
        }
        if (sensor.shifts && (t >= before || t < since)) {
            const i64 past = std::upper_bound(sensor.from, sensor.from + sensor.shifts, t) - sensor.from;
            since = past ? sensor.from[past - 1] : 0, before = past < sensor.shifts ? sensor.from[past] : kNever;
            right = past ? sensor.right[past - 1] : 0, down = past ? sensor.down[past - 1] : 0;
        }
    }
};

struct Spike {
    i32 step, neuron;
};

i64 floor_of(i64 number, i64 by) { return number / by - (number % by < 0); }

// The shift, in whole pixels, that moves the mean of the events inside the sensor nearest to its centre.
Pixel centring(const Sensor& sensor, const Event* event, const Event* end) {
    i64 sum_x = 0, sum_y = 0, count = 0;
    for (Clock clock{sensor}; event < end; ++event) {
        clock.set(event->time);
        const i64 x = event->x + clock.right, y = event->y + clock.down;
        if (x < 0 || y < 0 || x >= sensor.width || y >= sensor.height) continue;
        sum_x += x, sum_y += y, ++count;
    }
    if (!count) return {0, 0};
    return {floor_of(sensor.width * count - 2 * sum_x, 2 * count),
            floor_of(sensor.height * count - 2 * sum_y, 2 * count)};
}

// The spikes of one sample, in the order of its events.
void gather(const Sensor& sensor, Pixel shift, const Event* event, const Event* end, std::vector<Spike>& found) {
    found.clear();
    for (Clock clock{sensor}; event < end; ++event) {
        clock.set(event->time);
        const i64 x = event->x + clock.right + shift.x, y = event->y + clock.down + shift.y;
        if (clock.step >= sensor.steps || x < 0 || y < 0 || x >= sensor.width || y >= sensor.height) continue;
        const i32 pixel = sensor.index_y[std::size_t(y)] + sensor.index_x[std::size_t(x)];
        const i32 neuron = pixel + (sensor.polarities && event->on);
        found.push_back({i32(clock.step), neuron});
    }
}

// Sorts spikes stably by one of their numbers, all below `bound`. On return, `ends` has the end of each number.
void sort(const std::vector<Spike>& from, std::vector<Spike>& to, i32 Spike::*number, std::size_t bound,
          std::vector<i64>& ends) {
    ends.assign(bound + 1, 0);
    for (const Spike& spike : from) ++ends[std::size_t(spike.*number) + 1];
    for (std::size_t k = 0; k < bound; ++k) ends[k + 1] += ends[k];
    to.resize(from.size());
    for (const Spike& spike : from) to[std::size_t(ends[std::size_t(spike.*number)]++)] = spike;
}

}  // namespace

extern "C" {

// Spikes of all samples, whose events are at separate addresses. Returns their number, or -1 if out of memory. `ids`
// has room for all events, `offsets` is (samples, steps + 1).
i64 snnlab_bin(const Event* const* events, const i64* lengths, i64 samples, i64 width, i64 height, i64 polarities,
               i64 pool, i64 centre, i64 steps, i64 step_us, i64 shifts, const i64* from, const i64* right, const i64* down,
               i32* ids, i64* offsets) try {
    Sensor sensor{width, height, polarities != 0, steps, step_us, shifts, from, right, down, {}, {}};
    sensor.set_indices(pool);
    const std::size_t neurons = std::size_t(sensor.index_x.back() + sensor.index_y.back()) + 2;
    std::vector<Spike> found, sorted;
    std::vector<i64> ends;
    i64 total = 0;
    for (i64 sample = 0; sample < samples; ++sample) {
        const Event *const begin = events[sample], *const end = begin + lengths[sample];
        gather(sensor, centre ? centring(sensor, begin, end) : Pixel{0, 0}, begin, end, found);
        sort(found, sorted, &Spike::neuron, neurons, ends);
        sort(sorted, found, &Spike::step, std::size_t(steps), ends);
        i64* const begins = offsets + sample * (steps + 1);
        std::size_t next = 0;
        for (i64 step = 0; step < steps; ++step) {
            begins[step] = total;
            for (; next < std::size_t(ends[std::size_t(step)]); ++next)
                if (total == begins[step] || ids[total - 1] != found[next].neuron) ids[total++] = found[next].neuron;
        }
        begins[steps] = total;
    }
    return total;
} catch (const std::bad_alloc&) {
    return -1;
}
}
