"""Complex arithmetic and functions, in CUDA C. Functions are computed in double; branch cuts are C99's.

Source of the inverse functions: W. Kahan, Branch cuts for complex elementary functions, 1987.
"""

# what every text with complex numbers gets
COMPLEX = """
struct pair {                    /* a complex number of the type that it is given to: `Tout` may be narrower */
  double re, im;
  template <class T> __device__ operator complex_of<T>() const { return complex_of<T>{(T)re, (T)im}; }
};
template <class T> __device__ inline complex_of<T> operator+(complex_of<T> a, complex_of<T> b) {
  return complex_of<T>{a.re + b.re, a.im + b.im};
}
template <class T> __device__ inline complex_of<T> operator-(complex_of<T> a, complex_of<T> b) {
  return complex_of<T>{a.re - b.re, a.im - b.im};
}
template <class T> __device__ inline complex_of<T> operator-(complex_of<T> a) { return complex_of<T>{-a.re, -a.im}; }
template <class T> __device__ inline complex_of<T> operator*(complex_of<T> a, complex_of<T> b) {
  return complex_of<T>{a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class T> __device__ inline complex_of<T> operator/(complex_of<T> a, complex_of<T> b) {
  /* R. Smith's algorithm, CACM 5, 1962: no needless overflow */
  if (fabs((double)b.re) >= fabs((double)b.im)) {
    if (b.re == 0 && b.im == 0) return complex_of<T>{a.re / fabs(b.re), a.im / fabs(b.re)};
    const T ratio = b.im / b.re, d = b.re + b.im * ratio;
    return complex_of<T>{(a.re + a.im * ratio) / d, (a.im - a.re * ratio) / d};
  }
  const T ratio = b.re / b.im, d = b.re * ratio + b.im;
  return complex_of<T>{(a.re * ratio + a.im) / d, (a.im * ratio - a.re) / d};
}
template <class T> __device__ inline bool operator==(complex_of<T> a, complex_of<T> b) {
  return a.re == b.re && a.im == b.im;
}
template <class T> __device__ inline bool is_zero(complex_of<T> a) { return a.re == 0 && a.im == 0; }
template <class T> __device__ inline complex_of<T> one(complex_of<T>) { return complex_of<T>{1, 0}; }
template <class T> __device__ inline complex_of<T> conjugate(complex_of<T> a) { return complex_of<T>{a.re, -a.im}; }
template <class T> __device__ inline complex_of<T> scaled(complex_of<T> a, double by) {
  return complex_of<T>{a.re * (T)by, a.im * (T)by};
}
template <class T> __device__ inline double modulus(complex_of<T> a) { return hypot((double)a.re, (double)a.im); }
template <class T> __device__ inline double argument(complex_of<T> a) { return atan2((double)a.im, (double)a.re); }
template <class T> __device__ inline complex_of<T> complex_sign(complex_of<T> a) {
  const double size = modulus(a);
  return size == 0 ? a : complex_of<T>{(T)(a.re / size), (T)(a.im / size)};
}
template <class T> __device__ inline complex_of<T> complex_round(complex_of<T> a) {           /* -0.3 to 0, not -0 */
  return is_zero(a) ? a : complex_of<T>{(T)rint(a.re) + 0, (T)rint(a.im) + 0};
}
__device__ inline complex128 wide(complex64 z) { return complex128{z.re, z.im}; }
__device__ inline complex64 narrow(complex128 z) { return complex64{(float)z.re, (float)z.im}; }
"""

