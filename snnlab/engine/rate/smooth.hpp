// exp, log and Gaussian noise as arithmetic without branches, which compilers vectorise.
// In float64 the error is about one unit in the last place.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

template <class real> struct Bits;
template <> struct Bits<double> {
    using whole = int64_t;
    static constexpr int digits = 52, bias = 1023, terms = 12;
    static constexpr double lowest = -746, highest = 711;
    static constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
    static constexpr double rounder = 0x1.8p52;
    static constexpr double smallest = 0x1p-1022, lift = 0x1p54;
    static constexpr int lifted = 54;
};
template <> struct Bits<float> {
    using whole = int32_t;
    static constexpr int digits = 23, bias = 127, terms = 6;
    static constexpr float lowest = -105, highest = 90;
    static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
    static constexpr float rounder = 0x1.8p23f;
    static constexpr float smallest = 0x1p-126f, lift = 0x1p25f;
    static constexpr int lifted = 25;
};

template <class To, class From> inline To as_bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof(to));
    return to;
}

// 2^k for k within the range of normal numbers
template <class real> inline real power_of_two(typename Bits<real>::whole k) {
    return as_bits<real>((k + Bits<real>::bias) << Bits<real>::digits);
}

// COUNT terms of a power series from term FROM on, by independent halves (Estrin's scheme)
template <int FROM, int COUNT, class real>
inline real series(const double* terms, real x, real x2, real x4, real x8) {
    if constexpr (COUNT == 1) {
        return real(terms[FROM]);
    } else {
        constexpr int HALF = COUNT > 8 ? 8 : COUNT > 4 ? 4 : COUNT > 2 ? 2 : 1;
        const real power = HALF == 8 ? x8 : HALF == 4 ? x4 : HALF == 2 ? x2 : x;
        return series<FROM, HALF>(terms, x, x2, x4, x8) +
               power * series<FROM + HALF, COUNT - HALF>(terms, x, x2, x4, x8);
    }
}

// of exp(r), without the first two
constexpr double EXP_TERMS[] = {1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,       1.0 / 5040,
                                1.0 / 40320,  1.0 / 362880,  1.0 / 3628800,  1.0 / 39916800,  1.0 / 479001600,
                                1.0 / 6227020800.0};
// of log((1 + s)/(1 - s)) / s in s^2, without the first
constexpr double LOG_TERMS[] = {2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19,
                                2.0 / 21};

// exp(x) = 2^k exp(r) with |r| at most half of log 2, and exp(r) by its Taylor series
template <class real> inline real smooth_exp(real given) {
    using B = Bits<real>;
    real x = given < B::lowest ? B::lowest : given;
    x = x > B::highest ? B::highest : x;  // NaN stays NaN
    const real shifted = x * real(1.4426950408889634074) + B::rounder;
    const real k = shifted - B::rounder;
    const real r = (x - k * B::ln2_high) - k * B::ln2_low;
    const real r2 = r * r, r4 = r2 * r2;
    const real sum = series<0, B::terms>(EXP_TERMS, r, r2, r4, r4 * r4) * r2 + r + 1;
    using whole = typename B::whole;
    const whole n = as_bits<whole>(shifted) - as_bits<whole>(B::rounder);
    const whole half = n >> 1;  // in two steps, for subnormal results
    return sum * power_of_two<real>(half) * power_of_two<real>(n - half);
}

// log(x) = k log 2 + log(1 + f) with 1 + f between the roots of 1/2 and 2, by the series of atanh in s = f/(2 + f)
template <class real> inline real smooth_log(real given) {
    using B = Bits<real>;
    using whole = typename B::whole;
    const bool tiny = given < B::smallest;
    const real x = tiny ? given * B::lift : given;
    const whole bits = as_bits<whole>(x), root = as_bits<whole>(real(0.70710678118654752440));
    const whole k = (bits - root) >> B::digits;
    const real f = as_bits<real>(bits - (k << B::digits)) - 1;
    const real s = f / (2 + f), z = s * s;
    const real z2 = z * z, z4 = z2 * z2;
    const real sum = series<0, sizeof(real) == 8 ? 10 : 4>(LOG_TERMS, z, z2, z4, z4 * z4) * z;
    const real square = real(0.5) * f * f;
    const real e = real(k - (tiny ? whole(B::lifted) : whole(0)));
    const real close = e * B::ln2_high - ((square - (s * (square + sum) + e * B::ln2_low)) - f);
    const real infinite = std::numeric_limits<real>::infinity();
    const real special = given == 0 ? -infinite : std::numeric_limits<real>::quiet_NaN();
    return given > 0 ? (given < infinite ? close : given) : special;
}

// A polynomial in x, its lowest term first (Horner's scheme): the fewest operations. Recursive, because a compiler
// might not unroll a loop.
template <int FROM, class real, int COUNT> inline real polynomial(const double (&terms)[COUNT], real x) {
    if constexpr (FROM == COUNT - 1)
        return real(terms[FROM]);
    else
        return polynomial<FROM + 1, real>(terms, x) * x + real(terms[FROM]);
}

