// Preconditioned conjugate gradients for many right-hand sides: see conjugate.h.
#include "dense/conjugate.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/work.h"
#include "dense/lanczos.h"
#include "dense/vector.h"

// Steps that gain nothing after which it is over: rounding errors are all that is left. Steps of Lanczos for the norm,
// which products with K make better.
enum { PATIENCE = 12, NORM_STEPS = 3 };
// Standard deviations of rounding that a residual may consist of, and the share of |y| that it may be at most.
static const double ROUNDING_STEPS = 4, ROUNDING_MAX = 1e-6;

typedef struct state {
  const sht__system *system;
  double *r, *z, *p, *q, *old;  // [columns][n]: residual, preconditioned, direction, K direction, last residual
  double *best;                 // [columns][n]: x of the smallest residual met
  float *sides;                 // [N][256][32]
  double *rz, *size;            // [columns]; size: |y|
  double *least;                // [columns]: |residual| of `best`, as recurred
  double *energy;               // [columns]: what x' K x / 2 - y' x has fallen by, twice
  bool *active;                 // [columns]
  double norm;                  // of K, from below
  double residual;              // the largest |r| / |y| of the columns moved last
  uint32_t solves;
  double solve_seconds;
} state;

static double largest(const double *r, uint64_t n) {
  double most = 0;
  for (uint64_t i = 0; i < n; i++) {
    double size = fabs(r[i]);
    most = size > most ? size : most;
  }
  return most;
}

sht_status sht__precondition(const sht__triangle *triangle, const double *r, double *z, uint64_t columns, float *sides,
                             sht_error *error) {
  const uint64_t n = triangle->factor->n;
  for (uint64_t first = 0; first < columns; first += SHT_LANES) {
    uint64_t count = columns - first < SHT_LANES ? columns - first : SHT_LANES;
    double scale[SHT_LANES] = {0};
    memset(sides, 0, sht__sides_size(triangle->factor) * sizeof *sides);
    for (uint64_t c = 0; c < count; c++) {
      const double *from = r + (first + c) * n;
      scale[c] = largest(from, n);
      for (uint64_t i = 0; i < n && scale[c] > 0; i++) {
        sides[i * SHT_LANES + c] = (float)(from[i] / scale[c]);
      }
    }
    SHT_TRY(sht__triangle_solve(triangle, sides, error));
    for (uint64_t c = 0; c < count; c++) {
      for (uint64_t i = 0; i < n; i++) {
        z[(first + c) * n + i] = scale[c] * (double)sides[i * SHT_LANES + c];
      }
    }
  }
  return SHT_OK;
}

static sht_status open_state(const sht__system *system, state *s, sht_error *error) {
  uint64_t size = 0;
  *s = (state){.system = system};
  if (!sht_size_mul(system->n, system->columns, &size)) {
    return SHT_FAIL(error, SHT_MEMORY, "right-hand sides: more than a machine can address");
  }
  double **const vectors[] = {&s->r, &s->z, &s->p, &s->q, &s->old, &s->best};
  for (size_t v = 0; v < sizeof vectors / sizeof vectors[0]; v++) {
    SHT_TRY(SHT_ALLOC(vectors[v], size, "vectors of the refinement", error));
  }
  SHT_TRY(SHT_ALLOC(&s->sides, sht__sides_size(system->preconditioner->factor), "right-hand sides", error));
  SHT_TRY(SHT_ALLOC(&s->rz, system->columns, "sums", error));
  SHT_TRY(SHT_ALLOC(&s->size, system->columns, "sums", error));
  SHT_TRY(SHT_ALLOC(&s->least, system->columns, "sums", error));
  SHT_TRY(SHT_ALLOC(&s->energy, system->columns, "sums", error));
  return SHT_ALLOC(&s->active, system->columns, "marks", error);
}

static void close_state(state *s) {
  void *const blocks[] = {s->r,     s->z,  s->p,    s->q,     s->old,    s->best,
                          s->sides, s->rz, s->size, s->least, s->energy, s->active};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
    sht_free(blocks[i]);
  }
}

// z = M^-1 r; both [columns][n].
static sht_status solve(state *s, const double *r, double *z, sht_error *error) {
  const double begun = sht__work_clock();
  sht_status status = sht__precondition(s->system->preconditioner, r, z, s->system->columns, s->sides, error);
  s->solve_seconds += sht__work_clock() - begun;
  s->solves++;
  return status;
}

// z = M^-1 r, and p = z + beta p with beta = <z, r - old> / <z, r>'s last value.
static sht_status turn(state *s, sht_error *error) {
  const uint64_t n = s->system->n;
  SHT_TRY(solve(s, s->r, s->z, error));
  for (uint64_t c = 0; c < s->system->columns; c++) {
    double *r = s->r + c * n, *z = s->z + c * n, *p = s->p + c * n, *old = s->old + c * n;
    double rz = sht__dot(r, z, n);
    double beta = s->rz[c] > 0 ? (rz - sht__dot(old, z, n)) / s->rz[c] : 0;
    s->rz[c] = rz;
    for (uint64_t i = 0; i < n; i++) {
      p[i] = z[i] + beta * p[i];
    }
  }
  return SHT_OK;
}

