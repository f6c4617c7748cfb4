/* The one-dimensional transforms of winograd.h, on vectors over channels, once per REAL.
 *
 * With points +-p the even and the odd powers are summed once: A, B^T and G each cost a handful of operations a line.
 * One point is no transform: the side of a tile across a line.
 */

/* Points and windows in y and x: tiles of squares, and of lines. */
#define EACH_SQUARE(FORM) FORM(4, 4, 3, 3) FORM(6, 6, 3, 3) FORM(6, 6, 5, 5) FORM(8, 8, 5, 5)
#define EACH_LINE(FORM) FORM(1, 6, 1, 3) FORM(6, 1, 3, 1) FORM(1, 10, 1, 7) FORM(10, 1, 7, 1)
#define FORM_OF(points_y, points_x, window_y, window_x) \
  ((points_y) << 12 | (points_x) << 8 | (window_y) << 4 | (window_x))

static int is_line(const thw_tiling* g) { return g->window[0] != g->window[1]; }

/* Terms of a sum that are added at a time: with many points the rounding of long sums is most of the error. */
static int64_t most_terms(const thw_tiling* g) {
  return g->positions == 64 ? 32 : g->positions == 10 ? 64 : 1 << 30;
}

/* The tiles of a convolution whose geometry is known. */
static void complete_tiling(thw_tiling* g, int64_t outputs) {
  for (int d = 0; d < 2; d++) {
    g->outputs[d] = g->window[d] == 1 ? 1 : outputs;
    g->points[d] = g->outputs[d] + g->window[d] - 1;
    g->grid[d] = ceil_div(g->places[d], g->outputs[d]);
  }
  g->positions = g->points[0] * g->points[1];
  g->tiles = g->images * g->grid[0] * g->grid[1];
  g->form = (int)FORM_OF(g->points[0], g->points[1], g->window[0], g->window[1]);
}

#define ROOT_HALF ((REAL)0.70710678118654752440)
#define ROOT_TWO ((REAL)1.41421356237309504880)
#define CUBE_HALF ((REAL)0.35355339059327376220) /* of ROOT_HALF, and of ROOT_TWO */
#define CUBE_TWO ((REAL)2.82842712474619009760)

/* Eight points, 0, +-1/2, +-1, +-2 and infinity, and ten. Q: coefficients of the product of all (x^2 - p^2); R: of what
   remains of it without p's factor; N: 1 / (2 p^2 R(p^2)). */
#define MOST_PAIRS 4
#define PAIRS_OF(points) ((points) / 2 - 1)
#define IS_TEN(points) ((points) == 10)
static const REAL NAME(P)[2][MOST_PAIRS] = {{0.5, 1, 2}, {0.4, 0.8, 1.25, 2.5}};
static const REAL NAME(P2)[2][MOST_PAIRS] = {{0.25, 1, 4}, {0.16, 0.64, 1.5625, 6.25}};
static const REAL NAME(Q)[2][MOST_PAIRS + 1] = {{-1, 5.25, -5.25, 1}, {1, -8.6125, 16.118025, -8.6125, 1}};
static const REAL NAME(R)[2][MOST_PAIRS][MOST_PAIRS] = {
  {{4, -5, 1}, {1, -4.25, 1}, {0.25, -1.25, 1}},
  {{-6.25, 14.765625, -8.4525, 1}, {-1.5625, 11.015625, -7.9725, 1}, {-0.64, 5.1024, -7.05, 1}, {-0.16, 1.3524, -2.3625, 1}}};
static const REAL NAME(N)[2][MOST_PAIRS] = {
  {32 / 45.0, -2 / 9.0, 1 / 90.0},
  {-0.7622345350540076, 0.31449920856903163, -0.05276421153991694, 0.0004995380248929945}};

/* The first `count` of d[0], d[2], d[4] .. times coefficients: of a polynomial in x^2. */
INLINE vector NAME(in_squares)(const int count, const REAL* coefficients, const vector* d) {
  vector sum = coefficients[0] * d[0];
  UNROLLED for (int j = 1; j < count; j++) sum += coefficients[j] * d[2 * j];
  return sum;
}

