// Circuits of rate cells with plastic connections, on a batch that shares the weights.
//
// Neurons are in tiles of LANES. One task is one step of one tile for the whole batch. In one pass over its synapses it
// updates them with the factors of the previous step and sums the inputs of this step. Then it integrates its cells and
// computes their outputs for the next step. Tasks of a step read nothing that another of them writes, so that results
// do not depend on their order or on the threads.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "functions.hpp"
#include "parallel.hpp"
#include "poisson.hpp"
#include "rates_synapses.hpp"
#include "smooth.hpp"
#include "vector.hpp"

// An output, or a factor that plastic connections read of the presynaptic cell: (steps, tiles, samples, width).
struct Channel {
    void* values;
    int64_t size;   // numbers of one step
    int64_t hold;   // steps for which a source holds each value; 0 for cells, of which three steps are stored
    int64_t width;  // LANES, or 1 for a source with a single neuron

    template <class real> real* at(int64_t t) const {
        return static_cast<real*>(values) + size * (hold ? t / hold : t % 3);
    }
};

struct Projection {
    void* synapses;           // full: (tiles, rows, variables, LANES); sparse: the weights, tile by tile
    const double* parameters;
    const int64_t* offsets;   // sparse: the first synapse of each tile (tiles + 1)
    const int32_t *pre, *lane;  // sparse: presynaptic neuron and lane of each synapse
    int32_t kind;             // of plastic connection; or FIXED, SPARSE
    int32_t rows, input, channel, pre_channel, post_factor, number;
};
constexpr int FIXED = -1, SPARSE = -2;

struct Recorder {
    void* trace;   // (samples, steps, neurons), or null
    double* sum;   // (samples, neurons), or null
    int32_t variable;
};

struct Population {
    void *state, *in, *out;  // (tiles, samples, states | inputs | outputs, LANES)
    void* post;              // (tiles, posts, samples, LANES)
    const double* parameters;
    const Projection* incoming;
    const int32_t* channels;  // of its outputs, then of its presynaptic factors
    const Recorder* recorders;
    int32_t kind, neurons, number, n_incoming, n_recorders;
};

struct Run {
    const Population* populations;
    const Channel* channels;
    const uint8_t* learns;  // (steps)
    int64_t steps, first_step, mean_from;
    uint64_t seed;
    int32_t n_populations, samples, threads;
    int32_t check_interval;                  // steps between checks for divergence
    int32_t bad_projection, bad_population;  // out: the first that diverged, -1 for none
    int64_t bad_step;                        // out: the step of that check
};

// A tile of a population.
template <class real> struct Tile {
    const Run& run;
    const Population& population;
    int tile, samples;
    int first() const { return tile * LANES<real>; }
    int lanes() const { return std::min(LANES<real>, population.neurons - first()); }
    real* block(void* of, int variables) const {
        return static_cast<real*>(of) + int64_t(tile) * samples * variables * LANES<real>;
    }
};

// Interface of the cells of one kind.
template <class real> struct Cells {
    int states, inputs, outputs, posts;
    virtual ~Cells() = default;
    virtual void output(const Tile<real>& at, int64_t t) const = 0;
    virtual void step(const Tile<real>& at, int64_t t) const = 0;
};

// Cells ------------------------------------------------------------------------------------------------------------

