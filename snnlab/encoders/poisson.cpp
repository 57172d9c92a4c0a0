// Poisson spikes of images, as defined in poisson.py: one counter-based random number per pixel and step.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "parallel.hpp"

namespace {

using u8 = std::uint8_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

constexpr int kLanes = 32;        // pixels processed in parallel
constexpr int kSteps = 8;         // steps per Philox block: 4 words of two halves
constexpr u32 kLower = 1u << 31;  // set in the block number of the lower halves
constexpr int kSlack = 8;         // spikes that append() writes at once, some beyond the end

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pack() requires the lowest byte first");

struct Stream {
    u32 seed, stream, epoch;
};

// Pixels of a sample that can fire, in ascending order; the last group is padded with pixels that cannot.
struct alignas(64) Group {
    u32 pixels[kLanes], upper[kLanes], lower[kLanes];  // the two halves of each threshold
    u32 fires[kSteps];                                 // one bit per pixel
};

struct alignas(64) Words {
    u32 at[4][kLanes];
};

// Philox4x32-10: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011.
// A separate function on plain words, which compilers can vectorise.
__attribute__((noinline)) void philox(Words& __restrict words, const u32* __restrict pixels, u32 number, u32 sample,
                                      Stream stream) {
    for (int lane = 0; lane < kLanes; ++lane) {
        u32 c0 = number, c1 = pixels[lane], c2 = sample, c3 = stream.epoch, key0 = stream.seed, key1 = stream.stream;
#pragma GCC unroll 10
        for (int round = 0; round < 10; ++round) {
            const u64 p0 = u64{0xD2511F53u} * c0, p1 = u64{0xCD9E8D57u} * c2;
            c0 = u32(p1 >> 32) ^ c1 ^ key0, c1 = u32(p1);
            c2 = u32(p0 >> 32) ^ c3 ^ key1, c3 = u32(p0);
            key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
        }
        words.at[0][lane] = c0, words.at[1][lane] = c1, words.at[2][lane] = c2, words.at[3][lane] = c3;
    }
}

// Packs 32 bytes of 0 or 1 into bits, eight at a time: the product moves byte k to bit 56 + k.
inline u32 pack(const u8* hits) {
    u32 bits = 0;
    for (int part = 0; part < kLanes / 8; ++part) {
        u64 bytes;
        std::memcpy(&bytes, hits + 8 * part, 8);
        bits |= u32((bytes * 0x0102040810204080u) >> 56) << (8 * part);
    }
    return bits;
}

// Compares upper halves; returns whether any pixel is undecided because its upper halves are equal.
__attribute__((noinline)) bool compare(const Words& __restrict words, const u32* __restrict upper,
                                       u32* __restrict fires) {
    u32 ties = 0;
    for (int k = 0; k < 4; ++k) {
        alignas(64) u8 even[kLanes], odd[kLanes];
        for (int lane = 0; lane < kLanes; ++lane) {
            const u32 low = words.at[k][lane] & 0xFFFFu, high = words.at[k][lane] >> 16;
            even[lane] = low < upper[lane];
            odd[lane] = high < upper[lane];
            ties |= u32(low == upper[lane]) | u32(high == upper[lane]);
        }
        fires[2 * k] = pack(even);
        fires[2 * k + 1] = pack(odd);
    }
    return ties;
}

inline u32 half(const Words& words, int step, int lane) {
    return (words.at[step / 2][lane] >> (step % 2 * 16)) & 0xFFFFu;
}

// Spikes of steps kSteps * number and following. The lower half of a random number decides once in 65,536 draws, and is
// generated only then.
void draw(Group& group, u32 number, u32 sample, const Stream& stream) {
    Words above;
    philox(above, group.pixels, number, sample, stream);
    if (!compare(above, group.upper, group.fires)) return;
    Words below;
    philox(below, group.pixels, number | kLower, sample, stream);
    for (int step = 0; step < kSteps; ++step)
        for (int lane = 0; lane < kLanes; ++lane)
            if (half(above, step, lane) == group.upper[lane] && half(below, step, lane) < group.lower[lane])
                group.fires[step] |= 1u << lane;
}

void gather(std::vector<Group>& groups, const u8* values, i64 features, const u64* thresholds) {
    groups.clear();
    int lane = kLanes;
    for (i64 pixel = 0; pixel < features; ++pixel) {
        const u64 threshold = thresholds[values[pixel]];
        if (!threshold) continue;
        if (lane == kLanes) groups.emplace_back(), lane = 0;
        Group& group = groups.back();
        group.pixels[lane] = u32(pixel);
        group.upper[lane] = u32(threshold >> 16);
        group.lower[lane++] = u32(threshold & 0xFFFFu);
    }
}

// Writes the pixels of one step, eight at a time; those beyond the last are overwritten by the next group.
i32* append(const std::vector<Group>& groups, int step, i32* out) {
    for (const Group& group : groups) {
        u32 bits = group.fires[step];
        i32* const end = out + __builtin_popcount(bits);
        while (out < end) {
            for (int k = 0; k < kSlack; ++k) {
                *out++ = i32(group.pixels[__builtin_ctz(bits | 1u << (kLanes - 1))]);
                bits &= bits - 1;
            }
        }
        out = end;
    }
    return out;
}

struct Batch {
    const u8* values;
    const i64* indices;
    i64 samples, features, steps;
    const u64* thresholds;
    Stream stream;
    i64* offsets;  // (samples, steps + 1), relative to the start of each sample until join() is called
    std::vector<std::vector<i32>> ids;
    std::atomic<i64> next{0};
    std::atomic<bool> full{false};

