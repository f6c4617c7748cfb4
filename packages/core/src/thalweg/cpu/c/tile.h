/* The micro-kernels, once per REAL: one tile of the result, mr <= MR rows by nv <= 2 vectors, held in registers.
 *
 *   rows:   c[i][j] = sum over t < taps, k < depth of rows[t][i][offset + k] * b[numbers[t]*depth + k][j]
 *   places: c[i][j] = sum over k < depth           of rows[k][offset + i]    * b[numbers[k]][j]
 *   packed: c[i][j] = sum over k < depth           of rows[0][offset + k * MR + i] * b[k][j]
 *
 * Rows are pointers into the tensor itself, so a convolution copies nothing; padding points at zeros, and what is
 * padding for all rows is not listed. Per k: nv loads of b, mr broadcasts, mr*nv multiply-adds. With the tiles below
 * this runs at 95-98 % of the FMA peak (Zen 4, both widths); any height from 1 to MR is compiled, so that edges are not
 * padded up. Sums run in order of k whatever the tile, so a result's bits do not depend on how rows are grouped.
 */
#if !defined(MR)
#if THW_VL == 16
#define MR 12 /* 24 sums of 32 registers */
#elif defined(__aarch64__)
#define MR 8
#else
#define MR 6 /* 12 sums of 16 registers */
#endif
#define NV 2
#endif

typedef struct {
  const REAL* const* rows; /* rows: [taps][mr]; places: [depth]; packed: one */
  const int32_t* numbers;  /* rows: [taps]; places: [depth] */
  int64_t taps, depth, offset;
  const REAL* b;       /* panels: [..][nv * VL] */
  REAL* const* out;    /* [mr] */
  int64_t column;      /* first column of the tile */
  int64_t columns;     /* that are stored, <= nv * VL */
  int accumulate;      /* add to what the output holds */
  const NAME(Epilogue)* epilogue; /* NULL: store the sums */
  int is_streamed;     /* rows: the result, complete vectors, is written past the caches */
  const char* ahead;   /* rows, packed: what is read later, and fetched now: cache lines for each AHEAD_TERMS of k */
  int64_t ahead_lines;
} NAME(Tile);

/* Whether a result of so many rows is written past the caches. */
INLINE int NAME(is_streamed)(const REAL* y, int64_t rows, int64_t columns) {
  return STREAMS_LINES && rows * columns * (int64_t)sizeof(REAL) >= STREAMED_BYTES && columns % VL == 0 &&
         (uintptr_t)y % VECTOR_BYTES == 0;
}

/* Stores a tile whose last vector is cut; `sums` is [mr][NV*VL]. */
static __attribute__((noinline)) void NAME(store_cut)(const NAME(Tile)* tile, int mr, const REAL* sums) {
  for (int i = 0; i < mr; i++) {
    REAL* out = tile->out[i] + tile->column;
    for (int64_t j = 0; j < tile->columns; j++) {
      REAL sum = sums[i * NV * VL + j] + (tile->accumulate ? out[j] : 0);
      out[j] = tile->epilogue ? NAME(finish_one)(tile->epilogue, sum, out + j, tile->column + j) : sum;
    }
  }
}

INLINE void NAME(finish_tile)(const int mr, const int nv, const NAME(Tile)* tile, vector acc[MR][NV]) {
  const NAME(Epilogue)* e = tile->epilogue;
  if (e->scale)
    UNROLLED for (int v = 0; v < nv; v++) {
      vector scale = LOAD(e->scale + tile->column + v * VL), shift = LOAD(e->shift + tile->column + v * VL);
      UNROLLED for (int i = 0; i < mr; i++) acc[i][v] = acc[i][v] * scale + shift;
    }
  else if (e->shift)
    UNROLLED for (int v = 0; v < nv; v++) {
      vector shift = LOAD(e->shift + tile->column + v * VL);
      UNROLLED for (int i = 0; i < mr; i++) acc[i][v] += shift;
    }
  if (e->has_residual)
    UNROLLED for (int i = 0; i < mr; i++) UNROLLED for (int v = 0; v < nv; v++)
      acc[i][v] += LOAD((const char*)(tile->out[i] + tile->column + v * VL) + e->residual);
  if (e->is_clamped) {
    vector low = SPLAT(e->low), high = SPLAT(e->high);
    UNROLLED for (int i = 0; i < mr; i++) UNROLLED for (int v = 0; v < nv; v++)
      acc[i][v] = NAME(smaller)(high, NAME(larger)(low, acc[i][v]));
  }
}