template <class Cell, class real> struct CellsOf final : Cells<real> {
    Cell cell;

    explicit CellsOf(const double* parameters) : cell(parameters) {
        this->states = Cell::states, this->inputs = Cell::inputs;
        this->outputs = Cell::outputs, this->posts = Cell::posts;
    }

    void output(const Tile<real>& at, int64_t t) const override {
        constexpr int L = LANES<real>;
        real* out = at.block(at.population.out, Cell::outputs);
        const real* state = at.block(at.population.state, Cell::states);
        if constexpr (Cell::samples > 0)
            for (int s = 0; s < at.samples; ++s)
                sample(at, state + s * Cell::states * L, out + s * Cell::outputs * L, s, t);
        cell.output(state, out, at.samples);
        publish(at, out, 0, Cell::outputs, 0, at.samples, t);
    }

    void step(const Tile<real>& at, int64_t t) const override {
        constexpr int L = LANES<real>, PRES = Cell::pres;
        const Population& p = at.population;
        real* state = at.block(p.state, Cell::states);
        real *in = at.block(p.in, Cell::inputs), *out = at.block(p.out, Cell::outputs);
        real* post = at.block(p.post, Cell::posts);
        if (p.n_recorders) record(at, state, in, out, t);
        alignas(64) real noise[Cell::noisy ? GROUP * L : 1], pre[std::max(1, GROUP * PRES) * L];
        for (int s = 0; s < at.samples; s += GROUP) {
            const int count = std::min(GROUP, at.samples - s);
            if constexpr (Cell::noisy)
                for (int k = 0; k < count; ++k) normal<real, L>(random_key(at, s + k, t), at.first(), noise + k * L);
            cell.step(state + s * Cell::states * L, in + s * Cell::inputs * L, out + s * Cell::outputs * L, noise, pre,
                      post + s * L, int64_t(at.samples) * L, real(1) / real(at.samples), count);
            publish(at, pre, Cell::outputs, PRES, s, count, t);
        }
        output(at, t + 1);
    }

   private:
    static constexpr int GROUP = 16;  // samples whose noise is generated at once

    // The random key of one sample of a population in one step.
    static uint64_t random_key(const Tile<real>& at, int sample, int64_t t) {
        const uint64_t key = splitmix(splitmix(at.run.seed, uint64_t(sample)), uint64_t(at.population.number));
        return splitmix(key, uint64_t(at.run.first_step + t));
    }

    // Poisson counts of this step in place of those of the step before.
    void sample(const Tile<real>& at, const real* state, real* out, int sample, int64_t t) const {
        cell.mean(state, out);
        for (int k = 0; k < Cell::samples; ++k) {
            // numbers beyond those of all neurons, which the noise uses
            const uint64_t key = splitmix(random_key(at, sample, t), (uint64_t(1) << 32) + uint64_t(k));
            poisson(key, at.first(), at.lanes(), out + Cell::sampled(k) * LANES<real>);
        }
    }

    static void publish(const Tile<real>& at, const real* values, int from, int kinds, int first, int count,
                        int64_t t) {
        using vec = typename Vec<real>::type;
        for (int k = 0; k < kinds; ++k) {
            real* to = at.run.channels[at.population.channels[from + k]].template at<real>(t);
            vec* here = reinterpret_cast<vec*>(to) + int64_t(at.tile) * at.samples + first;
            for (int s = 0; s < count; ++s) here[s] = reinterpret_cast<const vec*>(values)[s * kinds + k];
        }
    }

    void record(const Tile<real>& at, const real* state, const real* in, const real* out, int64_t t) const {
        constexpr int L = LANES<real>;
        const int64_t neurons = at.population.neurons;
        alignas(64) real values[L];
        for (int k = 0; k < at.population.n_recorders; ++k) {
            const Recorder& recorder = at.population.recorders[k];
            if (!recorder.trace && t < at.run.mean_from) continue;
            for (int s = 0; s < at.samples; ++s) {
                cell.record(recorder.variable, state + s * Cell::states * L, in + s * Cell::inputs * L,
                            out + s * Cell::outputs * L, values);
                if (recorder.trace) {
                    real* to = static_cast<real*>(recorder.trace) + (s * at.run.steps + t) * neurons + at.first();
                    std::copy(values, values + at.lanes(), to);
                }
                if (recorder.sum && t >= at.run.mean_from)
                    for (int n = 0; n < at.lanes(); ++n)
                        recorder.sum[s * neurons + at.first() + n] += double(values[n]);
            }
        }
    }
};

// One step of one tile ---------------------------------------------------------------------------------------------

template <class real> struct Parts {
    std::unique_ptr<Cells<real>> cells;
    std::vector<std::unique_ptr<Synapses<real>>> synapses;  // null for sparse projections
};

