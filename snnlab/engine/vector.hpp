// Vectors of 64 bytes, which the compiler keeps in registers of any width.
#pragma once

template <class real> constexpr int LANES = 64 / sizeof(real);

// a typedef within a struct: an alias would lose its attributes as a template argument
template <class real> struct Vec {
    typedef real type __attribute__((vector_size(64), may_alias));
    type of;
};

// The same vector at an unaligned address.
template <class real> struct Loose {
    typedef real type __attribute__((vector_size(64), may_alias, aligned(sizeof(real))));
    type of;
};

// to[k] += from[k] for k < run, at unaligned addresses.
template <class real> inline void add(real* to, const real* from, int run) {
    int k = 0;
    for (; k + LANES<real> <= run; k += LANES<real>)
        reinterpret_cast<Loose<real>*>(to + k)->of += reinterpret_cast<const Loose<real>*>(from + k)->of;
    for (; k < run; ++k) to[k] += from[k];
}
