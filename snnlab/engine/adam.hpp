// One step of Adam (Kingma and Ba, ICLR 2015, arXiv:1412.6980) in a single pass over memory.
#pragma once
#include <cmath>
#include <cstdint>

#include "parallel.hpp"

struct Step {
    void* weights;         // real (size), as the arrays below
    void* first;           // moment
    void* second;          // moment
    const void* gradient;
    double beta1, beta2, learning_rate, epsilon;
    int64_t size;
    int32_t threads;
};

template <class real>
inline void adam_step(real* __restrict weights, real* __restrict first, real* __restrict second,
                    const real* __restrict gradient, int64_t size, const Step& p) {
    const real beta1 = real(p.beta1), share1 = real(1 - p.beta1), beta2 = real(p.beta2), share2 = real(1 - p.beta2);
    const real learning_rate = real(p.learning_rate), epsilon = real(p.epsilon);
    for (int64_t k = 0; k < size; ++k) {
        const real g = gradient[k];
        first[k] = beta1 * first[k] + share1 * g;
        second[k] = beta2 * second[k] + share2 * (g * g);
        weights[k] -= learning_rate * first[k] / (std::sqrt(second[k]) + epsilon);
    }
}

// Blocks of one size for any number of threads: at the end of a block the compiler may round differently.
template <class real> void run_step(const Step& p) {
    constexpr int64_t BLOCK = 1 << 14;
    parallel_for(long((p.size + BLOCK - 1) / BLOCK), p.threads, [&](long task) {
        const int64_t at = task * BLOCK;
        adam_step(static_cast<real*>(p.weights) + at, static_cast<real*>(p.first) + at,
                static_cast<real*>(p.second) + at, static_cast<const real*>(p.gradient) + at,
                std::min(BLOCK, p.size - at), p);
    });
}