_FUNCTIONS = {
    "exp": """
  const double size = exp(z.re);
  return z.im == 0 ? complex128{size, z.im} : complex128{size * cos(z.im), size * sin(z.im)};""",
    "expm1": """
  const double half_sine = sin(z.im / 2);
  return complex128{expm1(z.re) * cos(z.im) - 2 * half_sine * half_sine,
                    z.im == 0 ? z.im : exp(z.re) * sin(z.im)};""",
    "log": """
  const double size = modulus(z);                             /* near 1 its logarithm would lose digits */
  const double real = size > 0.5 && size < 2 ? 0.5 * log1p((z.re - 1) * (z.re + 1) + z.im * z.im) : log(size);
  return complex128{real, argument(z)};""",
    "log1p": """
  if (modulus(z) > 0.5) return complex_log(complex128{1 + z.re, z.im});
  return complex128{0.5 * log1p(z.re * (2 + z.re) + z.im * z.im), atan2(z.im, 1 + z.re)};""",
    "sqrt": """
  const double size = modulus(z);
  if (size == 0 || size != size) return complex128{size, z.im};
  const double large = sqrt(0.5 * (size + fabs(z.re))), small = fabs(z.im) / (2 * large);
  return z.re >= 0 ? complex128{large, copysign(small, z.im)} : complex128{small, copysign(large, z.im)};""",
    "sinh": "\n  return complex128{sinh(z.re) * cos(z.im), cosh(z.re) * sin(z.im)};",
    "cosh": "\n  return complex128{cosh(z.re) * cos(z.im), sinh(z.re) * sin(z.im)};",
    "tanh": """
  if (fabs(z.re) > 20) return complex128{copysign(1.0, z.re), 4 * sin(z.im) * cos(z.im) * exp(-2 * fabs(z.re))};
  const double t = tan(z.im), beta = 1 + t * t, s = sinh(z.re), d = 1 + beta * s * s;
  return complex128{beta * sqrt(1 + s * s) * s / d, t / d};""",
    "sin": "\n  return complex128{sin(z.re) * cosh(z.im), cos(z.re) * sinh(z.im)};",
    "cos": "\n  return complex128{cos(z.re) * cosh(z.im), -sin(z.re) * sinh(z.im)};",
    "tan": """
  const complex128 w = complex_tanh(complex128{-z.im, z.re});
  return complex128{w.im, -w.re};""",
    "asin": """
  const complex128 below = complex_sqrt(complex128{1 - z.re, -z.im}), above = complex_sqrt(complex128{1 + z.re, z.im});
  return complex128{atan2(z.re, (below * above).re), asinh((conjugate(below) * above).im)};""",
    "acos": """
  const complex128 below = complex_sqrt(complex128{1 - z.re, -z.im}), above = complex_sqrt(complex128{1 + z.re, z.im});
  return complex128{2 * atan2(below.re, above.re), asinh((conjugate(above) * below).im)};""",
    "acosh": """
  const complex128 below = complex_sqrt(complex128{z.re - 1, z.im}), above = complex_sqrt(complex128{z.re + 1, z.im});
  return complex128{asinh((conjugate(below) * above).re), 2 * atan2(below.im, above.re)};""",
    "asinh": """
  const complex128 w = complex_asin(complex128{-z.im, z.re});
  return complex128{w.im, -w.re};""",
    "atanh": """
  const double below = 1 - z.re;
  return complex128{0.25 * log1p(4 * z.re / (below * below + z.im * z.im)),
                    0.5 * atan2(2 * z.im, below * (1 + z.re) - z.im * z.im)};""",
    "atan": """
  const complex128 w = complex_atanh(complex128{-z.im, z.re});
  return complex128{w.im, -w.re};""",
}

_POWER = """
__device__ inline complex128 complex_pow(complex128 a, complex128 b) {
  if (is_zero(b)) return one(b);
  if (is_zero(a) && b.im == 0 && b.re > 0) return complex128{0, 0};
  return complex_exp(b * complex_log(a));
}
__device__ inline complex64 complex_pow(complex64 a, complex64 b) { return narrow(complex_pow(wide(a), wide(b))); }
"""

# name -> text
COMPLEX_FUNCTIONS = {f"complex_{name}": f"""
__device__ inline complex128 complex_{name}(complex128 z) {{{body}
}}
__device__ inline complex64 complex_{name}(complex64 z) {{ return narrow(complex_{name}(wide(z))); }}""" for name, body
                     in _FUNCTIONS.items()} | {"complex_pow": _POWER}
