// One population on a batch, sample by sample and step by step.
//
// The order within a step is Brian2's: state update, threshold, arriving spikes, reset. A tile is 64 neurons, so that
// its weights fit into the second-level cache and one machine word holds its spikes. A population whose projections all
// have full weights and come from other populations runs tile by tile. One with recurrent projections, or with weights
// that are shared across tiles, runs all tiles jointly. A single tile fits into the first-level cache and runs without
// branches, because the spikes of its neurons cannot be predicted; many joint tiles are faster if they touch less
// memory. The cell is a template parameter, generated from its card.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "deliver.hpp"
#include "parallel.hpp"
#include "raster.hpp"
#include "vector.hpp"

// Called in every step: separate functions would load the members of the sample again each time.
#define INLINE __attribute__((always_inline))

struct Layer {
    const double* parameters;
    const Input* inputs;
    const double* initial;  // (states, neurons)
    uint64_t* raster;       // out (samples, tiles, steps)
    void* potential;        // out real (samples, neurons): the potential at each spike, summed over the spikes
    int32_t n_inputs, samples, steps, neurons, refractory, joint, threads;
};

// Some tiles of a population with the weights of all projections onto them; shared by the tasks that run them.
template <class real> struct TileGroup {
    const Layer& layer;
    int first, neurons, tiles;
    std::vector<std::vector<Tile<real>>> weights;  // of each input and tile; none of an input without full weights

    TileGroup(const Layer& layer_, int tile, int tiles_)
        : layer(layer_), first(tile * TILE), neurons(std::min(tiles_ * TILE, layer_.neurons - first)), tiles(tiles_),
          weights(layer_.n_inputs) {
        for (int p = 0; p < layer.n_inputs; ++p)
            for (int k = 0; layer.inputs[p].kind == FULL && k < tiles; ++k)
                weights[p].emplace_back(layer.inputs[p], first + k * TILE, layer.neurons);
    }
};

