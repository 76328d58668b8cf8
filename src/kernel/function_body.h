// The body of function.c for one precision: REAL, APPLY (the function's name), ROOT, EXP (member of the kernels).
static void JOIN(power, REAL)(REAL *values, size_t n, REAL scale, REAL offset, uint32_t degree) {
  for (size_t i = 0; i < n; i++) {
    REAL base = values[i] * scale + offset, product = base;
    for (uint32_t d = 1; d < degree; d++) {
      product *= base;
    }
    values[i] = product;
  }
}

// Squared distances out of inner products.
static void JOIN(distances, REAL)(REAL *dots, const REAL *rows, const REAL *columns, size_t count) {
  for (size_t c = 0; c < count; c++) {
    for (size_t r = 0; r < SHT_LANES; r++) {
      REAL square = rows[r] + columns[c] - 2 * dots[c * SHT_LANES + r];
      dots[c * SHT_LANES + r] = square < 0 ? 0 : square;
    }
  }
}

static void JOIN(scale, REAL)(REAL *values, size_t n, REAL factor) {
  for (size_t i = 0; i < n; i++) {
    values[i] *= factor;
  }
}

static void JOIN(roots, REAL)(REAL *values, size_t n) {
  for (size_t i = 0; i < n; i++) {
    values[i] = ROOT(values[i]);
  }
}

void APPLY(const sht__kernel_function *f, const sht__block_kernels *kernels, REAL *dots, const REAL *row_squares,
           const REAL *column_squares, size_t columns) {
  const size_t n = columns * SHT_LANES;
  const double width = f->sigma;
  switch (f->kind) {
    case SHT_KERNEL_LINEAR:
      return;
    case SHT_KERNEL_POLYNOMIAL:
      JOIN(power, REAL)(dots, n, (REAL)(1 / (width * width)), (REAL)f->offset, f->degree);
      return;
    case SHT_KERNEL_GAUSSIAN:
      JOIN(distances, REAL)(dots, row_squares, column_squares, columns);
      JOIN(scale, REAL)(dots, n, (REAL)(-0.5 / (width * width)));
      break;
    case SHT_KERNEL_LAPLACIAN:
      JOIN(distances, REAL)(dots, row_squares, column_squares, columns);
      JOIN(roots, REAL)(dots, n);
      JOIN(scale, REAL)(dots, n, (REAL)(-1 / width));
      break;
  }
  kernels->EXP(dots, n);
}