/* t = B^T d, `points` numbers each. */
INLINE void NAME(input_line)(const int points, const vector* d, vector* t) {
  if (points == 1) {
    t[0] = d[0];
    return;
  }
  if (points >= 8) {
    const int pairs = PAIRS_OF(points), ten = IS_TEN(points);
    t[0] = NAME(Q)[ten][0] * NAME(in_squares)(pairs + 1, NAME(Q)[ten], d);
    UNROLLED for (int k = 0; k < pairs; k++) {
      const vector even = NAME(in_squares)(pairs, NAME(R)[ten][k], d + 2);
      const vector odd = NAME(P)[ten][k] * NAME(in_squares)(pairs, NAME(R)[ten][k], d + 1);
      t[2 * k + 1] = even + odd, t[2 * k + 2] = even - odd;
    }
    t[points - 1] = NAME(in_squares)(pairs + 1, NAME(Q)[ten], d + 1);
    return;
  }
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
  if (points == 1) {
    y[0] = s[0];
    return;
  }
  if (points >= 8) { /* four outputs */
    const int ten = IS_TEN(points);
    y[0] = s[0], y[1] = y[2] = (vector){0}, y[3] = s[points - 1];
    UNROLLED for (int k = 0; k < PAIRS_OF(points); k++) {
      const vector even = s[2 * k + 1] + s[2 * k + 2], odd = NAME(P)[ten][k] * (s[2 * k + 1] - s[2 * k + 2]);
      y[0] += even, y[1] += odd, y[2] += NAME(P2)[ten][k] * even, y[3] += NAME(P2)[ten][k] * odd;
    }
    return;
  }
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
  if (points == 1) {
    u[0] = g[0];
    return;
  }
  if (points >= 8) {
    const int ten = IS_TEN(points);
    u[0] = g[0], u[points - 1] = g[window - 1];
    UNROLLED for (int k = 0; k < PAIRS_OF(points); k++) {
      const REAL p2 = NAME(P2)[ten][k];
      vector even = g[window - 1], odd = g[window - 2];
      UNROLLED for (int j = window - 3; j >= 0; j -= 2) even = even * p2 + g[j];
      UNROLLED for (int j = window - 4; j >= 0; j -= 2) odd = odd * p2 + g[j];
      even *= NAME(N)[ten][k], odd *= NAME(N)[ten][k] * NAME(P)[ten][k];
      u[2 * k + 1] = even + odd, u[2 * k + 2] = even - odd;
    }
    return;
  }
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

/* t = A y: the adjoint of output_line, not for four points. */
INLINE void NAME(output_adjoint)(const int points, const int outputs, const vector* y, vector* t) {
  if (points == 1) {
    t[0] = y[0];
    return;
  }
  if (points >= 8) {
    const int ten = IS_TEN(points);
    t[0] = y[0], t[points - 1] = y[3];
    UNROLLED for (int k = 0; k < PAIRS_OF(points); k++) {
      const vector even = y[0] + NAME(P2)[ten][k] * y[2], odd = NAME(P)[ten][k] * (y[1] + NAME(P2)[ten][k] * y[3]);
      t[2 * k + 1] = even + odd, t[2 * k + 2] = even - odd;
    }
    return;
  }
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

/* g = G^T u: the adjoint of filter_line, not for four points. */
INLINE void NAME(filter_adjoint)(const int points, const int window, const vector* u, vector* g) {
  if (points == 1) {
    g[0] = u[0];
    return;
  }
  if (points >= 8) {
    const int ten = IS_TEN(points);
    g[0] = u[0], g[window - 1] = u[points - 1];
    UNROLLED for (int j = 1; j < window - 1; j++) g[j] = (vector){0};
    UNROLLED for (int k = 0; k < PAIRS_OF(points); k++) {
      vector even = NAME(N)[ten][k] * (u[2 * k + 1] + u[2 * k + 2]);
      vector odd = NAME(N)[ten][k] * NAME(P)[ten][k] * (u[2 * k + 1] - u[2 * k + 2]);
      UNROLLED for (int j = 0; j < window; j += 2, even *= NAME(P2)[ten][k], odd *= NAME(P2)[ten][k]) {
        g[j] += even;
        if (j + 1 < window) g[j + 1] += odd;
      }
    }
    return;
  }
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
