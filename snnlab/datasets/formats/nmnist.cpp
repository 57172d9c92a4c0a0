// Recordings of N-MNIST, many files at a time, read and decoded without the interpreter, which threads would wait for.
// What a file means is defined in nmnist.py; a file that is refused there is left to it, for the reason.
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "event.hpp"

namespace {

using i64 = std::int64_t;
using Bytes = std::vector<std::uint8_t>;

constexpr i64 kRecord = 5, kOverflow = 240, kLater = 1 << 13;

// The whole file, being as long as it was; the byte more that there is room for shows whether it has grown.
bool read_whole(const char* path, std::size_t size, Bytes& room) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    if (room.size() <= size) room.resize(size + 1);
    std::size_t length = 0;
    ssize_t got = 1;
    while (got > 0 && length <= size) {
        got = read(file, room.data() + length, size + 1 - length);
        if (got < 0 && errno == EINTR) got = 1;
        else length += got > 0 ? std::size_t(got) : 0;
    }
    close(file);
    return got == 0 && length == size;
}

// The events of one recording, and how many there are; -1 for what is refused.
i64 decode(const std::uint8_t* at, std::size_t length, i64 side, Event* const to) {
    i64 later = 0, before = 0;
    Event* event = to;
    for (const std::uint8_t* end = at + length; at < end; at += kRecord) {
        if (at[1] == kOverflow) {
            later += kLater;
            continue;
        }
        const i64 time = (i64(at[2] & 127) << 16 | i64(at[3]) << 8 | at[4]) + later;
        if (at[0] >= side || at[1] >= side || time < before) return -1;
        std::memset(static_cast<void*>(event), 0, sizeof *event);  // what lies between its fields too
        event->x = at[0], event->y = at[1], event->on = at[2] >> 7, event->time = before = time;
        ++event;
    }
    return event > to ? event - to : -1;
}

}  // namespace

extern "C" {

// How many bytes the files have whose paths, each ended by a zero, lie one after another; -1 for those that cannot be
// recordings, which have at most `most`.
void snnlab_nmnist_sizes(const char* paths, i64 count, i64 most, i64* sizes) {
    for (i64 k = 0; k < count; ++k, paths += std::strlen(paths) + 1) {
        struct stat told;
        const bool fits = stat(paths, &told) == 0 && S_ISREG(told.st_mode) && told.st_size > 0 && told.st_size <= most;
        sizes[k] = fits && told.st_size % kRecord == 0 ? i64(told.st_size) : -1;
    }
}

// The events of these files, each recording's where there is room for as many as its file can hold; in `lengths` how
// many there are, -1 for one that is refused.
void snnlab_nmnist_read(const char* paths, i64 count, const i64* sizes, i64 side, Event* events, i64* lengths) try {
    Bytes room;
    for (i64 k = 0; k < count; ++k, paths += std::strlen(paths) + 1) {
        lengths[k] = -1;
        if (sizes[k] < 0) continue;
        if (read_whole(paths, std::size_t(sizes[k]), room))
            lengths[k] = decode(room.data(), std::size_t(sizes[k]), side, events);
        events += sizes[k] / kRecord;
    }
} catch (const std::bad_alloc&) {  // those that are left are read without it
}
}
