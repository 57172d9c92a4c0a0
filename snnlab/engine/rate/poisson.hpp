// Poisson counts, exact up to the rounding of float64; each depends only on its key and the neuron.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>

#include "smooth.hpp"

constexpr double MAX_MEAN = 0x1p20;  // float32 represents all counts of this mean

// A number above 0 and below 1.
inline double uniform(uint64_t key, uint64_t n) { return (double(splitmix(key, n) >> 11) + 0.5) * 0x1p-53; }

// log(k!), by Stirling's series where that is accurate in float64
inline double log_factorial(double k) {
    if (k < 16) {
        double product = 1;
        for (int n = 2; n <= int(k); ++n) product *= n;
        return std::log(product);
    }
    const double z = 1 / (k * k);
    const double rest = (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z / 1680))) / k;
    return (k + 0.5) * std::log(k) - k + 0.91893853320467274178 + rest;
}

// By inversion: the first count whose cumulative probability reaches a uniform number.
inline double by_inversion(double mean, uint64_t key) {
    const double level = uniform(key, 0);
    double p = std::exp(-mean), sum = p;
    int k = 0;
    // above the mean, terms below the rounding of the sum no longer change it
    while (level > sum && (k < mean || p > 0x1p-60)) {
        ++k;
        p *= mean / k;
        sum += p;
    }
    return k;
}

// Algorithm PTRS of Hoermann, The transformed rejection method for generating Poisson random variables, Insurance:
// Mathematics and Economics 12 (1993) 39-45, for means from 10 on.
inline double by_rejection(double mean, uint64_t key) {
    const double root = std::sqrt(mean), log_mean = std::log(mean);
    const double b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
    const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
    for (uint64_t n = 0;; n += 2) {
        const double u = uniform(key, n) - 0.5, v = uniform(key, n + 1);
        const double us = 0.5 - std::fabs(u), k = std::floor((2 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && v <= v_r) return k;
        if (k < 0 || (us < 0.013 && v > us)) continue;
        if (std::log(v * inverse_alpha / (a / (us * us) + b)) <= k * log_mean - mean - log_factorial(k)) return k;
    }
}

// Replaces means by counts, for neurons from `first` on; NaN for a mean that is negative, too large or NaN.
template <class real> inline void poisson(uint64_t key, int first, int count, real* numbers) {
    for (int n = 0; n < count; ++n) {
        const double mean = double(numbers[n]);
        const uint64_t own = splitmix(key, uint64_t(first + n));
        if (!(mean >= 0 && mean <= MAX_MEAN))
            numbers[n] = std::numeric_limits<real>::quiet_NaN();
        else
            numbers[n] = real(mean < 30 ? by_inversion(mean, own) : by_rejection(mean, own));
    }
}
