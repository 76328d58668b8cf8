// Small dense systems: see small.h.
#include "theory/small.h"

#include <math.h>

enum { LANES = 8, BLOCK = 48 };

double sht__dot(const double *a, const double *b, uint64_t count) {
  double lanes[LANES] = {0};
  uint64_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    for (int l = 0; l < LANES; l++) {
      lanes[l] += a[i + (uint64_t)l] * b[i + (uint64_t)l];
    }
  }
  double sum = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  for (; i < count; i++) {
    sum += a[i] * b[i];
  }
  return sum;
}

void sht__axpy(double *y, const double *x, double s, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    y[i] += s * x[i];
  }
}

int sht__compare_doubles(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// ---- Gram

typedef struct gram {
  const double *a, *b;
  uint64_t n, m, d;
  double *out;
} gram;

static void gram_row(void *context, size_t row, int worker) {
  (void)worker;
  const gram *g = context;
  const uint64_t end = g->a == g->b ? row + 1 : g->m;
  for (uint64_t j = 0; j < end; j++) {
    const double value = sht__dot(g->a + row * g->d, g->b + j * g->d, g->d);
    g->out[row * g->m + j] = value;
    if (g->a == g->b) {
      g->out[j * g->m + row] = value;
    }
  }
}

void sht__gram(const double *a, uint64_t n, const double *b, uint64_t m, uint64_t d, double *out, sht_pool *pool) {
  gram g = {a, b, n, m, d, out};
  sht_pool_run(pool, n, gram_row, &g);
}

// ---- Cholesky, one block of columns after another: its own rows first, then every row below by itself

typedef struct factor {
  double *a;
  uint64_t n;
  uint64_t first, end;  // columns of the block
} factor;

// a[row][c] for first <= c < end, with what stands left of and above them known.
static void finish_row(const factor *f, uint64_t row, uint64_t end) {
  double *r = f->a + row * f->n;
  for (uint64_t c = f->first; c < end; c++) {
    const double *other = f->a + c * f->n;
    r[c] = (r[c] - sht__dot(r, other, c)) / other[c];
  }
}

static void finish_below(void *context, size_t task, int worker) {
  (void)worker;
  const factor *f = context;
  finish_row(f, f->end + task, f->end);
}

uint64_t sht__cholesky(double *a, uint64_t n, double least, sht_pool *pool) {
  for (factor f = {.a = a, .n = n}; f.first < n; f.first = f.end) {
    f.end = f.first + BLOCK < n ? f.first + BLOCK : n;
    for (uint64_t row = f.first; row < f.end; row++) {
      finish_row(&f, row, row);
      double *r = a + row * n;
      const double pivot = r[row] - sht__dot(r, r, row);
      if (!(pivot > least)) {
        return row;
      }
      r[row] = sqrt(pivot);
    }
    sht_pool_run(pool, n - f.end, finish_below, &f);
  }
  return n;
}

void sht__cholesky_solve(const double *l, uint64_t n, double *x, uint64_t k) {
  for (uint64_t i = 0; i < n; i++) {
    for (uint64_t j = 0; j < i; j++) {
      sht__axpy(x + i * k, x + j * k, -l[i * n + j], k);
    }
    for (uint64_t c = 0; c < k; c++) {
      x[i * k + c] /= l[i * n + i];
    }
  }
  for (uint64_t i = n; i-- > 0;) {
    for (uint64_t c = 0; c < k; c++) {
      x[i * k + c] /= l[i * n + i];
    }
    for (uint64_t j = 0; j < i; j++) {
      sht__axpy(x + j * k, x + i * k, -l[i * n + j], k);
    }
  }
}

// ---- LU

typedef struct elimination {
  double *a, *x;
  uint64_t n, k, column;
} elimination;

static void eliminate_row(void *context, size_t task, int worker) {
  (void)worker;
  const elimination *e = context;
  const uint64_t row = e->column + 1 + task;
  const double *pivot = e->a + e->column * e->n;
  double *r = e->a + row * e->n;
  const double share = r[e->column] / pivot[e->column];
  sht__axpy(r + e->column, pivot + e->column, -share, e->n - e->column);
  sht__axpy(e->x + row * e->k, e->x + e->column * e->k, -share, e->k);
}

static void swap_rows(double *m, uint64_t columns, uint64_t i, uint64_t j) {
  for (uint64_t c = 0; i != j && c < columns; c++) {
    const double kept = m[i * columns + c];
    m[i * columns + c] = m[j * columns + c];
    m[j * columns + c] = kept;
  }
}

static uint64_t find_pivot(const elimination *e) {
  uint64_t best = e->column;
  for (uint64_t i = e->column + 1; i < e->n; i++) {
    best = fabs(e->a[i * e->n + e->column]) > fabs(e->a[best * e->n + e->column]) ? i : best;
  }
  return best;
}

uint64_t sht__lu_solve(double *a, uint64_t n, double *x, uint64_t k, sht_pool *pool) {
  elimination e = {.a = a, .x = x, .n = n, .k = k};
  for (; e.column < n; e.column++) {
    const uint64_t pivot = find_pivot(&e);
    if (!(fabs(a[pivot * n + e.column]) > 0)) {
      return e.column;
    }
    swap_rows(a, n, pivot, e.column);
    swap_rows(x, k, pivot, e.column);
    sht_pool_run(pool, n - e.column - 1, eliminate_row, &e);
  }
  for (uint64_t i = n; i-- > 0;) {
    for (uint64_t j = i + 1; j < n; j++) {
      sht__axpy(x + i * k, x + j * k, -a[i * n + j], k);
    }
    for (uint64_t c = 0; c < k; c++) {
      x[i * k + c] /= a[i * n + i];
    }
  }
  return n;
}
