// Relaxation of layers of three-compartment rate cells: soma, basal and apical dendrite.
//
// Each group of SAMPLES samples makes all steps in one thread; a sample's result depends neither on the thread nor on
// the rest of the batch. In a step all cells receive the rates at its start.
#pragma once
#include <numeric>

#include "dense.hpp"

struct RelaxLayer {
    const void* drive;    // real (samples, size)  constant basal potential; null with basal weights
    const void* basal;    // real (below, size)    weights from the layer below
    const void* lateral;  // real (size, size)     weights within the layer, or null
    const void* apical;   // real (above, size)    weights from the layer above; null at the output
    void* u;              // real (samples, size)  somata, initial and final
    void* r;              // out real (samples, size)  rates
    void* q;              // real (samples)        multiplier before its rectification, or null
    double conductance;   // of the apical dendrite
    double scale;         // of the part of the apical potential that comes from the cell and its own layer
    double gain;          // of lateral input
    double speed;         // of the multiplier, per step
    int32_t size;
};

struct Relax {
    const RelaxLayer* layers;
    const void* target;  // real (samples, outputs)
    const double* mu;    // (steps) length of each step
    double leak, basal;  // conductances of all somata and basal dendrites
    double nudge;        // strength of the force towards the target
    double max_rate;
    int32_t n_layers, samples, steps;
};

// Weights (pre, post) by tiles of WIDE columns, the last padded with zeros: a product reads memory in order and holds
// its sums in registers from the first row to the last.
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

// One tile of the product of SAMPLES samples with some rows of weights, into `result` with `wide` numbers per sample.
template <class real>
inline void multiply_tile(
    const real* tile, const real* packed, const std::vector<int>& rows, int samples, real* result, int wide
) {
    Pair<real> sums[SAMPLES] = {};
    for (const int row : rows) {
        Pair<real> weight;
        load<true, real>(weight, tile + long(row) * WIDE<real>, WIDE<real>);
        const real* value = packed + long(row) * SAMPLES;
#pragma GCC unroll 10
        for (int b = 0; b < SAMPLES; ++b) {
            sums[b][0] += value[b] * weight[0];
            sums[b][1] += value[b] * weight[1];
        }
    }
    for (int b = 0; b < samples; ++b) store<true, real>(result + long(b) * wide, sums[b], WIDE<real>);
}

// The incoming weights of a layer.
template <class real> struct LayerWeights {
    Tiles<real> basal, lateral, apical;

    LayerWeights(const RelaxLayer* layers, int k, int n_layers)
        : basal(layers[k].basal, k ? layers[k - 1].size : 0, layers[k].size),
          lateral(layers[k].lateral, layers[k].size, layers[k].size),
          apical(layers[k].apical, k + 1 < n_layers ? layers[k + 1].size : 0, layers[k].size) {}
};