double sht__residual_target(double tolerance, double y_length, uint64_t n, double norm, double x_length) {
  double rounding = ROUNDING_STEPS * sqrt((double)n) * ldexp(norm, -53) * x_length;
  return fmax(tolerance * y_length, fmin(rounding, ROUNDING_MAX * y_length));
}

static double length_of(const double *v, uint64_t n) { return sqrt(sht__dot(v, v, n)); }

// What rounding column c of x to double leaves of its residual.
static double rounding_of(const state *s, const double *x, uint64_t c) {
  return ldexp(s->norm, -53) * length_of(x + c * s->system->n, s->system->n);
}

// The residual of column c that steps aim at: the tolerance, or what rounding x alone to double leaves (within bounds:
// an x that grows without end solves nothing). Rounding in the product may leave more, but is met by trying.
static double target_of(const state *s, const double *x, uint64_t c) {
  return fmax(s->system->tolerance * s->size[c], fmin(rounding_of(s, x, c), ROUNDING_MAX * s->size[c]));
}

// Whether the residual of column c, `left`, counts as none when no step makes it smaller.
static bool is_small(const state *s, const double *x, uint64_t c, double left) {
  const uint64_t n = s->system->n;
  double length = length_of(x + c * n, n);
  return left <= sht__residual_target(s->system->tolerance, s->size[c], n, s->norm, length);
}

// x += alpha p, r -= alpha K p for one column; whether that gained anything that double can tell. A direction without
// curvature ends the column: K is singular along it, to rounding.
static bool move(state *s, double *x, uint64_t c) {
  const uint64_t n = s->system->n;
  double *r = s->r + c * n, *p = s->p + c * n, *q = s->q + c * n;
  double curvature = sht__dot(p, q, n), slope = sht__dot(p, r, n);
  if (!(curvature > 0)) {
    s->active[c] = false;
    return false;
  }
  double alpha = slope / curvature;
  memcpy(s->old + c * n, r, n * sizeof *r);
  for (uint64_t i = 0; i < n; i++) {
    x[c * n + i] += alpha * p[i];
    r[i] -= alpha * q[i];
  }
  s->energy[c] += alpha * slope;
  return alpha * slope > ldexp(s->energy[c], -52);
}

// Keeps column c of x where its residual, `size` as recurred, is the smallest so far. What rounding x to double leaves
// is in the true one even where the recurred one has lost sight of it.
static void keep_best(state *s, const double *x, uint64_t c, double size) {
  const uint64_t n = s->system->n;
  size += rounding_of(s, x, c);
  if (size < s->least[c]) {
    s->least[c] = size;
    memcpy(s->best + c * n, x + c * n, n * sizeof *x);
  }
}

// Moves the columns that are still active and keeps the best of each. *gained: some column fell in energy. Returns the
// largest residual of them over its target.
static double advance(state *s, double *x, bool *gained) {
  const uint64_t n = s->system->n;
  double worst = 0;
  s->residual = 0;
  *gained = false;
  for (uint64_t c = 0; c < s->system->columns; c++) {
    double length = length_of(s->p + c * n, n);
    s->norm = length > 0 ? fmax(s->norm, length_of(s->q + c * n, n) / length) : s->norm;
    if (!s->active[c]) {
      continue;
    }
    *gained = move(s, x, c) || *gained;
    double size = length_of(s->r + c * n, n), target = target_of(s, x, c);
    keep_best(s, x, c, size);
    s->residual = fmax(s->residual, size / s->size[c]);
    s->active[c] = s->active[c] && size > target;
    worst = fmax(worst, target > 0 ? size / target : 0);
  }
  return worst;
}

static bool any_active(const state *s) {
  bool any = false;
  for (uint64_t c = 0; c < s->system->columns; c++) {
    any = any || s->active[c];
  }
  return any;
}

// The residual anew, from x itself.
static sht_status true_residual(state *s, const double *y, const double *x, sht__convergence *out, sht_error *error) {
  const sht__system *system = s->system;
  SHT_TRY(system->multiply(system->context, x, s->q, system->columns, error));
  out->iterations++;
  for (uint64_t i = 0; i < system->columns * system->n; i++) {
    s->r[i] = y[i] - s->q[i];
  }
  return SHT_OK;
}

// What the residual says of every column.
static void judge(state *s, const double *x, sht__convergence *out) {
  const uint64_t n = s->system->n;
  out->residual = 0;
  out->converged = true;
  for (uint64_t c = 0; c < s->system->columns; c++) {
    double left = length_of(s->r + c * n, n);
    double share = s->size[c] > 0 ? left / s->size[c] : 0;
    s->active[c] = !(left <= target_of(s, x, c));
    s->rz[c] = 0;  // the next direction starts afresh
    out->converged = out->converged && !s->active[c];
    out->residual = share > out->residual || isnan(share) ? share : out->residual;
  }
}