INLINE void NAME(store_tile)(const int mr, const int nv, const NAME(Tile)* tile, vector acc[MR][NV]) {
  if (tile->columns < nv * VL) {
    REAL sums[MR * NV * VL];
    UNROLLED for (int i = 0; i < mr; i++) UNROLLED for (int v = 0; v < nv; v++)
      STORE(sums + (i * NV + v) * VL, acc[i][v]);
    NAME(store_cut)(tile, mr, sums);
    return;
  }
  if (tile->accumulate)
    UNROLLED for (int i = 0; i < mr; i++) UNROLLED for (int v = 0; v < nv; v++)
      acc[i][v] += LOAD(tile->out[i] + tile->column + v * VL);
  if (tile->epilogue) NAME(finish_tile)(mr, nv, tile, acc);
  if (tile->is_streamed) {
    UNROLLED for (int i = 0; i < mr; i++) UNROLLED for (int v = 0; v < nv; v++)
      STREAM(tile->out[i] + tile->column + v * VL, acc[i][v]);
    return;
  }
  UNROLLED for (int i = 0; i < mr; i++) UNROLLED for (int v = 0; v < nv; v++)
    STORE(tile->out[i] + tile->column + v * VL, acc[i][v]);
}

#define AHEAD 512 /* bytes of b that are prefetched */
#define AHEAD_TERMS 16 /* of the sums, for which Tile.ahead_lines are prefetched */

/* Sums of 0; the lines that they go to are fetched, unless written past the caches. */
INLINE void NAME(begin_tile)(const int mr, const int nv, const NAME(Tile)* tile, vector acc[MR][NV]) {
  UNROLLED for (int i = 0; i < mr; i++) UNROLLED for (int v = 0; v < nv; v++) acc[i][v] = (vector){0};
  if (tile->is_streamed) return;
  UNROLLED for (int i = 0; i < mr; i++) UNROLLED for (int v = 0; v < nv; v++)
    __builtin_prefetch(tile->out[i] + tile->column + v * VL, 1); /* 64 -> 256 at 56 x 56: 75 -> 86 GF/s */
}

/* Not unrolled over k: GCC 12 then hoists broadcasts and spills sums, at half the speed. */
INLINE void NAME(rows_tile)(const int mr, const int nv, const NAME(Tile)* tile) {
  vector acc[MR][NV];
  NAME(begin_tile)(mr, nv, tile, acc);
  const REAL* const* rows = tile->rows;
  const int64_t depth = tile->depth, ahead_lines = tile->ahead_lines;
  const char* ahead = tile->ahead;
  if (tile->epilogue && tile->epilogue->has_residual)
    UNROLLED for (int i = 0; i < mr; i++) UNROLLED for (int v = 0; v < nv; v++)
      __builtin_prefetch((const char*)(tile->out[i] + tile->column + v * VL) + tile->epilogue->residual);
  for (int64_t t = 0; t < tile->taps; t++, rows += mr) {
    const REAL *a[MR], *b = tile->b + tile->numbers[t] * depth * (nv * VL);
    UNROLLED for (int i = 0; i < mr; i++) a[i] = rows[i] + tile->offset;
    for (int64_t rest = depth, n; rest > 0; rest -= n) {
      n = ahead_lines ? least(rest, AHEAD_TERMS) : rest;
      for (int64_t line = 0; line < ahead_lines; line++, ahead += 64) __builtin_prefetch(ahead);
      UNROLLED for (int i = 0; i < mr; i++) a[i] += n;
      for (int64_t k = -n; k < 0; k++, b += nv * VL) { /* up to 0: one register fewer, and there is none to spare */
        vector column[NV];
        __builtin_prefetch((const char*)b + AHEAD);
        UNROLLED for (int v = 0; v < nv; v++) column[v] = LOAD(b + v * VL);
        UNROLLED for (int i = 0; i < mr; i++) {
          vector x = SPLAT(a[i][k]);
          UNROLLED for (int v = 0; v < nv; v++) NAME(add_product)(&acc[i][v], x, column[v]);
        }
      }
    }
  }
  NAME(store_tile)(mr, nv, tile, acc);
}

