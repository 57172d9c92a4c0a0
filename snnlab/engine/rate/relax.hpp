// Layers of three-compartment rate cells that come to rest together: soma, basal and apical dendrite, heard in every step.
//
// Groups of TOGETHER samples go through all steps by themselves, each on one thread; a sample's result depends neither
// on the thread nor on the rest of the batch. In a step all cells hear what the others said at its beginning.
#pragma once
#include <numeric>

#include "dense.hpp"

struct RelaxLayer {
    const void* drive;    // real (samples, size)  basal potential that stays as it is; null where weights lead to it
    const void* basal;    // real (below, size)    weights from the layer below
    const void* lateral;  // real (size, size)     weights within the layer, or null
    const void* apical;   // real (above, size)    weights from the layer above; null at the output
    void* u;              // real (samples, size)  somata, at the beginning and in the end
    void* r;              // real (samples, size)  rates in the end
    void* q;              // real (samples)        multiplier before its rectification, or null
    double conductance;   // of the apical dendrite
    double scale;         // of all in the apical potential that the cell and its own layer lead to
    double gain;          // of what lateral weights lead to
    double speed;         // of the multiplier, in a step
    int32_t size;
};

struct Relax {
    const RelaxLayer* layers;
    const void* target;  // real (samples, outputs)
    const double* mu;    // (steps)  length of each
    double leak, basal;  // conductances of all somata, and of their basal dendrites
    double nudge;        // towards the target
    double highest;      // rate
    int32_t many, samples, steps;
};

// Weights (pre, post) tile by tile of WIDE columns, each tile's rows one after another, zeros after the last column: so
// that a product reads on and on, with its sums in registers from the first row to the last.
template <class real> struct Tiles {
    std::vector<real> values;  // (tiles, pre, WIDE)

    static int width(int post) { return (post + WIDE<real> - 1) / WIDE<real> * WIDE<real>; }

    Tiles(const void* given, int pre, int post) : values(given ? long(pre) * width(post) : 0) {
        const real* weights = static_cast<const real*>(given);
        real* to = values.data();
        for (int column = 0; given && column < post; column += WIDE<real>)
            for (int row = 0; row < pre; ++row, to += WIDE<real>)
                std::copy_n(weights + long(row) * post + column, std::min(WIDE<real>, post - column), to);
    }
};

// One tile of what TOGETHER samples hear of some rows; `heard` has `wide` numbers for each sample.
template <class real>
inline void hear_tile(
    const real* tile, const real* packed, const std::vector<int>& rows, int samples, real* heard, int wide
) {
    Pair<real> sums[TOGETHER] = {};
    for (const int row : rows) {
        Pair<real> weight;
        load<true, real>(weight, tile + long(row) * WIDE<real>, WIDE<real>);
        const real* value = packed + long(row) * TOGETHER;
#pragma GCC unroll 10
        for (int b = 0; b < TOGETHER; ++b) {
            sums[b][0] += value[b] * weight[0];
            sums[b][1] += value[b] * weight[1];
        }
    }
    for (int b = 0; b < samples; ++b) store<true, real>(heard + long(b) * wide, sums[b], WIDE<real>);
}

// What a layer hears through.
template <class real> struct Wires {
    Tiles<real> basal, lateral, apical;

    Wires(const RelaxLayer* layers, int k, int many)
        : basal(layers[k].basal, k ? layers[k - 1].size : 0, layers[k].size),
          lateral(layers[k].lateral, layers[k].size, layers[k].size),
          apical(layers[k].apical, k + 1 < many ? layers[k + 1].size : 0, layers[k].size) {}
};

