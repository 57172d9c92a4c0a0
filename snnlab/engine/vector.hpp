// Sixty-four bytes of numbers that the compiler keeps in registers, whatever their width on this processor.
#pragma once

template <class real> constexpr int LANES = 64 / sizeof(real);

// a typedef inside a struct: an alias would lose its attribute as a template argument
template <class real> struct Vec {
    typedef real type __attribute__((vector_size(64), may_alias));
    type of;
};

// The same number of bytes at any address.
template <class real> struct Loose {
    typedef real type __attribute__((vector_size(64), may_alias, aligned(sizeof(real))));
    type of;
};

// Rows of weights are met in no order that the processor could foresee, so each is asked for a few spikes early.
constexpr int AHEAD = 4;

template <int N, class real> inline void prefetch(const Vec<real>* row) {
    for (int k = 0; k < N; ++k) __builtin_prefetch(row + k);
}