// The weights of a tile's synapses by lane if each of its neurons receives at most one synapse, from the same lane of
// one presynaptic tile, as in one-to-one projections. Otherwise `block` is -1.
template <class real> struct OneToOne {
    alignas(64) real weights[LANES<real>] = {};
    int64_t block = -1;

    OneToOne(const Tile<real>& at, const Projection& from) {
        const int64_t begin = from.offsets[at.tile], end = from.offsets[at.tile + 1];
        bool used[LANES<real>] = {};
        for (int64_t k = begin; k < end; ++k) {
            const int lane = from.lane[k];
            const bool other_tile = from.pre[k] / LANES<real> != from.pre[begin] / LANES<real>;
            if (other_tile || from.pre[k] % LANES<real> != lane || used[lane]) return;
            used[lane] = true;
            weights[lane] = static_cast<const real*>(from.synapses)[k];
        }
        if (end > begin) block = from.pre[begin] / LANES<real>;
    }
};

template <class real>
void sparse(const Tile<real>& at, const Projection& from, const Rates<real>& rates, real* sum, int stride) {
    const real* weights = static_cast<const real*>(from.synapses);
    if (rates.width == LANES<real> && at.samples > 1)
        if (const OneToOne<real> pairs(at, from); pairs.block >= 0) {
            const real* __restrict now = rates.neuron(pairs.block * LANES<real>);
            for (int s = 0; s < at.samples; ++s, now += LANES<real>, sum += stride)
                // the values of a source need not be aligned to vectors
#pragma GCC ivdep
                for (int n = 0; n < LANES<real>; ++n) sum[n] += pairs.weights[n] * now[n];
            return;
        }
    for (int64_t k = from.offsets[at.tile]; k < from.offsets[at.tile + 1]; ++k) {
        const real* now = rates.neuron(from.pre[k]);
        for (int s = 0; s < at.samples; ++s) sum[s * stride + from.lane[k]] += weights[k] * now[s * rates.width];
    }
}

template <class real> void clear(real* sum, int stride, int samples) {
    for (int s = 0; s < samples; ++s, sum += stride) std::fill(sum, sum + LANES<real>, real(0));
}

// Whether a projection is the first one onto its input.
inline bool is_first(const Population& population, int number) {
    for (int k = 0; k < number; ++k)
        if (population.incoming[k].input == population.incoming[number].input) return false;
    return true;
}

template <class real> Rates<real> rates_of(const Run& run, int channel, int64_t t) {
    return {run.channels[channel].template at<real>(t), run.samples, run.channels[channel].width};
}

template <class real> real* synapses_of(const Tile<real>& at, const Projection& from, int variables) {
    return static_cast<real*>(from.synapses) + int64_t(at.tile) * from.rows * variables * LANES<real>;
}

// Updates the synapses with the factors of step t - 1 and sums the inputs of step t.
template <class real> void receive(const Tile<real>& at, const Parts<real>& parts, int64_t t) {
    const int L = LANES<real>, inputs = parts.cells->inputs;
    const Run& run = at.run;
    real* in = at.block(at.population.in, inputs);
    const real* post = at.block(at.population.post, parts.cells->posts);
    for (int k = 0; k < at.population.n_incoming; ++k) {
        const Projection& from = at.population.incoming[k];
        const Rates<real> rates = rates_of<real>(run, from.channel, std::min(t, run.steps - 1));
        real* sum = in + from.input * L;
        const bool first = is_first(at.population, k);
        if (from.kind == SPARSE) {
            if (first) clear(sum, inputs * L, at.samples);
            sparse(at, from, rates, sum, inputs * L);
            continue;
        }
        const bool learns = from.kind >= 0 && t > 0 && run.learns[t - 1];
        const Rates<real> pre = learns ? rates_of<real>(run, from.pre_channel, t - 1) : Rates<real>{};
        const real* factor = learns ? post + int64_t(from.post_factor) * at.samples * L : nullptr;
        const Sums<real> sums{sum, inputs * L, first};
        real* synapses = synapses_of(at, from, parts.synapses[k]->states);
        parts.synapses[k]->receive(from.rows, synapses, rates, pre, factor, sums, learns);
    }
}

// Whether all numbers are below the square root of the maximum, so that the first variable to diverge is detected
// before products of it overflow.
template <class real> bool bounded(const real* values, int64_t rows, int lanes) {
    const real bound = std::sqrt(std::numeric_limits<real>::max());
    int outside = 0;
    for (int64_t row = 0; row < rows; ++row)
        for (int n = 0; n < lanes; ++n) outside += !(std::fabs(values[row * LANES<real> + n]) <= bound);
    return !outside;
}

