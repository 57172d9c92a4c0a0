// Events of a sensor into spikes on a grid of steps. What becomes of an event is defined in sensor.py.
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
    bool signs;              // ON and OFF are neurons of their own
    i64 steps, step_us;      // an event at t is a spike in step ceil(t / step_us) + 1
    i64 moves;               // how often the picture is moved
    const i64 *from;         // (moves,) the time from which on it is moved so
    const i64 *right, *down; // (moves,) what is added to x and y
    std::vector<i32> at_x, at_y;  // a neuron is the sum of the two, and of its sign

    void lay_out(i64 pool) {
        const i64 columns = (width + pool - 1) / pool, signed_ = signs ? 2 : 1;
        for (i64 x = 0; x < width; ++x) at_x.push_back(i32(x / pool * signed_));
        for (i64 y = 0; y < height; ++y) at_y.push_back(i32(y / pool * columns * signed_));
    }
};

struct Pixel {
    i64 x, y;
};

// Where an event belongs. Both answers hold for a while, and events mostly come in the order of time.
struct Clock {
    const Sensor& sensor;
    i64 step = 0, after = kNever, until = -1;      // the step of after < t <= until
    i64 right = 0, down = 0, since = kNever, before = -1;  // the shift of since <= t < before

    void tell(i64 t) {
        if (t > until || t <= after) {
            const i64 whole = (t + sensor.step_us - 1) / sensor.step_us;
            step = whole + 1, until = whole * sensor.step_us, after = until - sensor.step_us;
        }
        if (sensor.moves && (t >= before || t < since)) {
            const i64 past = std::upper_bound(sensor.from, sensor.from + sensor.moves, t) - sensor.from;
            since = past ? sensor.from[past - 1] : 0, before = past < sensor.moves ? sensor.from[past] : kNever;
            right = past ? sensor.right[past - 1] : 0, down = past ? sensor.down[past - 1] : 0;
        }
    }
};

struct Spike {
    i32 step, neuron;
};

i64 floor_of(i64 number, i64 by) { return number / by - (number % by < 0); }

// By how many pixels the mean of the events that stay on the sensor is to be moved, to come nearest to its middle.
Pixel to_middle(const Sensor& sensor, const Event* event, const Event* end) {
    i64 sum_x = 0, sum_y = 0, many = 0;
    for (Clock clock{sensor}; event < end; ++event) {
        clock.tell(event->time);
        const i64 x = event->x + clock.right, y = event->y + clock.down;
        if (x < 0 || y < 0 || x >= sensor.width || y >= sensor.height) continue;
        sum_x += x, sum_y += y, ++many;
    }
    if (!many) return {0, 0};
    return {floor_of(sensor.width * many - 2 * sum_x, 2 * many), floor_of(sensor.height * many - 2 * sum_y, 2 * many)};
}

// The spikes of one sample, in the order of its events.
void gather(const Sensor& sensor, Pixel moved, const Event* event, const Event* end, std::vector<Spike>& found) {
    found.clear();
    for (Clock clock{sensor}; event < end; ++event) {
        clock.tell(event->time);
        const i64 x = event->x + clock.right + moved.x, y = event->y + clock.down + moved.y;
        if (clock.step >= sensor.steps || x < 0 || y < 0 || x >= sensor.width || y >= sensor.height) continue;
        const i32 neuron = sensor.at_y[std::size_t(y)] + sensor.at_x[std::size_t(x)] + (sensor.signs && event->on);
        found.push_back({i32(clock.step), neuron});
    }
}

// The same spikes, stably sorted by one of their two numbers, all of them below `bound`. Afterwards `place` says where
// each number ends.
void sort(const std::vector<Spike>& from, std::vector<Spike>& to, i32 Spike::*number, std::size_t bound,
          std::vector<i64>& place) {
    place.assign(bound + 1, 0);
    for (const Spike& spike : from) ++place[std::size_t(spike.*number) + 1];
    for (std::size_t k = 0; k < bound; ++k) place[k + 1] += place[k];
    to.resize(from.size());
    for (const Spike& spike : from) to[std::size_t(place[std::size_t(spike.*number)]++)] = spike;
}

}  // namespace

extern "C" {

// Spikes of all samples; the events of each begin at an address of their own. Gives back how many there are; -1 where
// memory ran out. `ids` has room for as many as there are events, `offsets` is (samples, steps + 1).
i64 snnlab_bin(const Event* const* events, const i64* lengths, i64 samples, i64 width, i64 height, i64 signs, i64 pool,
               i64 centre, i64 steps, i64 step_us, i64 moves, const i64* from, const i64* right, const i64* down, i32* ids,
               i64* offsets) try {
    Sensor sensor{width, height, signs != 0, steps, step_us, moves, from, right, down, {}, {}};
    sensor.lay_out(pool);
    const std::size_t neurons = std::size_t(sensor.at_x.back() + sensor.at_y.back()) + 2;
    std::vector<Spike> found, sorted;
    std::vector<i64> place;
    i64 total = 0;
    for (i64 sample = 0; sample < samples; ++sample) {
        const Event *const begin = events[sample], *const end = begin + lengths[sample];
        gather(sensor, centre ? to_middle(sensor, begin, end) : Pixel{0, 0}, begin, end, found);
        sort(found, sorted, &Spike::neuron, neurons, place);
        sort(sorted, found, &Spike::step, std::size_t(steps), place);
        i64* const begins = offsets + sample * (steps + 1);
        std::size_t next = 0;
        for (i64 step = 0; step < steps; ++step) {
            begins[step] = total;
            for (; next < std::size_t(place[std::size_t(step)]); ++next)
                if (total == begins[step] || ids[total - 1] != found[next].neuron) ids[total++] = found[next].neuron;
        }
        begins[steps] = total;
    }
    return total;
} catch (const std::bad_alloc&) {
    return -1;
}
}
