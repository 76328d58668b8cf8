// Features of many examples: see panels.h.
#include "kernel/panels.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "base/memory.h"
#include "base/work.h"

typedef struct job {
  sht__panels *panels;
  const sht__feature_map *map;
  const sht_split *split;
  const sht__block_kernels *kernels;
  uint64_t block;
  float *scratch;  // [threads][a panel in fp32, where the panels are in pairs, and map->scratch, rounded up to 16]
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

sht_status sht__panels_open_pairs(uint64_t n, uint64_t width, sht__panels *out, sht_error *error) {
  *out = (sht__panels){.n = n, .width = width};
  return SHT_ALLOC(&out->pairs, sht__panels_size(n, width / 2), "features", error);
}

sht_status sht__panels_open_fours(uint64_t n, uint64_t width, double scale, sht__panels *out, sht_error *error) {
  *out = (sht__panels){.n = n, .width = width, .scale = scale};
  return SHT_ALLOC(&out->fours, sht__panels_size(n, sht__panel_fours(out)), "features", error);
}

void sht__panels_close(sht__panels *panels) {
  sht_free(panels->data);
  sht_free(panels->pairs);
  sht_free(panels->fours);
  *panels = (sht__panels){0};
}

static void fill_panel(void *context, size_t panel, int worker) {
  job *work = context;
  if (atomic_load(&work->stop)) {
    return;
  }
  const sht__panels *panels = work->panels;
  const bool pairs = panels->pairs != NULL;
  uint64_t first = panel * SHT_LANES, left = panels->n - first;
  float *scratch = work->scratch + (size_t)worker * work->scratch_size;
  float *to = pairs ? scratch : sht__panel_at(panels, panel);
  scratch += pairs ? panels->width * SHT_LANES : 0;
  work->map->fill(work->map, work->split, work->block, first, left < SHT_LANES ? left : SHT_LANES, to, scratch);
  if (pairs) {
    work->kernels->round_bf16(to, sht__panel_pairs_at(panels, panel), panels->width / 2);
  }
  unsigned long long done = atomic_fetch_add(&work->done, 1) + 1;
  uint64_t count = (panels->n + SHT_LANES - 1) / SHT_LANES;
  double blocks = (double)work->block + (double)done / (double)count;
  if (worker == 0 && sht__work_tell(work->work, "features", blocks, (double)work->map->blocks)) {
    atomic_store(&work->stop, true);
  }
}

sht_status sht__panels_fill(sht__panels *panels, const sht__feature_map *map, const sht_split *split, uint64_t block,
                            sht_pool *pool, const sht_work *work, sht_error *error) {
  job shared = {.panels = panels, .map = map, .split = split, .block = block, .work = work};
  shared.kernels = sht__block_choose();
  shared.scratch_size = (map->scratch + 15) / 16 * 16 + (panels->pairs != NULL ? panels->width * SHT_LANES : 0);
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

double sht__panels_value(const sht__panels *panels, uint64_t i, uint64_t f) {
  const uint64_t panel = i / SHT_LANES, lane = i % SHT_LANES;
  if (panels->fours != NULL) {
    const uint32_t word = sht__panel_fours_at(panels, panel)[f / 4 * SHT_LANES + lane];
    return panels->scale * (double)(word >> f % 4 * 8 & 0xff);
  }
  return (double)sht__panel_at(panels, panel)[f * SHT_LANES + lane];
}

// Words of 32 bits a panel has of one example.
static uint64_t words_of(const sht__panels *panels) {
  return panels->fours != NULL ? sht__panel_fours(panels) : panels->width;
}

sht_status sht__panels_select(const sht__panels *from, const uint32_t *order, uint64_t count, sht__panels *out,
                              sht_error *error) {
  SHT_TRY(from->fours != NULL ? sht__panels_open_fours(count, from->width, from->scale, out, error)
                              : sht__panels_open(count, from->width, out, error));
  const uint64_t words = words_of(from);
  const uint32_t *source = from->fours != NULL ? from->fours : (const uint32_t *)from->data;
  uint32_t *target = from->fours != NULL ? out->fours : (uint32_t *)out->data;
  for (uint64_t i = 0; i < count; i++) {
    for (uint64_t w = 0; w < words; w++) {
      target[(i / SHT_LANES * words + w) * SHT_LANES + i % SHT_LANES] =
          source[(order[i] / SHT_LANES * words + w) * SHT_LANES + order[i] % SHT_LANES];
    }
  }
  return SHT_OK;
}