// The diverged projection and population of the lowest number.
struct Diverged {
    std::atomic<int32_t> projection{INT32_MAX}, population{INT32_MAX};
    std::atomic<int64_t> step{INT64_MAX};

    static void lower(std::atomic<int32_t>& to, int32_t value) {
        int32_t lowest = to.load();
        while (value < lowest && !to.compare_exchange_weak(lowest, value)) {
        }
    }
};

template <class real> void check(const Tile<real>& at, const Parts<real>& parts, int64_t t, Diverged& diverged) {
    const Population& p = at.population;
    for (int k = 0; k < p.n_incoming; ++k) {
        const Projection& from = p.incoming[k];
        if (from.kind < 0) continue;
        const int variables = parts.synapses[k]->states;
        if (bounded(synapses_of(at, from, variables), int64_t(from.rows) * variables, at.lanes())) continue;
        Diverged::lower(diverged.projection, from.number);
        diverged.step = t;
    }
    const int states = parts.cells->states;
    if (bounded(at.block(p.state, states), int64_t(at.samples) * states, at.lanes())) return;
    Diverged::lower(diverged.population, p.number);
    diverged.step = t;
}

// The whole run ----------------------------------------------------------------------------------------------------

// All tasks of all steps on several threads; a step starts when all tasks of the step before are done. Each thread
// first takes the tasks that it had before, then those of others; fewer threads than requested suffice.
template <class Task>
void in_steps(int64_t steps, long tasks, long threads, const Diverged& diverged, const Task& task) {
    if (threads == 1) {
        for (int64_t t = 0; t < steps && diverged.step.load(std::memory_order_relaxed) >= t; ++t)
            for (long k = 0; k < tasks; ++k) task(t, k);
        return;
    }
    std::vector<std::atomic<int64_t>> taken(tasks);  // the next step of each task
    for (auto& step : taken) step = 0;
    std::atomic<int64_t> done{0};
    std::atomic<long> workers{0};
    on_threads(std::min(threads, tasks), [&] {
        const long start = workers++ * tasks / threads;
        for (int64_t t = 0; t < steps; ++t) {
            for (int spins = 0; done.load(std::memory_order_acquire) < t * tasks; ++spins)
                if (spins > 2000) std::this_thread::yield();
            if (diverged.step.load(std::memory_order_relaxed) < t) return;
            for (long k = 0; k < tasks; ++k) {
                const long mine = (start + k) % tasks;
                int64_t expected = t;
                if (!taken[mine].compare_exchange_strong(expected, t + 1)) continue;
                task(t, mine);
                done.fetch_add(1, std::memory_order_release);
            }
        }
    });
}

template <class real, class Make> void run_rates(Run& run, const Make& make) {
    std::vector<Parts<real>> parts(run.n_populations);
    std::vector<Tile<real>> tiles;
    for (int k = 0; k < run.n_populations; ++k) {
        const Population& p = run.populations[k];
        parts[k].cells = make.cells(p.kind, p.parameters);
        for (int from = 0; from < p.n_incoming; ++from)
            parts[k].synapses.push_back(make.synapses(p.incoming[from].kind, p.incoming[from].parameters));
        for (int tile = 0; tile * LANES<real> < p.neurons; ++tile) tiles.push_back({run, p, tile, run.samples});
    }
    const auto parts_of = [&](long k) -> const Parts<real>& { return parts[&tiles[k].population - run.populations]; };
    for (size_t k = 0; k < tiles.size(); ++k) parts_of(k).cells->output(tiles[k], 0);
    Diverged diverged;
    // one step more, which only updates the synapses of the last step
    in_steps(run.steps + 1, long(tiles.size()), run.threads, diverged, [&](int64_t t, long k) {
        receive(tiles[k], parts_of(k), t);
        if (t < run.steps) parts_of(k).cells->step(tiles[k], t);
        if (t == run.steps || (t + 1) % run.check_interval == 0) check(tiles[k], parts_of(k), t, diverged);
    });
    const bool bad = diverged.step.load() != INT64_MAX;
    run.bad_projection = bad && diverged.projection != INT32_MAX ? diverged.projection.load() : -1;
    run.bad_population = bad && diverged.population != INT32_MAX ? diverged.population.load() : -1;
    run.bad_step = bad ? diverged.step.load() : -1;
}
