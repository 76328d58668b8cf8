// Solves and products over ranks: see spread_triangle.h.
#include "dense/spread_triangle.h"

#include <string.h>

#include "dense/tile_ops.h"

static const uint64_t PANEL_BYTES = SHT_PANEL * sizeof(float);

// One step: the tiles here of one row or column of the factor.
typedef struct step {
  const sht__triangle *triangle;
  const sht__grid *grid;
  float *rows;        // [ceil(N / p)][256][32] of this row of the grid, panel i at i / p
  float *columns;     // [ceil(N / q)][256][32] of this column of the grid, panel j at j / q
  float *spare;       // [256][32]
  const float *head;  // the panel that all tiles of the step are multiplied with
  uint64_t k;         // the row or column
  uint64_t first;     // of the tiles at hand: the first row
  float sign;
} step;

uint64_t sht__spread_panels(const sht__grid *grid) {
  uint64_t rows = (grid->count + grid->rows - 1) / grid->rows;
  uint64_t columns = (grid->count + grid->columns - 1) / grid->columns;
  return (rows + columns + 1) * SHT_PANEL;
}

static step open_step(const sht__triangle *triangle, float sign) {
  const sht__grid *grid = triangle->factor->grid;
  step s = {.triangle = triangle, .grid = grid, .rows = triangle->panels, .sign = sign};
  s.columns = s.rows + (grid->count + grid->rows - 1) / grid->rows * SHT_PANEL;
  s.spare = s.columns + (grid->count + grid->columns - 1) / grid->columns * SHT_PANEL;
  return s;
}

// Panel of row i += sign L_ik head, rows i from `first` on.
static void row_task(void *context, size_t task, int worker) {
  (void)worker;
  step *s = context;
  const uint64_t i = s->first + task * s->grid->rows;
  sht__panel_multiply(s->triangle->kernels, s->rows + i / s->grid->rows * SHT_PANEL, s->head,
                      sht__tile_at(s->triangle->factor, i, s->k), s->sign);
}

// Panel of column j += sign L_kj^T head.
static void column_task(void *context, size_t task, int worker) {
  (void)worker;
  step *s = context;
  const uint64_t j = s->grid->column + task * s->grid->columns;
  sht__panel_multiply_turned(s->triangle->kernels, s->columns + task * SHT_PANEL, s->head,
                             sht__tile_at(s->triangle->factor, s->k, j), s->sign);
}

// The rows from `first` on of column k.
static void add_to_rows(step *s, uint64_t k, uint64_t first) {
  const uint64_t before = sht__grid_rows_before(s->grid, first);
  s->k = k;
  s->first = sht__grid_row_from(s->grid, first);
  sht_pool_run(s->triangle->pool, (size_t)(sht__grid_rows_before(s->grid, s->grid->count) - before), row_task, s);
}

// The columns before `last` of row k.
static void add_to_columns(step *s, uint64_t k, uint64_t last) {
  s->k = k;
  sht_pool_run(s->triangle->pool, (size_t)sht__grid_columns_before(s->grid, last), column_task, s);
}

// Panels of the rows from `first` on go from column `from` of the grid to the column `to`.
static void move_rows(const step *s, uint64_t first, uint64_t from, uint64_t to) {
  const sht__grid *grid = s->grid;
  const uint64_t before = sht__grid_rows_before(grid, first);
  const uint64_t bytes = (sht__grid_rows_before(grid, grid->count) - before) * PANEL_BYTES;
  float *panels = s->rows + before * SHT_PANEL;
  from %= grid->columns;
  to %= grid->columns;
  if (from != to && grid->column == from) {
    sht__cluster_send(grid->cluster, sht__grid_rank(grid, grid->row, to), panels, bytes);
  } else if (from != to && grid->column == to) {
    sht__cluster_receive(grid->cluster, sht__grid_rank(grid, grid->row, from), panels, bytes);
  }
}

// Panels of the columns before `last` go from row `from` of the grid to the row `to`.
static void move_columns(const step *s, uint64_t last, uint64_t from, uint64_t to) {
  const sht__grid *grid = s->grid;
  const uint64_t bytes = sht__grid_columns_before(grid, last) * PANEL_BYTES;
  from %= grid->rows;
  to %= grid->rows;
  if (from != to && grid->row == from) {
    sht__cluster_send(grid->cluster, sht__grid_rank(grid, to, grid->column), s->columns, bytes);
  } else if (from != to && grid->row == to) {
    sht__cluster_receive(grid->cluster, sht__grid_rank(grid, from, grid->column), s->columns, bytes);
  }
}

