// One step of Adam (Kingma and Ba, ICLR 2015, arXiv:1412.6980), each number read once and written once.
#pragma once
#include <cmath>
#include <cstdint>

#include "parallel.hpp"

struct Step {
    void* weights;         // real (size), as are the three others
    void* first;           // moment
    void* second;          // moment
    const void* gradient;
    double beta1, beta2, rate, guard;
    int64_t size;
    int32_t threads;
};

template <class real>
inline void descend(real* __restrict weights, real* __restrict first, real* __restrict second,
                    const real* __restrict gradient, int64_t size, const Step& p) {
    const real beta1 = real(p.beta1), rest1 = real(1 - p.beta1), beta2 = real(p.beta2), rest2 = real(1 - p.beta2);
    const real rate = real(p.rate), guard = real(p.guard);
    for (int64_t k = 0; k < size; ++k) {
        const real g = gradient[k];
        first[k] = beta1 * first[k] + rest1 * g;
        second[k] = beta2 * second[k] + rest2 * (g * g);
        weights[k] -= rate * first[k] / (std::sqrt(second[k]) + guard);
    }
}

// In blocks of one size whatever the threads: where a block ends, the compiler may round otherwise.
template <class real> void run_step(const Step& p) {
    constexpr int64_t BLOCK = 1 << 14;
    parallel_for(long((p.size + BLOCK - 1) / BLOCK), p.threads, [&](long task) {
        const int64_t at = task * BLOCK;
        descend(static_cast<real*>(p.weights) + at, static_cast<real*>(p.first) + at,
                static_cast<real*>(p.second) + at, static_cast<const real*>(p.gradient) + at,
                std::min(BLOCK, p.size - at), p);
    });
}