// JOINT as in Layer.
template <template <class> class Cell, class real, bool JOINT> class Runner {
    static constexpr int STATES = Cell<real>::states;
    const TileGroup<real>& group;
    const Layer& layer;
    const Cell<real>& cell;
    const int span;  // neurons, and the padding of the last tile
    std::unique_ptr<Vec<real>[]> memory, saved, potentials;
    std::unique_ptr<Vec<int32_t>[]> integers;
    real* const potential;
    int32_t *const active_from, *const fires;
    std::vector<int32_t> recurrent, firing;  // neurons that fired in an earlier step, and in this one
    std::vector<uint64_t> fired;
    std::vector<uint8_t> quiescent;  // tiles that stay in their initial state until a spike arrives
    std::vector<uint8_t> asleep;     // those of them that no spike has reached yet
    uint64_t* raster = nullptr;      // of this sample and the first tile

public:
    Runner(const TileGroup<real>& group_, const Cell<real>& cell_)
        : group(group_), layer(group_.layer), cell(cell_), span(group_.tiles * TILE),
          memory(new Vec<real>[STATES * span / LANES<real> + 2]), saved(new Vec<real>[span / LANES<real>]),
          potentials(new Vec<real>[span / LANES<real>]), integers(new Vec<int32_t>[(span + TILE) / LANES<int32_t>]),
          potential(reinterpret_cast<real*>(potentials.get())), active_from(reinterpret_cast<int32_t*>(integers.get())),
          fires(active_from + span), fired(group_.tiles), quiescent(group_.tiles) {
        if (JOINT) find_quiescent();
    }

    void sample(int b) {
        initialise(b);
        for (int t = 0; t < layer.steps; ++t) {
            integrate(t);
            for (int p = 0; p < layer.n_inputs; ++p) receive(p, b, t);
            reset();
        }
        const int64_t at = int64_t(b) * layer.neurons + group.first;
        std::memcpy(static_cast<real*>(layer.potential) + at, potential, group.neurons * sizeof(real));
    }

private:
    real* state(int s) const { return reinterpret_cast<real*>(memory.get()) + int64_t(s) * span; }

    // A tile is quiescent if a step without input changes no state of its neurons, and none fires. One step suffices:
    // equations with time or noise are refused in Python, and no neuron is refractory yet.
    void find_quiescent() {
        initialise(0);
        for (int g = 0; g < group.tiles; ++g) {
            const int at = g * TILE, width = std::min(TILE, group.neurons - at);
            std::vector<real> initial;
            for (int s = 0; s < STATES; ++s) initial.insert(initial.end(), state(s) + at, state(s) + at + width);
            update<false>(at, width, 0);
            bool same = std::none_of(fires, fires + width, [](int32_t fire) { return fire; });
            for (int s = 0; s < STATES; ++s)
                same = same && std::equal(state(s) + at, state(s) + at + width, initial.begin() + s * width);
            quiescent[g] = same;
        }
    }

    // One step of the tile whose first neuron is `at`.
    template <bool HANDLE_SPIKES> INLINE void update(int at, int width, int t) {
        if (width <= NARROW)
            cell.template update<HANDLE_SPIKES, NARROW>(state(0) + at, span, active_from + at, potential + at, fires, t,
                                                        layer.refractory);
        else
            cell.template update<HANDLE_SPIKES, TILE>(state(0) + at, span, active_from + at, potential + at, fires, t,
                                                      layer.refractory);
    }

    void initialise(int b) {
        std::memset(static_cast<void*>(memory.get()), 0, STATES * span * sizeof(real));
        for (int s = 0; s < STATES; ++s)
            for (int k = 0; k < group.neurons; ++k)
                state(s)[k] = real(layer.initial[int64_t(s) * layer.neurons + group.first + k]);
        std::fill(potential, potential + span, real(0));
        std::fill(active_from, active_from + span, 0);
        std::fill(fires, fires + TILE, 0);
        asleep = quiescent;
        raster = layer.raster + (int64_t(b) * tiles_of(layer.neurons) + group.first / TILE) * layer.steps;
    }

    // State update and threshold.
    INLINE void integrate(int t) {
        firing.clear();
        for (int g = 0; g < group.tiles; ++g) {
            const int at = g * TILE, width = std::min(TILE, group.neurons - at);
            fired[g] = 0;
            if (!asleep[g]) {
                update<!JOINT>(at, width, t);
                fired[g] = pack(fires);
            }
            fired[g] &= width == TILE ? ~0ull : (1ull << width) - 1;  // `fires` may hold flags of an earlier tile
            raster[int64_t(g) * layer.steps + t] = fired[g];
            if constexpr (!JOINT) continue;
            each_bit(fired[g], [&](int k) {
                active_from[at + k] = t + layer.refractory;
                potential[at + k] += state(Cell<real>::membrane)[at + k];
                firing.push_back(at + k);
            });
        }
    }

    INLINE void receive(int p, int b, int t) {
        const Input& input = layer.inputs[p];
        if (t < input.delay) return;
        const int32_t *begin, *end;
        if (input.ids) {
            const int64_t* at = input.offsets + int64_t(b) * (layer.steps + 1) + (t - input.delay);
            begin = input.ids + at[0], end = input.ids + at[1];
        } else {
            begin = list_recurrent(t - input.delay), end = begin + recurrent.size();
        }
        if (begin == end) return;
        real* receptor = state(input.receptor);
        const bool frozen = Cell<real>::frozen[input.receptor];
        if (frozen) std::memcpy(static_cast<void*>(saved.get()), receptor, span * sizeof(real));
        add_weights(p, receptor, begin, end);
        if (frozen) {  // a variable that is frozen while refractory receives no input either
            const real* before = reinterpret_cast<const real*>(saved.get());
            for (int k = 0; k < group.neurons; ++k)
                if (t < active_from[k] || (fired[k / TILE] >> (k % TILE) & 1)) receptor[k] = before[k];
        }
    }

    void add_weights(int p, real* receptor, const int32_t* begin, const int32_t* end) {
        const Input& input = layer.inputs[p];
        const auto wake = [&](int first, int last) {
            for (int g = first / TILE; g <= last / TILE; ++g) asleep[g] = false;
        };
        if (input.kind == FULL) {
            for (int g = 0; g < group.tiles; ++g) {
                const Vec<real>* rows = group.weights[p][g].rows.get();
                if (group.neurons - g * TILE <= NARROW)
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

    // Neurons of this population that fired in step t.
    const int32_t* list_recurrent(int t) {
        recurrent.clear();
        for (int g = 0; g < group.tiles; ++g)
            each_bit(raster[int64_t(g) * layer.steps + t], [&](int k) { recurrent.push_back(g * TILE + k); });
        return recurrent.data();
    }

    void reset() {
        for (int32_t n : firing) cell.reset(state(0) + n, span);
    }
};

template <template <class> class Cell, class real> void run_layer(const Layer& layer) {
    const Cell<real> cell(layer.parameters);
    const int tiles = tiles_of(layer.neurons);
    if (layer.joint) {
        const TileGroup<real> group(layer, 0, tiles);
        parallel_for(layer.samples, layer.threads,
                     [&](long sample) { Runner<Cell, real, true>(group, cell).sample(int(sample)); });
        return;
    }
    // whole tiles, an equal number for each thread; the remaining tiles are divided by samples, so that all threads
    // finish at the same time
    const int whole = tiles / layer.threads * layer.threads;
    const int chunks = std::min(layer.samples, 2 * layer.threads);
    parallel_for(whole + long(tiles - whole) * chunks, layer.threads, [&](long task) {
        const bool part = task >= whole;
        const TileGroup<real> group(layer, part ? whole + int((task - whole) / chunks) : int(task), 1);
        Runner<Cell, real, false> runner(group, cell);
        const int64_t chunk = part ? (task - whole) % chunks : 0, all = part ? chunks : 1;
        const int end = int(layer.samples * (chunk + 1) / all);
        for (int sample = int(layer.samples * chunk / all); sample < end; ++sample) runner.sample(sample);
    });
}
