// Preconditioned conjugate gradients for many right-hand sides: see conjugate.h.
#include "dense/conjugate.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "dense/vector.h"

// Steps without a better residual after which it is over: rounding errors are all that is left.
enum { PATIENCE = 12 };

typedef struct state {
  const sht__system *system;
  double *r, *z, *p, *q, *old;  // [columns][n]: residual, preconditioned, direction, K direction, last residual
  float *sides;                 // [N][256][32]
  double *rz, *target;          // [columns]; target: tolerance |y|
  bool *active;                 // [columns]
  double norm;                  // of K, from below
} state;

static double largest(const double *r, uint64_t n) {
  double most = 0;
  for (uint64_t i = 0; i < n; i++) {
    double size = fabs(r[i]);
    most = size > most ? size : most;
  }
  return most;
}

void sht__precondition(const sht__triangle *triangle, const double *r, double *z, uint64_t columns, float *sides) {
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
    sht__triangle_solve(triangle, sides);
    for (uint64_t c = 0; c < count; c++) {
      for (uint64_t i = 0; i < n; i++) {
        z[(first + c) * n + i] = scale[c] * (double)sides[i * SHT_LANES + c];
      }
    }
  }
}

static sht_status open_state(const sht__system *system, state *s, sht_error *error) {
  uint64_t size = 0;
  *s = (state){.system = system};
  if (!sht_size_mul(system->n, system->columns, &size)) {
    return SHT_FAIL(error, SHT_MEMORY, "right-hand sides: more than a machine can address");
  }
  double **const vectors[] = {&s->r, &s->z, &s->p, &s->q, &s->old};
  for (int v = 0; v < 5; v++) {
    SHT_TRY(SHT_ALLOC(vectors[v], size, "vectors of the refinement", error));
  }
  SHT_TRY(SHT_ALLOC(&s->sides, sht__sides_size(system->preconditioner->factor), "right-hand sides", error));
  SHT_TRY(SHT_ALLOC(&s->rz, system->columns, "sums", error));
  SHT_TRY(SHT_ALLOC(&s->target, system->columns, "sums", error));
  return SHT_ALLOC(&s->active, system->columns, "marks", error);
}

static void close_state(state *s) {
  void *const blocks[] = {s->r, s->z, s->p, s->q, s->old, s->sides, s->rz, s->target, s->active};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
    sht_free(blocks[i]);
  }
}

// z = M^-1 r, and p = z + beta p with beta = <z, r - old> / <z, r>'s last value.
static void turn(state *s) {
  const uint64_t n = s->system->n;
  sht__precondition(s->system->preconditioner, s->r, s->z, s->system->columns, s->sides);
  for (uint64_t c = 0; c < s->system->columns; c++) {
    double *r = s->r + c * n, *z = s->z + c * n, *p = s->p + c * n, *old = s->old + c * n;
    double rz = sht__dot(r, z, n);
    double beta = s->rz[c] > 0 ? (rz - sht__dot(old, z, n)) / s->rz[c] : 0;
    s->rz[c] = rz;
    for (uint64_t i = 0; i < n; i++) {
      p[i] = z[i] + beta * p[i];
    }
  }
}

// The residual of column c that counts as none.
static double target_of(const state *s, const double *x, uint64_t c) {
  const uint64_t n = s->system->n;
  double rounding = ldexp(s->norm, -50) * sqrt(sht__dot(x + c * n, x + c * n, n));
  return s->target[c] > rounding ? s->target[c] : rounding;
}

// x += alpha p, r -= alpha K p for the columns that still move. Returns the largest residual over its target.
static double advance(state *s, double *x) {
  const uint64_t n = s->system->n;
  double worst = 0;
  for (uint64_t c = 0; c < s->system->columns; c++) {
    double *r = s->r + c * n, *p = s->p + c * n, *q = s->q + c * n;
    double curvature = sht__dot(p, q, n), length = sht__dot(p, p, n);
    s->norm = length > 0 ? fmax(s->norm, sqrt(sht__dot(q, q, n) / length)) : s->norm;
    if (s->active[c] && curvature > 0) {
      double alpha = sht__dot(p, r, n) / curvature;
      memcpy(s->old + c * n, r, n * sizeof *r);
      for (uint64_t i = 0; i < n; i++) {
        x[c * n + i] += alpha * p[i];
        r[i] -= alpha * q[i];
      }
    }
    double size = sqrt(sht__dot(r, r, n));
    double target = target_of(s, x, c);
    s->active[c] = size > target;
    double share = target > 0 ? size / target : 0;
    worst = share > worst ? share : worst;
  }
  return worst;
}

// The residual anew, from x itself, and whether it is small in every column.
static sht_status true_residual(state *s, const double *y, const double *x, sht__convergence *out, sht_error *error) {
  const sht__system *system = s->system;
  SHT_TRY(system->multiply(system->context, x, s->q, system->columns, error));
  out->residual = 0;
  out->converged = true;
  for (uint64_t c = 0; c < system->columns; c++) {
    const double *from = y + c * system->n;
    double *r = s->r + c * system->n, *q = s->q + c * system->n;
    for (uint64_t i = 0; i < system->n; i++) {
      r[i] = from[i] - q[i];
    }
    double size = sqrt(sht__dot(from, from, system->n)), left = sqrt(sht__dot(r, r, system->n));
    double share = size > 0 ? left / size : 0;
    s->active[c] = !(left <= target_of(s, x, c));
    s->rz[c] = 0;  // the next direction starts afresh
    out->converged = out->converged && !s->active[c];
    out->residual = share > out->residual || isnan(share) ? share : out->residual;
  }
  return SHT_OK;
}

// Steps until the recurred residual is small or no longer falls.
static sht_status iterate(state *s, double *x, sht__convergence *out, sht_error *error) {
  const sht__system *system = s->system;
  double best = INFINITY;
  for (int waited = 0; waited < PATIENCE && out->iterations < system->iterations_max; out->iterations++) {
    turn(s);
    SHT_TRY(system->multiply(system->context, s->p, s->q, system->columns, error));
    double worst = advance(s, x);
    waited = worst < 0.9 * best ? 0 : waited + 1;
    best = worst < best ? worst : best;
    if (!(worst > 1)) {
      out->iterations++;
      break;
    }
  }
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
    out->iterations++;
    if (!(out->residual < 0.5 * last)) {
      break;
    }
    last = out->residual;
  }
  return SHT_OK;
}

sht_status sht__conjugate_solve(const sht__system *system, const double *y, double *x, double *left,
                                sht__convergence *out, sht_error *error) {
  state s;
  *out = (sht__convergence){0};
  sht_status status = open_state(system, &s, error);
  if (status == SHT_OK) {
    memset(x, 0, system->n * system->columns * sizeof *x);
    memcpy(s.r, y, system->n * system->columns * sizeof *y);
    for (uint64_t c = 0; c < system->columns; c++) {
      s.target[c] = system->tolerance * sqrt(sht__dot(y + c * system->n, y + c * system->n, system->n));
      s.active[c] = s.target[c] > 0;
    }
    status = run(&s, y, x, out, error);
    out->norm = s.norm;
    memcpy(left, s.r, system->n * system->columns * sizeof *left);
  }
  close_state(&s);
  return status;
}
