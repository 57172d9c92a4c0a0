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
#include "smooth.hpp"
#include "vector.hpp"

// What others hear, or what plastic connections read of the cell before: numbers (neurons, samples) for every step.
struct Channel {
    void* values;
    int64_t size;     // of the numbers of one step
    int64_t stretch;  // steps that a source's numbers are held; 0 for those of cells, of which three steps are kept

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

template <class real> struct Synapses {
    int states, weight;
    virtual ~Synapses() = default;
    // Rows of one tile: moved, where there is something to learn, and then heard.
    virtual void hear(const Projection& from, real* synapses, const real* heard, const real* told, const real* asked,
                      real* sum, int stride, int samples, bool learns) const = 0;
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
        for (int s = 0; s < at.samples; ++s) {
            if constexpr (Cell::draws > 0) draw(at, state + s * Cell::states * L, said + s * Cell::says * L, s, t);
            cell.speak(state + s * Cell::states * L, said + s * Cell::says * L);
            publish(at, said + s * Cell::says * L, 0, Cell::says, s, t);
        }
    }

    void live(const Tile<real>& at, int64_t t) const override {
        constexpr int L = LANES<real>;
        const Population& p = at.population;
        real* state = at.block(p.state, Cell::states);
        real *in = at.block(p.in, Cell::inputs), *said = at.block(p.said, Cell::says);
        real* post = at.block(p.post, Cell::posts);
        if (p.n_watched) watch(at, state, in, said, t);
        alignas(64) real noise[L] = {}, told[std::max(1, Cell::tells) * L];
        const real share = real(1) / real(at.samples);
        for (int s = 0; s < at.samples; ++s) {
            if constexpr (Cell::noisy) normal<real, L>(luck(at, s, t), at.first(), noise);
            cell.live(state + s * Cell::states * L, in + s * Cell::inputs * L, said + s * Cell::says * L, noise, told,
                      post + s * L, int64_t(at.samples) * L, share);
            publish(at, told, Cell::says, Cell::tells, s, t);
        }
        speak(at, t + 1);
    }

   private:
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

    static void publish(const Tile<real>& at, const real* values, int from, int count, int sample, int64_t t) {
        for (int k = 0; k < count; ++k) {
            real* to = at.run.channels[at.population.channels[from + k]].template at<real>(t);
            to += int64_t(at.first()) * at.samples + sample;
            for (int n = 0; n < at.lanes(); ++n) to[int64_t(n) * at.samples] = values[k * LANES<real> + n];
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

// Synapses ---------------------------------------------------------------------------------------------------------

// Those that stay as they are.
template <class real> struct Fixed {
    static constexpr int states = 1, weight = 0;
    explicit Fixed(const double*) {}
    void row(real*, typename Vec<real>::type) const {}
};

template <class Plastic, class real> struct SynapsesOf final : Synapses<real> {
    using vec = typename Vec<real>::type;
    static constexpr int L = LANES<real>, V = Plastic::states;
    Plastic plastic;

    explicit SynapsesOf(const double* parameters) : plastic(parameters) {
        this->states = V, this->weight = Plastic::weight;
    }

    void hear(const Projection& from, real* synapses, const real* heard, const real* told, const real* asked,
              real* sum, int stride, int samples, bool learns) const override {
        if (samples == 1)
            learns ? all<true, true>(from.rows, synapses, heard, told, asked, sum, stride, 1)
                   : all<false, true>(from.rows, synapses, heard, told, asked, sum, stride, 1);
        else
            learns ? all<true, false>(from.rows, synapses, heard, told, asked, sum, stride, samples)
                   : all<false, false>(from.rows, synapses, heard, told, asked, sum, stride, samples);
    }

   private:
    template <bool LEARNS, bool SINGLE>
    void all(int rows, real* at, const real* heard, const real* told, const real* asked, real* sum, int stride,
             int samples) const {
        int row = 0;
        for (; row + 8 <= rows; row += 8)
            some<8, LEARNS, SINGLE>(row, at, heard, told, asked, sum, stride, samples);
        for (; row + 2 <= rows; row += 2)
            some<2, LEARNS, SINGLE>(row, at, heard, told, asked, sum, stride, samples);
        for (; row < rows; ++row) some<1, LEARNS, SINGLE>(row, at, heard, told, asked, sum, stride, samples);
    }

    // ROWS neurons before at a time: each number of the tile's neurons is fetched once for all of them.
    template <int ROWS, bool LEARNS, bool SINGLE>
    void some(int64_t row, real* synapses, const real* __restrict heard, const real* __restrict told,
              const real* __restrict asked, real* __restrict sum, int stride, int many) const {
        const int64_t samples = SINGLE ? 1 : many;
        real* at = synapses + row * V * L;
        heard += row * samples;
        if constexpr (LEARNS) {
            told += row * samples;
            vec product[ROWS];
            const vec first = *reinterpret_cast<const vec*>(asked);
            for (int r = 0; r < ROWS; ++r) product[r] = first * told[r * samples];
            for (int64_t s = 1; s < samples; ++s) {
                const vec post = *reinterpret_cast<const vec*>(asked + s * L);
                for (int r = 0; r < ROWS; ++r) product[r] += post * told[r * samples + s];
            }
            for (int r = 0; r < ROWS; ++r) plastic.row(at + r * V * L, product[r]);
        }
        vec weight[ROWS];
        for (int r = 0; r < ROWS; ++r) weight[r] = *reinterpret_cast<const vec*>(at + (r * V + Plastic::weight) * L);
        for (int64_t s = 0; s < samples; ++s) {
            // two sums side by side, for one would wait for itself
            vec even = weight[0] * heard[s];
            if constexpr (ROWS > 1) {
                vec odd = weight[1] * heard[samples + s];
                for (int r = 2; r < ROWS; r += 2) {
                    even += weight[r] * heard[r * samples + s];
                    odd += weight[r + 1] * heard[(r + 1) * samples + s];
                }
                even += odd;
            }
            *reinterpret_cast<vec*>(sum + s * stride) += even;
        }
    }
};

// One step of one tile ---------------------------------------------------------------------------------------------

template <class real> struct Parts {
    std::unique_ptr<Cells<real>> cells;
    std::vector<std::unique_ptr<Synapses<real>>> synapses;  // none for sparse ones
};

template <class real>
void sparse(const Tile<real>& at, const Projection& from, const real* heard, real* sum, int stride) {
    const real* weights = static_cast<const real*>(from.synapses);
    for (int64_t k = from.offsets[at.tile]; k < from.offsets[at.tile + 1]; ++k) {
        const real* now = heard + int64_t(from.before[k]) * at.samples;
        for (int s = 0; s < at.samples; ++s) sum[s * stride + from.lane[k]] += weights[k] * now[s];
    }
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
    std::fill(in, in + int64_t(at.samples) * inputs * L, real(0));
    for (int k = 0; k < at.population.n_into; ++k) {
        const Projection& from = at.population.into[k];
        const real* heard = run.channels[from.heard].template at<real>(std::min(t, run.steps - 1));
        real* sum = in + from.input * L;
        if (from.kind == SPARSE) {
            sparse(at, from, heard, sum, inputs * L);
            continue;
        }
        const bool learns = from.kind >= 0 && t > 0 && run.learns[t - 1];
        const real* told = learns ? run.channels[from.told].template at<real>(t - 1) : nullptr;
        const real* asked = learns ? post + int64_t(from.asked) * at.samples * L : nullptr;
        parts.synapses[k]->hear(from, synapses_of(at, from, parts.synapses[k]->states), heard, told, asked, sum,
                                inputs * L, at.samples, learns);
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
