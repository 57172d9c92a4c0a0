// Functions that a card may call, see snnlab/cards/grammar.py, for float and double.
#pragma once
#include <cmath>

template <class T> inline T fn_abs(T x) { return std::fabs(x); }
template <class T> inline T fn_arccos(T x) { return std::acos(x); }
template <class T> inline T fn_arcsin(T x) { return std::asin(x); }
template <class T> inline T fn_arctan(T x) { return std::atan(x); }
template <class T> inline T fn_ceil(T x) { return std::ceil(x); }
template <class T> inline T fn_cos(T x) { return std::cos(x); }
template <class T> inline T fn_cosh(T x) { return std::cosh(x); }
template <class T> inline T fn_exp(T x) { return std::exp(x); }
template <class T> inline T fn_floor(T x) { return std::floor(x); }
template <class T> inline T fn_int(T x) { return std::trunc(x); }
inline int fn_int(bool x) { return x; }  // the caller converts the result to its own type
template <class T> inline T fn_log(T x) { return std::log(x); }
template <class T> inline T fn_log10(T x) { return std::log10(x); }
template <class T> inline T fn_sign(T x) { return T((x > 0) - (x < 0)); }
template <class T> inline T fn_sin(T x) { return std::sin(x); }
template <class T> inline T fn_sinh(T x) { return std::sinh(x); }
template <class T> inline T fn_sqrt(T x) { return std::sqrt(x); }
template <class T> inline T fn_tan(T x) { return std::tan(x); }
template <class T> inline T fn_tanh(T x) { return std::tanh(x); }

// (exp(x) - 1) / x, and its limit at 0
template <class T> inline T fn_exprel(T x) { return std::fabs(x) < T(1e-16) ? T(1) : std::expm1(x) / x; }

template <class T, class A, class B> inline T fn_clip(T x, A low, B high) {
    return x < T(low) ? T(low) : (x > T(high) ? T(high) : x);
}

template <class A, class B> inline A fn_pow(A x, B exponent) { return std::pow(x, static_cast<A>(exponent)); }

// Python's remainder, with the sign of the divisor
template <class A, class B> inline A fn_mod(A x, B divisor) {
    const A d = static_cast<A>(divisor);
    return x - d * std::floor(x / d);
}
