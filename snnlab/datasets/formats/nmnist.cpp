// Reads and decodes many recordings of N-MNIST at once, without holding the interpreter. The format is defined in
// nmnist.py, which also reports the error of an invalid file.
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

constexpr i64 kRecord = 5, kOverflow = 240, kOverflowTime = 1 << 13;

// Reads a file if its size is unchanged; one more byte of room detects growth.
bool read_whole(const char* path, std::size_t size, Bytes& buffer) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    if (buffer.size() <= size) buffer.resize(size + 1);
    std::size_t length = 0;
    ssize_t count = 1;
    while (count > 0 && length <= size) {
        count = read(file, buffer.data() + length, size + 1 - length);
        if (count < 0 && errno == EINTR) count = 1;
        else length += count > 0 ? std::size_t(count) : 0;
    }
    close(file);
    return count == 0 && length == size;
}

// Decodes one recording; returns the number of its events, or -1 if invalid.
i64 decode(const std::uint8_t* at, std::size_t length, i64 side, Event* const to) {
    i64 offset = 0, before = 0;
    Event* event = to;
    for (const std::uint8_t* end = at + length; at < end; at += kRecord) {
        if (at[1] == kOverflow) {
            offset += kOverflowTime;
            continue;
        }
        const i64 time = (i64(at[2] & 127) << 16 | i64(at[3]) << 8 | at[4]) + offset;
        if (at[0] >= side || at[1] >= side || time < before) return -1;
        std::memset(static_cast<void*>(event), 0, sizeof *event);  // including its padding
        event->x = at[0], event->y = at[1], event->on = at[2] >> 7, event->time = before = time;
        ++event;
    }
    return event > to ? event - to : -1;
}

}  // namespace

extern "C" {

// Sizes of files, whose zero-terminated paths are concatenated; -1 for files that cannot be recordings, such as those
// larger than `max_size`.
void snnlab_nmnist_sizes(const char* paths, i64 count, i64 max_size, i64* sizes) {
    for (i64 k = 0; k < count; ++k, paths += std::strlen(paths) + 1) {
        struct stat status;
        const bool is_file = stat(paths, &status) == 0 && S_ISREG(status.st_mode);
        const bool fits = is_file && status.st_size > 0 && status.st_size <= max_size;
        sizes[k] = fits && status.st_size % kRecord == 0 ? i64(status.st_size) : -1;
    }
}

// The events of these files, each with room for as many as its size allows; `lengths` receives their numbers, -1 for an
// invalid file.
void snnlab_nmnist_read(const char* paths, i64 count, const i64* sizes, i64 side, Event* events, i64* lengths) try {
    Bytes buffer;
    for (i64 k = 0; k < count; ++k, paths += std::strlen(paths) + 1) {
        lengths[k] = -1;
        if (sizes[k] < 0) continue;
        if (read_whole(paths, std::size_t(sizes[k]), buffer))
            lengths[k] = decode(buffer.data(), std::size_t(sizes[k]), side, events);
        events += sizes[k] / kRecord;
    }
} catch (const std::bad_alloc&) {  // nmnist.py reads the remaining files
}
}