// One layer of a group. `packed` holds its rates as products read them: (size, SAMPLES).
template <class real> struct RelaxingLayer {
    const RelaxLayer& layer;
    const LayerWeights<real>& weights;
    const int samples, wide;
    const long at;  // index of the group's first number in arrays (samples, size)
    std::vector<real> u, r, from_below, from_lateral, from_above, packed;
    std::vector<int> rows;  // of cells with a rate above 0 in some sample
    real q[SAMPLES] = {}, s[SAMPLES] = {}, total[SAMPLES] = {};

    RelaxingLayer(const RelaxLayer& layer, const LayerWeights<real>& weights, int first, int samples)
        : layer(layer), weights(weights), samples(samples), wide(Tiles<real>::width(layer.size)),
          at(long(first) * layer.size) {
        const long cells = long(samples) * layer.size;
        const real* begin = static_cast<const real*>(layer.u) + at;
        u.assign(begin, begin + cells);
        r.assign(cells, 0);
        for (auto* each : {&from_below, &from_lateral, &from_above}) each->assign(long(samples) * wide, 0);
        packed.assign(long(layer.size) * SAMPLES, 0);
        for (int b = 0; layer.drive && b < samples; ++b) {
            const real* drive = static_cast<const real*>(layer.drive) + at + long(b) * layer.size;
            std::copy_n(drive, layer.size, from_below.data() + long(b) * wide);
        }
        if (layer.q)
            for (int b = 0; b < samples; ++b) q[b] = static_cast<const real*>(layer.q)[first + b];
    }

    // Rates from somata, and the rectified multipliers.
    void update_rates(real max_rate) {
        const int size = layer.size;
        for (int b = 0; b < samples; ++b) {
            const real* somata = u.data() + long(b) * size;
            real* rates = r.data() + long(b) * size;
            for (int j = 0; j < size; ++j) {
                const real rectified = somata[j] < 0 ? real(0) : somata[j];  // NaN stays NaN
                rates[j] = rectified > max_rate ? max_rate : rectified;
            }
            for (int j = 0; j < size; ++j) packed[j * SAMPLES + b] = rates[j];
            if (layer.q) total[b] = std::accumulate(rates, rates + size, real(0));
            s[b] = q[b] > 0 ? q[b] : real(0);
        }
        rows.clear();
        for (int j = 0; j < size; ++j) {
            bool silent = true;
            for (int b = 0; b < SAMPLES; ++b) silent &= packed[j * SAMPLES + b] == 0;
            if (!silent) rows.push_back(j);
        }
    }

    // Dendritic potentials due to a layer through full weights.
    void multiply(const Tiles<real>& weights, const RelaxingLayer& from, std::vector<real>& result) const {
        for (int column = 0; column < wide; column += WIDE<real>) {
            const real* tile = weights.values.data() + long(column) * from.layer.size;
            multiply_tile(tile, from.packed.data(), from.rows, samples, result.data() + column, wide);
        }
    }

    void step(const Relax& all, real mu, const real* target, real nudge) {
        const real leak = real(all.leak), basal = real(all.basal), conductance = real(layer.conductance);
        const real scale = real(layer.scale), gain = real(layer.gain), speed = real(layer.speed);
        const int size = layer.size;
        for (int b = 0; b < samples; ++b) {
            const long first = long(b) * size;
            const long row = long(b) * wide;
            const real *below = &from_below[row], *lateral = &from_lateral[row], *above = &from_above[row];
            const real *rates = &r[first], *goal = target + (nudge != 0 ? first : 0);
            real* soma = &u[first];
            const real multiplier = s[b];
            const auto move = [&](int j, real force) {
                const real apical = scale * (gain * lateral[j] + leak * rates[j] - multiplier) + above[j] - force;
                const real drift = basal * (below[j] - soma[j]) + conductance * (apical - soma[j]) - leak * soma[j];
                soma[j] += mu * drift;
            };
            if (nudge != 0)
                for (int j = 0; j < size; ++j) move(j, nudge * (rates[j] - goal[j]));
            else
                for (int j = 0; j < size; ++j) move(j, 0);
            if (layer.q) q[b] += speed * (total[b] - 1 - q[b] + multiplier);
        }
    }

    void store_state(int first) const {
        std::copy(u.begin(), u.end(), static_cast<real*>(layer.u) + at);
        std::copy(r.begin(), r.end(), static_cast<real*>(layer.r) + at);
        if (layer.q) std::copy(q, q + samples, static_cast<real*>(layer.q) + first);
    }
};

template <class real> void relax_group(const Relax& all, const std::vector<LayerWeights<real>>& weights, int group) {
    const int first = group * SAMPLES, samples = std::min(SAMPLES, all.samples - first);
    std::vector<RelaxingLayer<real>> layers;
    layers.reserve(all.n_layers);
    for (int k = 0; k < all.n_layers; ++k) layers.emplace_back(all.layers[k], weights[k], first, samples);
    for (auto& layer : layers) layer.update_rates(real(all.max_rate));
    const auto& output = layers.back();
    const real* target = static_cast<const real*>(all.target) + output.at;
    for (int step = 0; step < all.steps; ++step) {
        for (int k = 0; k < all.n_layers; ++k) {
            auto& layer = layers[k];
            if (!layer.layer.drive) layer.multiply(weights[k].basal, layers[k - 1], layer.from_below);
            if (layer.layer.lateral) layer.multiply(weights[k].lateral, layer, layer.from_lateral);
            if (layer.layer.apical) layer.multiply(weights[k].apical, layers[k + 1], layer.from_above);
        }
        for (auto& layer : layers) {
            layer.step(all, real(all.mu[step]), target, &layer == &output ? real(all.nudge) : real(0));
            layer.update_rates(real(all.max_rate));
        }
    }
    for (const auto& layer : layers) layer.store_state(first);
}

template <class real> void relax_all(const Relax& all, int threads) {
    const int groups = (all.samples + SAMPLES - 1) / SAMPLES;
    std::vector<LayerWeights<real>> weights;
    weights.reserve(all.n_layers);  // references to its elements must stay valid
    for (int k = 0; k < all.n_layers; ++k) weights.emplace_back(all.layers, k, all.n_layers);
    ThreadPool::each(std::min(threads, groups), [&](int number) {
        for (int group = number; group < groups; group += std::min(threads, groups))
            relax_group<real>(all, weights, group);
    });
}
