/* The one-dimensional transforms of winograd.h, on vectors over channels, once per REAL.
 *
 * With points +-p the even and the odd powers are summed once: A, B^T and G each cost a handful of operations a line.
 */

#define ROOT_HALF ((REAL)0.70710678118654752440)
#define ROOT_TWO ((REAL)1.41421356237309504880)
#define CUBE_HALF ((REAL)0.35355339059327376220) /* of ROOT_HALF, and of ROOT_TWO */
#define CUBE_TWO ((REAL)2.82842712474619009760)

/* t = B^T d, `points` numbers each. */
INLINE void NAME(input_line)(const int points, const vector* d, vector* t) {
  if (points == 4) {
    t[0] = d[0] - d[2], t[1] = d[1] + d[2], t[2] = d[2] - d[1], t[3] = d[3] - d[1];
    return;
  }
  const vector half = d[4] - 2 * d[2], two = d[4] - (REAL)0.5 * d[2];
  const vector odd_half = ROOT_HALF * (d[3] - 2 * d[1]), odd_two = ROOT_TWO * (d[3] - (REAL)0.5 * d[1]);
  t[0] = d[0] - (REAL)2.5 * d[2] + d[4];
  t[1] = half + odd_half, t[2] = half - odd_half;
  t[3] = two + odd_two, t[4] = two - odd_two;
  t[5] = d[1] - (REAL)2.5 * d[3] + d[5];
}

/* y = A^T s: `outputs` numbers of `points`. */
INLINE void NAME(output_line)(const int points, const int outputs, const vector* s, vector* y) {
  const vector even = s[1] + s[2], odd = s[1] - s[2];
  if (points == 4) {
    y[0] = s[0] + even, y[1] = odd + s[3];
    return;
  }
  const vector even_two = s[3] + s[4], odd_two = s[3] - s[4];
  y[0] = s[0] + even + even_two;
  y[1] = ROOT_HALF * odd + ROOT_TWO * odd_two;
  if (outputs == 2) {
    y[1] += s[5];
    return;
  }
  y[2] = (REAL)0.5 * even + 2 * even_two;
  y[3] = CUBE_HALF * odd + CUBE_TWO * odd_two + s[5];
}

/* u = G g: `points` numbers of `window`. */
INLINE void NAME(filter_line)(const int points, const int window, const vector* g, vector* u) {
  if (points == 4) {
    const vector even = (REAL)0.5 * (g[0] + g[2]), odd = (REAL)0.5 * g[1];
    u[0] = g[0], u[1] = even + odd, u[2] = even - odd, u[3] = g[2];
    return;
  }
  vector half = g[0] + (REAL)0.5 * g[2], two = g[0] + 2 * g[2], odd_half = g[1], odd_two = g[1];
  if (window == 5) {
    half += (REAL)0.25 * g[4], two += 4 * g[4];
    odd_half += (REAL)0.5 * g[3], odd_two += 2 * g[3];
  }
  half *= (REAL)(-1 / 1.5), odd_half *= ROOT_HALF * (REAL)(-1 / 1.5);
  two *= (REAL)(1 / 6.0), odd_two *= ROOT_TWO * (REAL)(1 / 6.0);
  u[0] = g[0];
  u[1] = half + odd_half, u[2] = half - odd_half;
  u[3] = two + odd_two, u[4] = two - odd_two;
  u[5] = g[window - 1];
}

/* t = A y: the adjoint of output_line, for six points. */
INLINE void NAME(output_adjoint)(const int outputs, const vector* y, vector* t) {
  vector half = y[0], two = y[0], odd_half = y[1], odd_two = y[1];
  if (outputs == 4) {
    half += (REAL)0.5 * y[2], two += 2 * y[2];
    odd_half += (REAL)0.5 * y[3], odd_two += 2 * y[3];
  }
  odd_half *= ROOT_HALF, odd_two *= ROOT_TWO;
  t[0] = y[0];
  t[1] = half + odd_half, t[2] = half - odd_half;
  t[3] = two + odd_two, t[4] = two - odd_two;
  t[5] = y[outputs - 1];
}

/* g = G^T u: the adjoint of filter_line, for six points. */
INLINE void NAME(filter_adjoint)(const int window, const vector* u, vector* g) {
  const vector half = (u[1] + u[2]) * (REAL)(-1 / 1.5), odd_half = (u[1] - u[2]) * (ROOT_HALF * (REAL)(-1 / 1.5));
  const vector two = (u[3] + u[4]) * (REAL)(1 / 6.0), odd_two = (u[3] - u[4]) * (ROOT_TWO * (REAL)(1 / 6.0));
  g[0] = u[0] + half + two;
  g[1] = odd_half + odd_two;
  g[2] = (REAL)0.5 * half + 2 * two;
  if (window == 3) {
    g[2] += u[5];
    return;
  }
  g[3] = (REAL)0.5 * odd_half + 2 * odd_two;
  g[4] = (REAL)0.25 * half + 4 * two + u[5];
}