// Steps until the recurred residual is small or nothing is gained any more. The residual itself may grow for hundreds
// of steps of an ill-conditioned system while the error falls: what falls at every step is the energy.
static sht_status iterate(state *s, double *x, sht__convergence *out, sht_error *error) {
  const sht__system *system = s->system;
  double best = INFINITY;
  for (int waited = 0; waited < PATIENCE && any_active(s) && out->iterations < system->iterations_max;) {
    bool gained = false;
    SHT_TRY(turn(s, error));
    SHT_TRY(system->multiply(system->context, s->p, s->q, system->columns, error));
    out->iterations++;
    double worst = advance(s, x, &gained);
    if (system->told != NULL) {
      system->told(system->context, out->iterations, s->residual);
    }
    waited = gained || worst < 0.9 * best ? 0 : waited + 1;
    best = worst < best ? worst : best;
  }
  return SHT_OK;
}

static void swap(double *a, double *b, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    double kept = a[i];
    a[i] = b[i];
    b[i] = kept;
  }
}

// Not solved: x becomes the best iterate of each column, by residuals anew of both.
static sht_status take_best(state *s, const double *y, double *x, sht__convergence *out, sht_error *error) {
  const uint64_t n = s->system->n;
  memcpy(s->old, s->r, s->system->columns * n * sizeof *s->r);
  for (uint64_t c = 0; c < s->system->columns; c++) {
    if (!s->active[c]) {
      memcpy(s->best + c * n, x + c * n, n * sizeof *x);
    }
  }
  swap(x, s->best, s->system->columns * n);
  SHT_TRY(true_residual(s, y, x, out, error));
  for (uint64_t c = 0; c < s->system->columns; c++) {
    if (!(length_of(s->r + c * n, n) < length_of(s->old + c * n, n))) {
      swap(x + c * n, s->best + c * n, n);
      memcpy(s->r + c * n, s->old + c * n, n * sizeof *s->r);
    }
  }
  judge(s, x, out);
  return SHT_OK;
}

// The recurred residual drifts from the true one: when it has converged, the true one decides, and a restart from it
// makes up for the drift.
static sht_status run(state *s, const double *y, double *x, sht__convergence *out, sht_error *error) {
  const sht__system *system = s->system;
  double last = INFINITY;
  while (!out->converged && out->iterations < system->iterations_max) {
    SHT_TRY(iterate(s, x, out, error));
    SHT_TRY(true_residual(s, y, x, out, error));
    judge(s, x, out);
    if (!(out->residual < 0.5 * last)) {
      break;
    }
    last = out->residual;
  }
  if (out->converged) {
    return SHT_OK;
  }
  bool exhausted = out->iterations >= system->iterations_max;
  SHT_TRY(take_best(s, y, x, out, error));
  out->converged = true;
  for (uint64_t c = 0; c < system->columns; c++) {
    out->converged = out->converged && is_small(s, x, c, length_of(s->r + c * system->n, system->n));
  }
  out->exhausted = !out->converged && exhausted;
  return SHT_OK;
}

// x = M^-1 y: of a good factor nearly the solution, of K + jitter that of a problem with a ridge, whose residual is
// small where K has a solution and that of least squares where it has none.
static sht_status start(state *s, const double *y, double *x, sht__convergence *out, sht_error *error) {
  const uint64_t n = s->system->n, columns = s->system->columns;
  SHT_TRY(sht__lanczos_largest(s->system->preconditioner, NORM_STEPS, &s->norm, error));
  memset(s->best, 0, n * columns * sizeof *x);
  for (uint64_t c = 0; c < columns; c++) {
    s->least[c] = s->size[c] = length_of(y + c * n, n);
  }
  SHT_TRY(solve(s, y, x, error));
  SHT_TRY(true_residual(s, y, x, out, error));
  for (uint64_t c = 0; c < columns; c++) {
    keep_best(s, x, c, length_of(s->r + c * n, n));
  }
  judge(s, x, out);
  return SHT_OK;
}

sht_status sht__conjugate_solve(const sht__system *system, const double *y, double *x, double *left,
                                sht__convergence *out, sht_error *error) {
  state s;
  *out = (sht__convergence){0};
  sht_status status = open_state(system, &s, error);
  if (status == SHT_OK) {
    status = start(&s, y, x, out, error);
  }
  if (status == SHT_OK) {
    status = run(&s, y, x, out, error);
    out->norm = s.norm;
    out->solves = s.solves;
    out->solve_seconds = s.solve_seconds;
    memcpy(left, s.r, system->n * system->columns * sizeof *left);
  }
  close_state(&s);
  return status;
}
