// Data sets in the card's memory: a split is copied when it is first seen, and used from there.
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "engine/cuda/cuda.h"

enum { SAMPLES = 64, SAMPLE_BYTES = 64 };

static uint64_t pixel_bytes(const sht_split *split) {
  const uint64_t size = split->type == SHT_PIXEL_U8 ? sizeof(uint8_t) : sizeof(int16_t);
  return split->count * split->height * split->width * split->channels * size;
}

// Checksum of some pixels, so that another set in the same place of memory is known as another.
static uint32_t sample_of(const sht_split *split) {
  const uint64_t bytes = pixel_bytes(split);
  const uint64_t step = bytes / SAMPLES + 1;
  uint32_t sum = 0;
  for (uint64_t at = 0; at < bytes; at += step) {
    const uint64_t left = bytes - at;
    sum = 31 * sum ^ sht_crc32c((const uint8_t *)split->pixels + at, left < SAMPLE_BYTES ? left : SAMPLE_BYTES);
  }
  return sum;
}

static bool is_same(const cuda_split *held, const sht_split *split) {
  const sht_split *a = &held->as;
  return a->count == split->count && a->height == split->height && a->width == split->width &&
         a->channels == split->channels && a->type == split->type && a->pixels == split->pixels &&
         held->sample == sample_of(split);
}

static void drop(cuda_split *held) {
  (void)cudaFree(held->pixels);
  (void)cudaFree(held->labels);
  sht_free(held->host_labels);
  *held = (cuda_split){.used = 0};
}

void cuda_splits_close(cuda_engine *engine) {
  for (int i = 0; i < CUDA_SPLITS_MAX; i++) {
    drop(&engine->splits[i]);
  }
}

static cuda_split *oldest(cuda_engine *engine) {
  cuda_split *found = &engine->splits[0];
  for (int i = 1; i < CUDA_SPLITS_MAX; i++) {
    found = engine->splits[i].used < found->used ? &engine->splits[i] : found;
  }
  return found;
}

static sht_status copy_labels(cudaStream_t stream, cuda_split *held, const sht_split *split, sht_error *error) {
  const uint64_t bytes = split->count * sizeof *split->labels;
  memcpy(held->host_labels, split->labels, bytes);
  return cuda_copy(stream, held->labels, split->labels, bytes, cudaMemcpyHostToDevice, "copying labels", error);
}

static sht_status copy_split(cudaStream_t stream, const sht_split *split, cuda_split *held, sht_error *error) {
  const uint64_t bytes = pixel_bytes(split);
  SHT_TRY(SHT_ALLOC(&held->host_labels, split->count, "labels", error));
  SHT_TRY(cuda_check(cudaMalloc(&held->pixels, bytes), "the data set", error));
  SHT_TRY(cuda_check(cudaMalloc((void **)&held->labels, split->count * sizeof *held->labels), "the labels", error));
  SHT_TRY(cuda_copy(stream, held->pixels, split->pixels, bytes, cudaMemcpyHostToDevice, "the data set", error));
  SHT_TRY(copy_labels(stream, held, split, error));
  held->as = *split;
  held->sample = sample_of(split);
  return SHT_OK;
}

// The split on the card. Labels are compared on every call (they are few): callers may give others.
static sht_status find_split(cuda_engine *engine, const sht_split *split, cuda_split **out, sht_error *error) {
  cuda_split *held = NULL;
  for (int i = 0; i < CUDA_SPLITS_MAX && held == NULL; i++) {
    held = is_same(&engine->splits[i], split) ? &engine->splits[i] : NULL;
  }
  if (held == NULL) {
    held = oldest(engine);
    drop(held);
    sht_status status = copy_split(engine->stream, split, held, error);
    if (status != SHT_OK) {
      drop(held);
      return status;
    }
  }
  if (memcmp(held->host_labels, split->labels, split->count * sizeof *split->labels) != 0) {
    SHT_TRY(copy_labels(engine->stream, held, split, error));
  }
  held->used = ++engine->calls;
  *out = held;
  return SHT_OK;
}

sht_status cuda_source_of(cuda_engine *engine, const sht_pipeline *data, sht__example_source *out, sht_error *error) {
  const sht_split *split = data->split;
  cuda_split *held = NULL;
  SHT_TRY(find_split(engine, split, &held, error));
  *out = (sht__example_source){
      .pixels = held->pixels,
      .labels = held->labels,
      .shape = {split->height, split->width, data->height, data->width, split->channels},
      .u8 = split->type == SHT_PIXEL_U8,
      .whiten = data->whiten,
      .varied = sht_augmentation_is_on(&data->augment),
      .rng = sht_rng_make(data->seed, SHT_PURPOSE_AUGMENT),
  };
  sht__variant_plan(&data->augment, &out->limits);
  return SHT_OK;
}