// One layer of a group. `packed` has the rates as products read them, TOGETHER samples side by side.
template <class real> struct Relaxing {
    const RelaxLayer& layer;
    const Wires<real>& wires;
    const int samples, wide;
    const long at;  // of the group's first number in arrays (samples, size)
    std::vector<real> u, r, from_below, from_beside, from_above, packed;
    std::vector<int> rows;  // those that are not silent
    real q[TOGETHER] = {}, s[TOGETHER] = {}, total[TOGETHER] = {};

    Relaxing(const RelaxLayer& layer, const Wires<real>& wires, int first, int samples)
        : layer(layer), wires(wires), samples(samples), wide(Tiles<real>::width(layer.size)),
          at(long(first) * layer.size) {
        const long cells = long(samples) * layer.size;
        const real* begin = static_cast<const real*>(layer.u) + at;
        u.assign(begin, begin + cells);
        r.assign(cells, 0);
        for (auto* each : {&from_below, &from_beside, &from_above}) each->assign(long(samples) * wide, 0);
        packed.assign(long(layer.size) * TOGETHER, 0);
        for (int b = 0; layer.drive && b < samples; ++b) {
            const real* drive = static_cast<const real*>(layer.drive) + at + long(b) * layer.size;
            std::copy_n(drive, layer.size, from_below.data() + long(b) * wide);
        }
        if (layer.q)
            for (int b = 0; b < samples; ++b) q[b] = static_cast<const real*>(layer.q)[first + b];
    }

    // What cells say, of their somata.
    void speak(real highest) {
        const int size = layer.size;
        for (int b = 0; b < samples; ++b) {
            const real* somata = u.data() + long(b) * size;
            real* said = r.data() + long(b) * size;
            for (int j = 0; j < size; ++j) {
                const real rectified = somata[j] < 0 ? real(0) : somata[j];  // what is no number stays none
                said[j] = rectified > highest ? highest : rectified;
            }
            for (int j = 0; j < size; ++j) packed[j * TOGETHER + b] = said[j];
            if (layer.q) total[b] = std::accumulate(said, said + size, real(0));
            s[b] = q[b] > 0 ? q[b] : real(0);
        }
        rows.clear();
        for (int j = 0; j < size; ++j) {
            bool silent = true;
            for (int b = 0; b < TOGETHER; ++b) silent &= packed[j * TOGETHER + b] == 0;
            if (!silent) rows.push_back(j);
        }
    }

    // What dendrites have of a layer through full weights.
    void hear(const Tiles<real>& weights, const Relaxing& said, std::vector<real>& heard) const {
        for (int column = 0; column < wide; column += WIDE<real>) {
            const real* tile = weights.values.data() + long(column) * said.layer.size;
            hear_tile(tile, said.packed.data(), said.rows, samples, heard.data() + column, wide);
        }
    }

    void step(const Relax& all, real mu, const real* target, real nudge) {
        const real leak = real(all.leak), basal = real(all.basal), conductance = real(layer.conductance);
        const real scale = real(layer.scale), gain = real(layer.gain), speed = real(layer.speed);
        const int size = layer.size;
        for (int b = 0; b < samples; ++b) {
            const long first = long(b) * size;
            const long heard = long(b) * wide;
            const real *below = &from_below[heard], *beside = &from_beside[heard], *above = &from_above[heard];
            const real *said = &r[first], *wanted = target + (nudge != 0 ? first : 0);
            real* soma = &u[first];
            const real held = s[b];
            const auto move = [&](int j, real pull) {
                const real apical = scale * (gain * beside[j] + leak * said[j] - held) + above[j] - pull;
                const real drift = basal * (below[j] - soma[j]) + conductance * (apical - soma[j]) - leak * soma[j];
                soma[j] += mu * drift;
            };
            if (nudge != 0)
                for (int j = 0; j < size; ++j) move(j, nudge * (said[j] - wanted[j]));
            else
                for (int j = 0; j < size; ++j) move(j, 0);
            if (layer.q) q[b] += speed * (total[b] - 1 - q[b] + held);
        }
    }

    void leave(int first) const {
        std::copy(u.begin(), u.end(), static_cast<real*>(layer.u) + at);
        std::copy(r.begin(), r.end(), static_cast<real*>(layer.r) + at);
        if (layer.q) std::copy(q, q + samples, static_cast<real*>(layer.q) + first);
    }
};

template <class real> void relax_group(const Relax& all, const std::vector<Wires<real>>& wires, int group) {
    const int first = group * TOGETHER, samples = std::min(TOGETHER, all.samples - first);
    std::vector<Relaxing<real>> layers;
    layers.reserve(all.many);
    for (int k = 0; k < all.many; ++k) layers.emplace_back(all.layers[k], wires[k], first, samples);
    for (auto& layer : layers) layer.speak(real(all.highest));
    const auto& output = layers.back();
    const real* target = static_cast<const real*>(all.target) + output.at;
    for (int step = 0; step < all.steps; ++step) {
        for (int k = 0; k < all.many; ++k) {
            auto& layer = layers[k];
            if (!layer.layer.drive) layer.hear(wires[k].basal, layers[k - 1], layer.from_below);
            if (layer.layer.lateral) layer.hear(wires[k].lateral, layer, layer.from_beside);
            if (layer.layer.apical) layer.hear(wires[k].apical, layers[k + 1], layer.from_above);
        }
        for (auto& layer : layers) {
            layer.step(all, real(all.mu[step]), target, &layer == &output ? real(all.nudge) : real(0));
            layer.speak(real(all.highest));
        }
    }
    for (const auto& layer : layers) layer.leave(first);
}

template <class real> void relax_all(const Relax& all, int threads) {
    const int groups = (all.samples + TOGETHER - 1) / TOGETHER;
    std::vector<Wires<real>> wires;
    wires.reserve(all.many);  // their numbers stay where they are
    for (int k = 0; k < all.many; ++k) wires.emplace_back(all.layers, k, all.many);
    ThreadPool::each(std::min(threads, groups), [&](int number) {
        for (int group = number; group < groups; group += std::min(threads, groups)) relax_group<real>(all, wires, group);
    });
}
