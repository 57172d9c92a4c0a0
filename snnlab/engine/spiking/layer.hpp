// One population over a batch, sample by sample and step by step.
//
// The order within a step is Brian2's: state update, threshold, arriving spikes, reset. A tile is 64 neurons, so that
// its weights stay in the second-level cache and one machine word says which of them fire. A population that hears
// others through full weights alone runs tile by tile; one that hears itself, or that shares weights across tiles, runs
// all its tiles together. A tile by itself stays in the nearest cache and does without branches, since whether one of its
// neurons fired cannot be foreseen; many tiles together are better off the less they touch. The cell is a template
// parameter, generated from its card.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "deliver.hpp"
#include "parallel.hpp"
#include "raster.hpp"
#include "vector.hpp"

// Called in every step: as functions of their own they would fetch what the sample needs anew each time.
#define INLINE __attribute__((always_inline))

struct Layer {
    const double* parameters;
    const Input* inputs;
    const double* start;  // (states, neurons)
    uint64_t* raster;     // out (samples, tiles, steps)
    void* potential;      // out real (samples, neurons): the potential at each spike, summed over the spikes
    int32_t n_inputs, samples, steps, neurons, refractory, together, threads;
};

// Some tiles of a population, with the weights of all projections onto them; shared by the tasks that run them.
template <class real> struct Place {
    const Layer& layer;
    int first, neurons, tiles;
    std::vector<std::vector<Tile<real>>> weights;  // of each input, of each tile; none where they are not full

    Place(const Layer& layer_, int tile, int tiles_)
        : layer(layer_), first(tile * TILE), neurons(std::min(tiles_ * TILE, layer_.neurons - first)), tiles(tiles_),
          weights(layer_.n_inputs) {
        for (int p = 0; p < layer.n_inputs; ++p)
            for (int k = 0; layer.inputs[p].kind == FULL && k < tiles; ++k)
                weights[p].emplace_back(layer.inputs[p], first + k * TILE, layer.neurons);
    }
};

