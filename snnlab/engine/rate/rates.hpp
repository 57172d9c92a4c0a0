// Circuits of cells that are heard in every step, with plastic connections, over a batch that shares the weights.
//
// Neurons lie in tiles of LANES. One task is one step of one tile for the whole batch: going through its synapses once,
// it moves them by what the cells said and asked for one step before, and sums up what arrives in this step; then its
// cells move, and say what will be heard in the next. Tasks of a step read nothing that another of them writes, so that
// the order in which they run, and the thread, change nothing.
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

// What others hear, or what plastic connections read of the cell before, step by step: (tiles, samples, width).
struct Channel {
    void* values;
    int64_t size;     // of the numbers of one step
    int64_t stretch;  // steps that a source's numbers are held; 0 for those of cells, of which three steps are kept
    int64_t width;    // LANES, or 1 of a source with a single neuron

    template <class real> real* at(int64_t t) const {
        return static_cast<real*>(values) + size * (stretch ? t / stretch : t % 3);
    }
};

struct Projection {
    void* synapses;         // full ones: (tiles, rows, variables, LANES); others: their weights, tile by tile
    const double* parameters;
    const int64_t* offsets; // others: (tiles + 1), and of each synapse the neuron before and the lane
    const int32_t* before;
    const int32_t* lane;
    int32_t kind;           // of plastic connection; STILL and SPARSE
    int32_t rows, input, heard, told, asked, name;
};
constexpr int STILL = -1, SPARSE = -2;

struct Watched {
    void* trace;   // (samples, steps, neurons), or none
    double* sum;   // (samples, neurons), or none
    int32_t which;
};

struct Population {
    void *state, *in, *said, *post;  // (tiles, samples, states | inputs | says, LANES), post (tiles, posts, samples, LANES)
    const double* parameters;
    const Projection* into;
    const int32_t* channels;  // of what it says, then of what it tells
    const Watched* watched;
    int32_t kind, neurons, number, n_into, n_watched;
};

struct Run {
    const Population* populations;
    const Channel* channels;
    const uint8_t* learns;  // (steps)
    int64_t steps, begin, mean_from;
    uint64_t seed;
    int32_t n_populations, samples, threads;
    int32_t every;                           // steps from one look for numbers beyond all bounds to the next
    int32_t bad_projection, bad_population;  // given back: what was beyond them first, -1 for none,
    int64_t bad_step;                        // and the step in which that was seen
};

// What a task knows of its tile.
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

// Cells of one kind behind one face, so that the loops below know none of them.
template <class real> struct Cells {
    int states, inputs, says, tells, posts;
    virtual ~Cells() = default;
    virtual void speak(const Tile<real>& at, int64_t t) const = 0;
    virtual void live(const Tile<real>& at, int64_t t) const = 0;
};

// Cells ------------------------------------------------------------------------------------------------------------

