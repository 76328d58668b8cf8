// ScaLAPACK's fp32 Cholesky factorisation as an opponent of `shatter kernel` over ranks: time of pspotrf on a positive
// definite matrix of n rows. Built and run by hand:
//   mpicc -O2 bench/scalapack.c -o build/scalapack -lscalapack-openmpi -lopenblas
//   OPENBLAS_NUM_THREADS=1 mpirun -n 2 build/scalapack 8000 128 2 1
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

void Cblacs_get(int context, int what, int *value);
void Cblacs_gridinit(int *context, const char *order, int rows, int columns);
void Cblacs_gridinfo(int context, int *rows, int *columns, int *row, int *column);
int numroc_(const int *n, const int *block, const int *own, const int *first, const int *count);
void descinit_(int *desc, const int *m, const int *n, const int *mb, const int *nb, const int *first_row,
               const int *first_column, const int *context, const int *lead, int *info);
void pspotrf_(const char *uplo, const int *n, float *a, const int *ia, const int *ja, const int *desc, int *info);

// Element (i, j): 1 on the diagonal, small and different numbers beside it, so that the sum of each row is below 1.
static float element(long i, long j, long n) {
  return i == j ? 1.0F : (float)((i * 7919 + j * 7919) % 1000) / (1000.0F * (float)n);
}

int main(int argc, char **argv) {
  int n = argc > 1 ? atoi(argv[1]) : 8000, block = argc > 2 ? atoi(argv[2]) : 128;
  int rows = argc > 3 ? atoi(argv[3]) : 1, columns = argc > 4 ? atoi(argv[4]) : 1;
  int context, row, column, desc[9], info = 0, zero = 0, one = 1;
  MPI_Init(NULL, NULL);
  Cblacs_get(-1, 0, &context);
  Cblacs_gridinit(&context, "Row", rows, columns);
  Cblacs_gridinfo(context, &rows, &columns, &row, &column);
  int held_rows = numroc_(&n, &block, &row, &zero, &rows), held_columns = numroc_(&n, &block, &column, &zero, &columns);
  int lead = held_rows > 1 ? held_rows : 1;
  descinit_(desc, &n, &n, &block, &block, &zero, &zero, &context, &lead, &info);
  float *a = malloc(sizeof *a * (size_t)lead * (size_t)(held_columns + 1));
  for (long c = 0; c < held_columns; c++) {
    for (long r = 0; r < held_rows; r++) {
      long i = (r / block * rows + row) * block + r % block, j = (c / block * columns + column) * block + c % block;
      a[c * lead + r] = element(i, j, n);
    }
  }
  MPI_Barrier(MPI_COMM_WORLD);
  double start = MPI_Wtime();
  pspotrf_("L", &n, a, &one, &one, desc, &info);
  MPI_Barrier(MPI_COMM_WORLD);
  double seconds = MPI_Wtime() - start;
  if (row == 0 && column == 0) {
    printf("n %d, blocks of %d, grid %d x %d: info %d, %.2f s, %.1f GFLOP/s, %.0f MB a rank\n", n, block, rows, columns,
           info, seconds, (double)n * n * n / 3 / seconds * 1e-9, 4e-6 * lead * held_columns);
  }
  free(a);
  MPI_Finalize();
  return info != 0;
}