// TOGETHER as in Layer.
template <template <class> class Cell, class real, bool TOGETHER> class Runner {
    static constexpr int STATES = Cell<real>::states;
    const Place<real>& place;
    const Layer& layer;
    const Cell<real>& cell;
    const int span;  // neurons, and what fills the last tile
    std::unique_ptr<Vec<real>[]> memory, saved, potentials;
    std::unique_ptr<Vec<int32_t>[]> integers;
    real* const potential;
    int32_t *const ready, *const fires;
    std::vector<int32_t> own, firing;  // neurons, in an earlier step and in this one
    std::vector<uint64_t> fired;
    std::vector<uint8_t> rests;   // tiles that stay as they begin until a spike arrives
    std::vector<uint8_t> asleep;  // those of them that nothing has reached yet
    uint64_t* raster = nullptr;  // of this sample and the first tile

public:
    Runner(const Place<real>& place_, const Cell<real>& cell_)
        : place(place_), layer(place_.layer), cell(cell_), span(place_.tiles * TILE),
          memory(new Vec<real>[STATES * span / LANES<real> + 2]), saved(new Vec<real>[span / LANES<real>]),
          potentials(new Vec<real>[span / LANES<real>]), integers(new Vec<int32_t>[(span + TILE) / LANES<int32_t>]),
          potential(reinterpret_cast<real*>(potentials.get())), ready(reinterpret_cast<int32_t*>(integers.get())),
          fires(ready + span), fired(place_.tiles), rests(place_.tiles) {
        if (TOGETHER) find_rest();
    }

    void sample(int b) {
        begin(b);
        for (int t = 0; t < layer.steps; ++t) {
            move(t);
            for (int p = 0; p < layer.n_inputs; ++p) arrive(p, b, t);
            reset();
        }
        const int64_t at = int64_t(b) * layer.neurons + place.first;
        std::memcpy(static_cast<real*>(layer.potential) + at, potential, place.neurons * sizeof(real));
    }

private:
    real* state(int s) const { return reinterpret_cast<real*>(memory.get()) + int64_t(s) * span; }

    // A tile rests if a step without input leaves every one of its neurons exactly as it began, and silent. One step
    // says all: equations know neither time nor noise (codegen.py refuses both), and nobody is refractory yet.
    void find_rest() {
        begin(0);
        for (int g = 0; g < place.tiles; ++g) {
            const int at = g * TILE, width = std::min(TILE, place.neurons - at);
            std::vector<real> began;
            for (int s = 0; s < STATES; ++s) began.insert(began.end(), state(s) + at, state(s) + at + width);
            update<false>(at, width, 0);
            bool same = std::none_of(fires, fires + width, [](int32_t fire) { return fire; });
            for (int s = 0; s < STATES; ++s)
                same = same && std::equal(state(s) + at, state(s) + at + width, began.begin() + s * width);
            rests[g] = same;
        }
    }

    // One step of the tile that begins with neuron `at`.
    template <bool FOLLOW> INLINE void update(int at, int width, int t) {
        if (width <= NARROW)
            cell.template update<FOLLOW, NARROW>(state(0) + at, span, ready + at, potential + at, fires, t,
                                                 layer.refractory);
        else
            cell.template update<FOLLOW, TILE>(state(0) + at, span, ready + at, potential + at, fires, t,
                                               layer.refractory);
    }

    void begin(int b) {
        std::memset(static_cast<void*>(memory.get()), 0, STATES * span * sizeof(real));
        for (int s = 0; s < STATES; ++s)
            for (int k = 0; k < place.neurons; ++k)
                state(s)[k] = real(layer.start[int64_t(s) * layer.neurons + place.first + k]);
        std::fill(potential, potential + span, real(0));
        std::fill(ready, ready + span, 0);
        std::fill(fires, fires + TILE, 0);
        asleep = rests;
        raster = layer.raster + (int64_t(b) * tiles_of(layer.neurons) + place.first / TILE) * layer.steps;
    }

    // State update and threshold.
    INLINE void move(int t) {
        firing.clear();
        for (int g = 0; g < place.tiles; ++g) {
            const int at = g * TILE, width = std::min(TILE, place.neurons - at);
            fired[g] = 0;
            if (!asleep[g]) {
                update<!TOGETHER>(at, width, t);
                fired[g] = pack(fires);
            }
            fired[g] &= width == TILE ? ~0ull : (1ull << width) - 1;  // hides what an earlier tile left in `fires`, too
            raster[int64_t(g) * layer.steps + t] = fired[g];
            if constexpr (!TOGETHER) continue;
            each_bit(fired[g], [&](int k) {
                ready[at + k] = t + layer.refractory;
                potential[at + k] += state(Cell<real>::watched)[at + k];
                firing.push_back(at + k);
            });
        }
    }

    INLINE void arrive(int p, int b, int t) {
        const Input& input = layer.inputs[p];
        if (t < input.delay) return;
        const int32_t *begin, *end;
        if (input.ids) {
            const int64_t* at = input.offsets + int64_t(b) * (layer.steps + 1) + (t - input.delay);
            begin = input.ids + at[0], end = input.ids + at[1];
        } else {
            begin = list_own(t - input.delay), end = begin + own.size();
        }
        if (begin == end) return;
        real* receptor = state(input.receptor);
        const bool held = Cell<real>::held[input.receptor];
        if (held) std::memcpy(static_cast<void*>(saved.get()), receptor, span * sizeof(real));
        cross(p, receptor, begin, end);
        if (held) {  // a variable that rests while refractory takes no input either
            const real* before = reinterpret_cast<const real*>(saved.get());
            for (int k = 0; k < place.neurons; ++k)
                if (t < ready[k] || (fired[k / TILE] >> (k % TILE) & 1)) receptor[k] = before[k];
        }
    }

    void cross(int p, real* receptor, const int32_t* begin, const int32_t* end) {
        const Input& input = layer.inputs[p];
        const auto wake = [&](int first, int last) {
            for (int g = first / TILE; g <= last / TILE; ++g) asleep[g] = false;
        };
        if (input.kind == FULL) {
            for (int g = 0; g < place.tiles; ++g) {
                const Vec<real>* rows = place.weights[p][g].rows.get();
                if (place.neurons - g * TILE <= NARROW)
                    deliver<real, NARROW>(receptor + g * TILE, rows, begin, end);
                else
                    deliver<real, TILE>(receptor + g * TILE, rows, begin, end);
            }
            wake(0, span - 1);
            return;
        }
        const real* weights = static_cast<const real*>(input.weights);
        if (input.kind == SPARSE) {
            for (const int32_t* id = begin; id < end; ++id)
                each_synapse(input.shape, input.pre, *id, [&](int target, int from) {
                    receptor[target] += weights[from];
                    wake(target, target);
                });
            return;
        }
        Kernels kernels;
        std::memcpy(&kernels, input.shape, sizeof kernels);
        for (const int32_t* id = begin; id < end; ++id)
            kernels.each_run(*id, [&](int first, int64_t from, int run) {
                add(receptor + first, weights + from, run);
                wake(first, std::min(first + run, span) - 1);
            });
    }

    // What the population itself fired in step t.
    const int32_t* list_own(int t) {
        own.clear();
        for (int g = 0; g < place.tiles; ++g)
            each_bit(raster[int64_t(g) * layer.steps + t], [&](int k) { own.push_back(g * TILE + k); });
        return own.data();
    }

    void reset() {
        for (int32_t n : firing) cell.reset(state(0) + n, span);
    }
};

template <template <class> class Cell, class real> void run_layer(const Layer& layer) {
    const Cell<real> cell(layer.parameters);
    const int tiles = tiles_of(layer.neurons);
    if (layer.together) {
        const Place<real> place(layer, 0, tiles);
        parallel_for(layer.samples, layer.threads,
                     [&](long sample) { Runner<Cell, real, true>(place, cell).sample(int(sample)); });
        return;
    }
    // whole tiles, as many for every thread; those that are left over are divided by samples, for the threads to end
    // together
    const int whole = tiles / layer.threads * layer.threads;
    const int chunks = std::min(layer.samples, 2 * layer.threads);
    parallel_for(whole + long(tiles - whole) * chunks, layer.threads, [&](long task) {
        const bool part = task >= whole;
        const Place<real> place(layer, part ? whole + int((task - whole) / chunks) : int(task), 1);
        Runner<Cell, real, false> runner(place, cell);
        const int64_t chunk = part ? (task - whole) % chunks : 0, all = part ? chunks : 1;
        const int end = int(layer.samples * (chunk + 1) / all);
        for (int sample = int(layer.samples * chunk / all); sample < end; ++sample) runner.sample(sample);
    });
}