// Both interpolate at Chebyshev nodes: (2^f - 1)/f for f from -1/2 to 1/2, and log(1 + e)/e in e - 1/2 for e from 0 to
// 1. The errors are below 1.3e-8 and 3.5e-8 for float, and below 1e-16 for double.
template <class real> struct Softplus;
template <> struct Softplus<float> {
    static constexpr double power[] = {0.69314718802622878, 0.24022650760568127,   0.055503571142190778,
                                       0.0096180825572778515, 0.0013390863364671234, 0.0001545316294512069};
    static constexpr double log[] = {0.81093021621632876,   -0.28852667341991602,  0.13260949406398687,
                                     -0.067711186616587619, 0.036625605974571229,  -0.020230340573761975,
                                     0.011639575355908102,  -0.0085696561136265477, 0.0051261021409669134};
    static constexpr float lowest = -87;
};
template <> struct Softplus<double> {
    static constexpr double power[] = {
        0.69314718055994531,     0.24022650695910071,      0.055504108664821627,    0.0096181291076284795,
        0.0013333558146406471,   0.00015403530393370733,   1.5252733841556773e-5,   1.3215486808705563e-6,
        1.0178057087773394e-7,   7.0548973041554993e-9,    4.4558179083360645e-10,  2.5729324177362304e-11};
    static constexpr double log[] = {
        0.81093021621632872,    -0.28852709909932417,    0.13260975375423856,    -0.067688643310899116,
        0.036611854518431568,   -0.020548811923727202,   0.011833792352488301,   -0.0069453948270976966,
        0.0041361727897687475,  -0.0024918437652768144,  0.0015154776207416951,  -0.00092883119358133315,
        0.00057220172613684989, -0.00035498226327422935, 0.0002259431432899234,  -0.00014150731614573502,
        7.3150866585364658e-5,  -4.6015753029934692e-5,  5.878444502337901e-5,   -3.7361110906255108e-5};
    static constexpr double lowest = -708;
};

// log(1 + exp(x)) = max(x, 0) + log(1 + e) with e = exp(-|x|), without a division
template <class real> inline real smooth_softplus(real x) {
    using B = Bits<real>;
    using whole = typename B::whole;
    const real far = -std::fabs(x);
    const real t = far > Softplus<real>::lowest ? far : Softplus<real>::lowest;
    const real shifted = t * real(1.4426950408889634074) + B::rounder;
    const real k = shifted - B::rounder;
    const real f = t * real(1.4426950408889634074) - k;
    const real power = polynomial<0>(Softplus<real>::power, f) * f + 1;
    // the last bits of `shifted` are those of k
    const real e = as_bits<real>(as_bits<whole>(power) + (as_bits<whole>(shifted) << B::digits));
    const real positive = 0 > x ? 0 : x;  // NaN stays NaN
    return polynomial<0>(Softplus<real>::log, e - real(0.5)) * e + positive;
}

inline float fn_exp(float x) { return smooth_exp(x); }
inline double fn_exp(double x) { return smooth_exp(x); }
inline float fn_log(float x) { return smooth_log(x); }
inline double fn_log(double x) { return smooth_log(x); }
inline float fn_softplus(float x) { return smooth_softplus(x); }
inline double fn_softplus(double x) { return smooth_softplus(x); }

// SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014): number n of the
// stream of `key`.
inline uint64_t splitmix(uint64_t key, uint64_t n) {
    uint64_t z = key + (n + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

// Standard normal numbers for neurons from `first` on: the transform of Box and Muller (1958) of 64 bits per neuron, so
// that each depends only on the key and the neuron. The same random bits in float and double.
template <class real, int COUNT> inline void normal(uint64_t key, int first, real* __restrict out) {
    for (int n = 0; n < COUNT; ++n) {
        const uint64_t bits = splitmix(key, uint64_t(first + n));
        // 31 bits each, because every vector unit converts 32-bit integers
        const real radius = (real(int32_t(bits >> 33)) + real(0.5)) * real(0x1p-31);
        const real turn = std::fabs(real(int32_t(bits & 0x7fffffff)) * real(0x1p-31) - real(0.5));
        const real x = real(1.57079632679489661923) - real(6.28318530717958647692) * turn, z = x * x;
        // sin(x) by its Taylor series, for |x| up to a quarter of a turn
        real sine = real(-1.0 / 1307674368000.0);
        sine = sine * z + real(1.0 / 6227020800.0);
        sine = sine * z - real(1.0 / 39916800.0);
        sine = sine * z + real(1.0 / 362880.0);
        sine = sine * z - real(1.0 / 5040.0);
        sine = sine * z + real(1.0 / 120.0);
        sine = sine * z - real(1.0 / 6.0);
        sine = sine * z * x + x;
        const real far = -2 * smooth_log(radius);
        out[n] = std::sqrt(far > 0 ? far : real(0)) * sine;
    }
}