// x <- L^-1 x from the top down. Afterwards panel k is right on the ranks of column k mod q.
static void solve_forward(step *s, float *x) {
  const sht__grid *grid = s->grid;
  for (uint64_t i = grid->row; i < grid->count; i += grid->rows) {
    memcpy(s->rows + i / grid->rows * SHT_PANEL, x + i * SHT_PANEL, PANEL_BYTES);
  }
  for (uint64_t k = 0; k < grid->count; k++) {
    if (k % grid->columns == grid->column) {
      float *head = x + k * SHT_PANEL;
      if (sht__grid_has(grid, k, k)) {
        memcpy(head, s->rows + k / grid->rows * SHT_PANEL, PANEL_BYTES);
        sht__panel_solve_transposed(s->triangle->kernels, head, sht__tile_at(s->triangle->factor, k, k));
      }
      sht__cluster_broadcast(grid->cluster, SHT_CLUSTER_COLUMN, (int)(k % grid->rows), head, PANEL_BYTES);
      s->head = head;
      add_to_rows(s, k, k + 1);
    }
    move_rows(s, k + 1, k, k + 1);
  }
}

// x <- L^-T x from the bottom up. Afterwards panel k is right on the ranks of row k mod p.
static void solve_backward(step *s, float *x) {
  const sht__grid *grid = s->grid;
  for (uint64_t j = grid->column; j < grid->count; j += grid->columns) {
    memcpy(s->columns + j / grid->columns * SHT_PANEL, x + j * SHT_PANEL, PANEL_BYTES);
  }
  for (uint64_t k = grid->count; k-- > 0;) {
    if (k % grid->rows == grid->row) {
      float *head = x + k * SHT_PANEL;
      if (sht__grid_has(grid, k, k)) {
        memcpy(head, s->columns + k / grid->columns * SHT_PANEL, PANEL_BYTES);
        sht__panel_solve(s->triangle->kernels, head, sht__tile_at(s->triangle->factor, k, k));
      }
      sht__cluster_broadcast(grid->cluster, SHT_CLUSTER_ROW, (int)(k % grid->columns), head, PANEL_BYTES);
      s->head = head;
      add_to_columns(s, k, k);
    }
    if (k > 0) {
      move_columns(s, k, k, k - 1);
    }
  }
}

void sht__spread_solve(const sht__triangle *triangle, float *x) {
  step s = open_step(triangle, -1);
  solve_forward(&s, x);
  solve_backward(&s, x);
  for (uint64_t k = 0; k < s.grid->count; k++) {
    sht__cluster_broadcast(s.grid->cluster, SHT_CLUSTER_COLUMN, (int)(k % s.grid->rows), x + k * SHT_PANEL,
                           PANEL_BYTES);
  }
}

// columns <- L^T x.
static void multiply_turned(step *s, const float *x) {
  const sht__grid *grid = s->grid;
  const uint64_t held = sht__grid_columns_before(grid, grid->count);
  memset(s->columns, 0, held * PANEL_BYTES);
  for (uint64_t i = 0; i < grid->count; i++) {
    if (i % grid->rows == grid->row) {
      s->head = x + i * SHT_PANEL;
      add_to_columns(s, i, i + 1);
    }
    if (i + 1 < grid->count) {
      move_columns(s, i + 1, i, i + 1);
    }
  }
  sht__cluster_broadcast(grid->cluster, SHT_CLUSTER_COLUMN, (int)((grid->count - 1) % grid->rows), s->columns,
                         held * PANEL_BYTES);
}

void sht__spread_product(const sht__triangle *triangle, float *x, float *y) {
  step s = open_step(triangle, 1);
  const sht__grid *grid = s.grid;
  multiply_turned(&s, x);
  memset(s.rows, 0, sht__grid_rows_before(grid, grid->count) * PANEL_BYTES);
  for (uint64_t j = 0; j < grid->count; j++) {
    if (j % grid->columns == grid->column) {
      s.head = s.columns + j / grid->columns * SHT_PANEL;
      add_to_rows(&s, j, j);
    }
    if (sht__grid_has(grid, j, j)) {  // this row of the factor is done
      memcpy(y + j * SHT_PANEL, s.rows + j / grid->rows * SHT_PANEL, PANEL_BYTES);
    }
    sht__cluster_broadcast(grid->cluster, SHT_CLUSTER_ALL, sht__grid_rank(grid, j, j), y + j * SHT_PANEL, PANEL_BYTES);
    move_rows(&s, j + 1, j, j + 1);
  }
}