    void encode(i64 sample, std::vector<Group>& groups, std::vector<i32>& buffer) {
        gather(groups, values + sample * features, features, thresholds);
        const std::size_t room = kSteps * (groups.size() * kLanes + kSlack);
        i64* const begins = offsets + sample * (steps + 1);
        std::size_t count = 0;
        for (i64 first = 0; first < steps; first += kSteps) {
            for (Group& group : groups) draw(group, u32(first / kSteps), u32(indices[sample]), stream);
            if (buffer.size() < count + room) buffer.resize(2 * (count + room));
            for (int step = 0; step < kSteps && first + step < steps; ++step) {
                begins[first + step] = i64(count);
                if (first + step) count = std::size_t(append(groups, step, buffer.data() + count) - buffer.data());
            }
        }
        begins[steps] = i64(count);
        ids[std::size_t(sample)].assign(buffer.data(), buffer.data() + count);
    }

    void work() noexcept {
        try {
            std::vector<Group> groups;
            std::vector<i32> buffer;
            for (i64 sample; (sample = next++) < samples;) encode(sample, groups, buffer);
        } catch (const std::bad_alloc&) {
            full = true;
        }
    }

    void join() {
        i64 start = 0;
        for (i64 sample = 0; sample < samples; ++sample) {
            for (i64 step = 0; step <= steps; ++step) offsets[sample * (steps + 1) + step] += start;
            start += i64(ids[std::size_t(sample)].size());
        }
    }
};

}  // namespace

extern "C" {

// Encodes all samples and completes the offsets. Null if out of memory.
void* snnlab_draw(const u8* values, const i64* indices, i64 samples, i64 features, const u64* thresholds, u32 seed,
                  u32 stream, u32 epoch, i64 steps, i64* offsets, i64 threads) try {
    auto batch = std::unique_ptr<Batch>(
        new Batch{values, indices, samples, features, steps, thresholds, {seed, stream, epoch}, offsets, {}});
    batch->ids.resize(std::size_t(samples));
    on_threads(std::min(threads, samples), [&] { batch->work(); });
    if (batch->full) return nullptr;
    batch->join();
    return batch.release();
} catch (const std::bad_alloc&) {
    return nullptr;
}

// Copies the spikes of all samples to `ids`.
void snnlab_collect(void* batch, i32* ids) {
    for (const std::vector<i32>& sample : static_cast<Batch*>(batch)->ids) {
        if (!sample.empty()) std::memcpy(ids, sample.data(), sample.size() * sizeof(i32));
        ids += sample.size();
    }
}

void snnlab_release(void* batch) { delete static_cast<Batch*>(batch); }

// The block of a counter and key, in place, for tests with known answers.
void snnlab_philox(u32* counter, u32 key0, u32 key1) {
    u32 pixels[kLanes] = {counter[1]};
    Words words;
    philox(words, pixels, counter[0], counter[2], Stream{key0, key1, counter[3]});
    for (int k = 0; k < 4; ++k) counter[k] = words.at[k][0];
}
}