INLINE void NAME(places_tile)(const int mr, const int nv, const NAME(Tile)* tile) {
  vector acc[MR][NV];
  NAME(begin_tile)(mr, nv, tile, acc);
  for (int64_t k = 0; k < tile->depth; k++) {
    const REAL *a = tile->rows[k] + tile->offset, *b = tile->b + tile->numbers[k] * (nv * VL);
    __builtin_prefetch((const char*)b + AHEAD);
    vector column[NV];
    UNROLLED for (int v = 0; v < nv; v++) column[v] = LOAD(b + v * VL);
    UNROLLED for (int i = 0; i < mr; i++) {
      vector x = SPLAT(a[i]);
      UNROLLED for (int v = 0; v < nv; v++) NAME(add_product)(&acc[i][v], x, column[v]);
    }
  }
  NAME(store_tile)(mr, nv, tile, acc);
}

/* Both factors lie side by side: [depth][MR] and panels. */
INLINE void NAME(packed_tile)(const int mr, const int nv, const NAME(Tile)* tile) {
  vector acc[MR][NV];
  NAME(begin_tile)(mr, nv, tile, acc);
  const REAL *a = tile->rows[0] + tile->offset, *b = tile->b;
  const int64_t ahead_lines = tile->ahead_lines;
  const char* ahead = tile->ahead;
  for (int64_t rest = tile->depth, n; rest > 0; rest -= n) {
    n = ahead_lines ? least(rest, AHEAD_TERMS) : rest;
    for (int64_t line = 0; line < ahead_lines; line++, ahead += 64) __builtin_prefetch(ahead, 0, 2);
    for (int64_t k = 0; k < n; k++, a += MR, b += nv * VL) {
      vector column[NV];
      __builtin_prefetch((const char*)b + AHEAD);
      UNROLLED for (int v = 0; v < nv; v++) column[v] = LOAD(b + v * VL);
      UNROLLED for (int i = 0; i < mr; i++) {
        vector x = SPLAT(a[i]);
        UNROLLED for (int v = 0; v < nv; v++) NAME(add_product)(&acc[i][v], x, column[v]);
      }
    }
  }
  NAME(store_tile)(mr, nv, tile, acc);
}

typedef void (*NAME(tile_fn))(const NAME(Tile)*);

#define TILE(kind, m, n) \
  static void NAME(kind##_##m##x##n)(const NAME(Tile)* tile) { NAME(kind##_tile)(m, n, tile); }
#define TILES(m) \
  TILE(rows, m, 1) TILE(rows, m, 2) TILE(places, m, 1) TILE(places, m, 2) TILE(packed, m, 1) TILE(packed, m, 2)
#define ENTRY(kind, m) {NAME(kind##_##m##x1), NAME(kind##_##m##x2)}
TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6)
#if MR >= 8
TILES(7) TILES(8)
#endif
#if MR >= 12
TILES(9) TILES(10) TILES(11) TILES(12)
#define ENTRIES(kind) \
  {ENTRY(kind, 1), ENTRY(kind, 2), ENTRY(kind, 3), ENTRY(kind, 4), ENTRY(kind, 5), ENTRY(kind, 6), ENTRY(kind, 7), \
   ENTRY(kind, 8), ENTRY(kind, 9), ENTRY(kind, 10), ENTRY(kind, 11), ENTRY(kind, 12)}
#elif MR >= 8
#define ENTRIES(kind) \
  {ENTRY(kind, 1), ENTRY(kind, 2), ENTRY(kind, 3), ENTRY(kind, 4), ENTRY(kind, 5), ENTRY(kind, 6), ENTRY(kind, 7), \
   ENTRY(kind, 8)}
#else
#define ENTRIES(kind) \
  {ENTRY(kind, 1), ENTRY(kind, 2), ENTRY(kind, 3), ENTRY(kind, 4), ENTRY(kind, 5), ENTRY(kind, 6)}
#endif
static const NAME(tile_fn) NAME(rows_tiles)[MR][NV] = ENTRIES(rows);     /* [mr - 1][nv - 1] */
static const NAME(tile_fn) NAME(places_tiles)[MR][NV] = ENTRIES(places);
static const NAME(tile_fn) NAME(packed_tiles)[MR][NV] = ENTRIES(packed);
#undef TILE
#undef TILES
#undef ENTRY
#undef ENTRIES