template <class Cell, class real> struct CellsOf final : Cells<real> {
    Cell cell;

    explicit CellsOf(const double* parameters) : cell(parameters) {
        this->states = Cell::states, this->inputs = Cell::inputs, this->says = Cell::says;
        this->tells = Cell::tells, this->posts = Cell::posts;
    }

    void speak(const Tile<real>& at, int64_t t) const override {
        constexpr int L = LANES<real>;
        real* said = at.block(at.population.said, Cell::says);
        const real* state = at.block(at.population.state, Cell::states);
        if constexpr (Cell::draws > 0)
            for (int s = 0; s < at.samples; ++s) draw(at, state + s * Cell::states * L, said + s * Cell::says * L, s, t);
        cell.speak(state, said, at.samples);
        publish(at, said, 0, Cell::says, 0, at.samples, t);
    }

    void live(const Tile<real>& at, int64_t t) const override {
        constexpr int L = LANES<real>, TELLS = Cell::tells;
        const Population& p = at.population;
        real* state = at.block(p.state, Cell::states);
        real *in = at.block(p.in, Cell::inputs), *said = at.block(p.said, Cell::says);
        real* post = at.block(p.post, Cell::posts);
        if (p.n_watched) watch(at, state, in, said, t);
        alignas(64) real noise[Cell::noisy ? TOGETHER * L : 1], told[std::max(1, TOGETHER * TELLS) * L];
        for (int s = 0; s < at.samples; s += TOGETHER) {
            const int count = std::min(TOGETHER, at.samples - s);
            if constexpr (Cell::noisy)
                for (int k = 0; k < count; ++k) normal<real, L>(luck(at, s + k, t), at.first(), noise + k * L);
            cell.live(state + s * Cell::states * L, in + s * Cell::inputs * L, said + s * Cell::says * L, noise, told,
                      post + s * L, int64_t(at.samples) * L, real(1) / real(at.samples), count);
            publish(at, told, Cell::says, TELLS, s, count, t);
        }
        speak(at, t + 1);
    }

   private:
    static constexpr int TOGETHER = 16;  // samples whose noise is drawn before they use it

    // What the numbers are drawn from that one sample of a population meets in one step.
    static uint64_t luck(const Tile<real>& at, int sample, int64_t t) {
        const uint64_t key = splitmix(splitmix(at.run.seed, uint64_t(sample)), uint64_t(at.population.number));
        return splitmix(key, uint64_t(at.run.begin + t));
    }

    // Counts where those of the step before were: they are what is heard, recorded and learnt from in this step.
    void draw(const Tile<real>& at, const real* state, real* said, int sample, int64_t t) const {
        cell.expect(state, said);
        for (int k = 0; k < Cell::draws; ++k) {
            // beyond all neurons, whose numbers there are those of the noise
            const uint64_t key = splitmix(luck(at, sample, t), (uint64_t(1) << 32) + uint64_t(k));
            poisson(key, at.first(), at.lanes(), said + Cell::drawn(k) * LANES<real>);
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

    void watch(const Tile<real>& at, const real* state, const real* in, const real* said, int64_t t) const {
        constexpr int L = LANES<real>;
        const int64_t neurons = at.population.neurons;
        alignas(64) real out[L];
        for (int k = 0; k < at.population.n_watched; ++k) {
            const Watched& one = at.population.watched[k];
            if (!one.trace && t < at.run.mean_from) continue;
            for (int s = 0; s < at.samples; ++s) {
                cell.watch(one.which, state + s * Cell::states * L, in + s * Cell::inputs * L,
                           said + s * Cell::says * L, out);
                if (one.trace) {
                    real* to = static_cast<real*>(one.trace) + (s * at.run.steps + t) * neurons + at.first();
                    std::copy(out, out + at.lanes(), to);
                }
                if (one.sum && t >= at.run.mean_from)
                    for (int n = 0; n < at.lanes(); ++n) one.sum[s * neurons + at.first() + n] += double(out[n]);
            }
        }
    }
};

// One step of one tile ---------------------------------------------------------------------------------------------

template <class real> struct Parts {
    std::unique_ptr<Cells<real>> cells;
    std::vector<std::unique_ptr<Synapses<real>>> synapses;  // none for sparse ones
};

// The weights of a tile's synapses lane by lane, where every one of its neurons hears the neuron in its own lane of one
// tile, at most once, as in a projection from one to one. Else `block` is -1.
template <class real> struct Paired {
    alignas(64) real weights[LANES<real>] = {};
    int64_t block = -1;

    Paired(const Tile<real>& at, const Projection& from) {
        const int64_t begin = from.offsets[at.tile], end = from.offsets[at.tile + 1];
        bool taken[LANES<real>] = {};
        for (int64_t k = begin; k < end; ++k) {
            const int lane = from.lane[k];
            const bool apart = from.before[k] / LANES<real> != from.before[begin] / LANES<real>;
            if (apart || from.before[k] % LANES<real> != lane || taken[lane]) return;
            taken[lane] = true;
            weights[lane] = static_cast<const real*>(from.synapses)[k];
        }
        if (end > begin) block = from.before[begin] / LANES<real>;
    }
};

template <class real>
void sparse(const Tile<real>& at, const Projection& from, const Heard<real>& heard, real* sum, int stride) {
    const real* weights = static_cast<const real*>(from.synapses);
    if (heard.width == LANES<real> && at.samples > 1)
        if (const Paired<real> paired(at, from); paired.block >= 0) {
            const real* __restrict now = heard.neuron(paired.block * LANES<real>);
            for (int s = 0; s < at.samples; ++s, now += LANES<real>, sum += stride)
                // what a source says need not lie where whole vectors do
#pragma GCC ivdep
                for (int n = 0; n < LANES<real>; ++n) sum[n] += paired.weights[n] * now[n];
            return;
        }
    for (int64_t k = from.offsets[at.tile]; k < from.offsets[at.tile + 1]; ++k) {
        const real* now = heard.neuron(from.before[k]);
        for (int s = 0; s < at.samples; ++s) sum[s * stride + from.lane[k]] += weights[k] * now[s * heard.width];
    }
}

template <class real> void clear(real* sum, int stride, int samples) {
    for (int s = 0; s < samples; ++s, sum += stride) std::fill(sum, sum + LANES<real>, real(0));
}

// Whether it is the first to bring something to its input.
inline bool begins(const Population& population, int number) {
    for (int k = 0; k < number; ++k)
        if (population.into[k].input == population.into[number].input) return false;
    return true;
}

template <class real> Heard<real> heard_in(const Run& run, int channel, int64_t t) {
    return {run.channels[channel].template at<real>(t), run.samples, run.channels[channel].width};
}

template <class real> real* synapses_of(const Tile<real>& at, const Projection& from, int variables) {
    return static_cast<real*>(from.synapses) + int64_t(at.tile) * from.rows * variables * LANES<real>;
}

// What arrives in step t, over synapses that have made the step before; after the last one, those make theirs.
template <class real> void arrive(const Tile<real>& at, const Parts<real>& parts, int64_t t) {
    const int L = LANES<real>, inputs = parts.cells->inputs;
    const Run& run = at.run;
    real* in = at.block(at.population.in, inputs);
    const real* post = at.block(at.population.post, parts.cells->posts);
    for (int k = 0; k < at.population.n_into; ++k) {
        const Projection& from = at.population.into[k];
        const Heard<real> heard = heard_in<real>(run, from.heard, std::min(t, run.steps - 1));
        real* sum = in + from.input * L;
        const bool first = begins(at.population, k);
        if (from.kind == SPARSE) {
            if (first) clear(sum, inputs * L, at.samples);
            sparse(at, from, heard, sum, inputs * L);
            continue;
        }
        const bool learns = from.kind >= 0 && t > 0 && run.learns[t - 1];
        const Heard<real> told = learns ? heard_in<real>(run, from.told, t - 1) : Heard<real>{};
        const real* asked = learns ? post + int64_t(from.asked) * at.samples * L : nullptr;
        const Sums<real> sums{sum, inputs * L, first};
        parts.synapses[k]->hear(from.rows, synapses_of(at, from, parts.synapses[k]->states), heard, told, asked, sums,
                                learns);
    }
}

// Far from where the products of two numbers end, so that the first to grow is seen before all others follow.
template <class real> bool bounded(const real* values, int64_t rows, int lanes) {
    const real bound = std::sqrt(std::numeric_limits<real>::max());
    int beyond = 0;
    for (int64_t row = 0; row < rows; ++row)
        for (int n = 0; n < lanes; ++n) beyond += !(std::fabs(values[row * LANES<real> + n]) <= bound);
    return !beyond;
}

// The first projection, by its name's number, and the first population that are beyond all bounds.
struct Found {
    std::atomic<int32_t> projection{INT32_MAX}, population{INT32_MAX};
    std::atomic<int64_t> step{INT64_MAX};

    static void lower(std::atomic<int32_t>& to, int32_t value) {
        int32_t was = to.load();
        while (value < was && !to.compare_exchange_weak(was, value)) {
        }
    }
};

template <class real> void look(const Tile<real>& at, const Parts<real>& parts, int64_t t, Found& found) {
    const Population& p = at.population;
    for (int k = 0; k < p.n_into; ++k) {
        const Projection& from = p.into[k];
        if (from.kind < 0) continue;
        const int variables = parts.synapses[k]->states;
        if (bounded(synapses_of(at, from, variables), int64_t(from.rows) * variables, at.lanes())) continue;
        Found::lower(found.projection, from.name);
        found.step = t;
    }
    const int states = parts.cells->states;
    if (bounded(at.block(p.state, states), int64_t(at.samples) * states, at.lanes())) return;
    Found::lower(found.population, p.number);
    found.step = t;
}

// The whole run ----------------------------------------------------------------------------------------------------

// Every task of every step, on several threads: none of step t + 1 begins before all of step t are done. Each thread
// looks for work where it worked before, and helps the others after that; it works with fewer threads than asked for.
template <class Task> void in_steps(int64_t steps, long tasks, long threads, const Found& found, const Task& task) {
    if (threads == 1) {
        for (int64_t t = 0; t < steps && found.step.load(std::memory_order_relaxed) >= t; ++t)
            for (long k = 0; k < tasks; ++k) task(t, k);
        return;
    }
    std::vector<std::atomic<int64_t>> taken(tasks);  // steps of each task that somebody has begun
    for (auto& one : taken) one = 0;
    std::atomic<int64_t> done{0};
    std::atomic<long> workers{0};
    on_threads(std::min(threads, tasks), [&] {
        const long start = workers++ * tasks / threads;
        for (int64_t t = 0; t < steps; ++t) {
            for (int spins = 0; done.load(std::memory_order_acquire) < t * tasks; ++spins)
                if (spins > 2000) std::this_thread::yield();
            if (found.step.load(std::memory_order_relaxed) < t) return;
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
        for (int from = 0; from < p.n_into; ++from)
            parts[k].synapses.push_back(make.synapses(p.into[from].kind, p.into[from].parameters));
        for (int tile = 0; tile * LANES<real> < p.neurons; ++tile) tiles.push_back({run, p, tile, run.samples});
    }
    const auto parts_of = [&](long k) -> const Parts<real>& { return parts[&tiles[k].population - run.populations]; };
    for (size_t k = 0; k < tiles.size(); ++k) parts_of(k).cells->speak(tiles[k], 0);
    Found found;
    // one step more, in which nothing is left to do but to move the synapses
    in_steps(run.steps + 1, long(tiles.size()), run.threads, found, [&](int64_t t, long k) {
        arrive(tiles[k], parts_of(k), t);
        if (t < run.steps) parts_of(k).cells->live(tiles[k], t);
        if (t == run.steps || (t + 1) % run.every == 0) look(tiles[k], parts_of(k), t, found);
    });
    const bool bad = found.step.load() != INT64_MAX;
    run.bad_projection = bad && found.projection != INT32_MAX ? found.projection.load() : -1;
    run.bad_population = bad && found.population != INT32_MAX ? found.population.load() : -1;
    run.bad_step = bad ? found.step.load() : -1;
}
