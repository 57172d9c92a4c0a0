// Counts of Poisson's distribution, exact but for the rounding of float64; each depends on nothing but its key and the
// neuron.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>

#include "smooth.hpp"

constexpr double MOST_COUNTED = 0x1p20;  // the largest mean: float32 still holds every count that can come of it

// A number between 0 and 1, neither of them included.
inline double uniform(uint64_t key, uint64_t n) { return (double(splitmix(key, n) >> 11) + 0.5) * 0x1p-53; }

// log(k!), by the series of Stirling where it is right to the last digits
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

// By inversion: the first count up to which the probabilities add up to a uniform number.
inline double counted_up(double mean, uint64_t key) {
    const double aim = uniform(key, 0);
    double p = std::exp(-mean), sum = p;
    int k = 0;
    // beyond the mean, what is below the rounding of the sum will never reach an aim that is
    while (aim > sum && (k < mean || p > 0x1p-60)) {
        ++k;
        p *= mean / k;
        sum += p;
    }
    return k;
}

// Algorithm PTRS of Hoermann, The transformed rejection method for generating Poisson random variables, Insurance:
// Mathematics and Economics 12 (1993) 39-45, for means from 10 on.
inline double rejected(double mean, uint64_t key) {
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

// From means to counts, in place, for neurons from `first` on; no number where there is no such mean.
template <class real> inline void poisson(uint64_t key, int first, int count, real* numbers) {
    for (int n = 0; n < count; ++n) {
        const double mean = double(numbers[n]);
        const uint64_t own = splitmix(key, uint64_t(first + n));
        if (!(mean >= 0 && mean <= MOST_COUNTED))
            numbers[n] = std::numeric_limits<real>::quiet_NaN();
        else
            numbers[n] = real(mean < 30 ? counted_up(mean, own) : rejected(mean, own));
    }
}
