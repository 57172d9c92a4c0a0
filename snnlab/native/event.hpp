// An event of a sensor, in the layout of snnlab.data.samples.EVENT.
#pragma once
#include <cstddef>
#include <cstdint>

struct Event {
    std::int16_t x, y;
    bool on;
    std::int64_t time;  // microseconds
};

static_assert(sizeof(Event) == 16 && offsetof(Event, on) == 4 && offsetof(Event, time) == 8);
