// Stored features: see panels.h.
#include "kernel/panels.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/memory.h"
#include "base/work.h"

typedef struct job {
  sht__panels *panels;
  const sht__feature_map *map;
  const sht_split *split;
  uint64_t block;
  float *scratch;  // [threads][map->scratch, rounded up to 16]
  uint64_t scratch_size;
  const sht_work *work;
  atomic_ullong done;
  atomic_bool stop;
} job;

uint64_t sht__panels_size(uint64_t n, uint64_t width) {
  uint64_t rows = 0, size = 0;
  bool fits = sht_size_mul(sht__tile_rows(n), SHT_TILE, &rows) && sht_size_mul(rows, width, &size);
  return fits ? size : UINT64_MAX;
}

sht_status sht__panels_open(uint64_t n, uint64_t width, sht__panels *out, sht_error *error) {
  *out = (sht__panels){.n = n, .width = width};
  return SHT_ALLOC(&out->data, sht__panels_size(n, width), "features", error);
}

void sht__panels_close(sht__panels *panels) {
  sht_free(panels->data);
  *panels = (sht__panels){0};
}

static void fill_panel(void *context, size_t panel, int worker) {
  job *work = context;
  if (atomic_load(&work->stop)) {
    return;
  }
  uint64_t first = panel * SHT_LANES, left = work->panels->n - first;
  work->map->fill(work->map, work->split, work->block, first, left < SHT_LANES ? left : SHT_LANES,
                  sht__panel_at(work->panels, panel), work->scratch + (size_t)worker * work->scratch_size);
  unsigned long long done = atomic_fetch_add(&work->done, 1) + 1;
  uint64_t panels = (work->panels->n + SHT_LANES - 1) / SHT_LANES;
  double blocks = (double)work->block + (double)done / (double)panels;
  if (worker == 0 && sht__work_tell(work->work, "features", blocks, (double)work->map->blocks)) {
    atomic_store(&work->stop, true);
  }
}

sht_status sht__panels_fill(sht__panels *panels, const sht__feature_map *map, const sht_split *split, uint64_t block,
                            sht_pool *pool, const sht_work *work, sht_error *error) {
  job shared = {.panels = panels, .map = map, .split = split, .block = block, .work = work};
  shared.scratch_size = (map->scratch + 15) / 16 * 16;
  uint64_t threads = (uint64_t)sht_pool_threads(pool);
  SHT_TRY(SHT_ALLOC(&shared.scratch, threads * shared.scratch_size, "scratch for features", error));
  sht_pool_run(pool, (size_t)((panels->n + SHT_LANES - 1) / SHT_LANES), fill_panel, &shared);
  sht_free(shared.scratch);
  return atomic_load(&shared.stop) ? SHT_FAIL(error, SHT_STOPPED, "stopped while making features") : SHT_OK;
}

void sht__panels_copy(sht__panels *panels, const float *inputs) {
  for (uint64_t i = 0; i < panels->n; i++) {
    float *panel = sht__panel_at(panels, i / SHT_LANES) + i % SHT_LANES;
    for (uint64_t f = 0; f < panels->width; f++) {
      panel[f * SHT_LANES] = inputs[i * panels->width + f];
    }
  }
}
