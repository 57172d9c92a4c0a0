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

// One layer of a group. `packed` has the rates as products read them, TOGETHER samples side by side.
template <class real> struct Relaxing {
    const RelaxLayer& layer;
    const int samples;
    const long at;  // of the group's first number in arrays (samples, size)
    std::vector<real> u, r, from_below, from_beside, from_above, packed;
    std::vector<int> rows;  // those that are not silent
    real q[TOGETHER] = {}, s[TOGETHER] = {}, total[TOGETHER] = {};

    Relaxing(const RelaxLayer& layer, int first, int samples)
        : layer(layer), samples(samples), at(long(first) * layer.size) {
        const long cells = long(samples) * layer.size;
        const real* begin = static_cast<const real*>(layer.u) + at;
        u.assign(begin, begin + cells);
        for (auto* each : {&r, &from_below, &from_beside, &from_above}) each->assign(cells, 0);
        packed.assign(long(layer.size) * TOGETHER, 0);
        if (layer.drive) {
            const real* drive = static_cast<const real*>(layer.drive) + at;
            from_below.assign(drive, drive + cells);
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
    void hear(const void* weights, const Relaxing& said, std::vector<real>& heard) const {
        std::fill(heard.begin(), heard.end(), real(0));
        const Dense p{const_cast<void*>(weights), nullptr, heard.data(), 1, samples, said.layer.size, layer.size};
        for (size_t row = 0; row < said.rows.size(); row += BLOCK) {
            const int many = int(std::min(BLOCK, said.rows.size() - row));
            for (int column = 0; column < layer.size; column += WIDE<real>) {
                const int run = std::min(WIDE<real>, layer.size - column);
                const auto part = run == WIDE<real> ? ::hear<true, real> : ::hear<false, real>;
                part(p, said.packed.data(), said.rows.data() + row, many, 0, column, run);
            }
        }
    }

    void step(const Relax& all, real mu, const real* target, real nudge) {
        const real leak = real(all.leak), basal = real(all.basal), conductance = real(layer.conductance);
        const real scale = real(layer.scale), gain = real(layer.gain), speed = real(layer.speed);
        const int size = layer.size;
        for (int b = 0; b < samples; ++b) {
            const long first = long(b) * size;
            const real *below = &from_below[first], *beside = &from_beside[first], *above = &from_above[first];
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

template <class real> void relax_group(const Relax& all, int group) {
    const int first = group * TOGETHER, samples = std::min(TOGETHER, all.samples - first);
    std::vector<Relaxing<real>> layers;
    layers.reserve(all.many);
    for (int k = 0; k < all.many; ++k) layers.emplace_back(all.layers[k], first, samples);
    for (auto& layer : layers) layer.speak(real(all.highest));
    const auto& output = layers.back();
    const real* target = static_cast<const real*>(all.target) + output.at;
    for (int step = 0; step < all.steps; ++step) {
        for (int k = 0; k < all.many; ++k) {
            auto& layer = layers[k];
            if (!layer.layer.drive) layer.hear(layer.layer.basal, layers[k - 1], layer.from_below);
            if (layer.layer.lateral) layer.hear(layer.layer.lateral, layer, layer.from_beside);
            if (layer.layer.apical) layer.hear(layer.layer.apical, layers[k + 1], layer.from_above);
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
    Crew::each(std::min(threads, groups), [&](int number) {
        for (int group = number; group < groups; group += std::min(threads, groups)) relax_group<real>(all, group);
    });
}
