// Data sets in the card's memory: a split is copied when it is first seen, and used from there. Pixels that several
// members of a group have are there once; labels are each member's own.
#include <string.h>

#include "base/crc32c.h"
#include "base/hash.h"
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

// ---- pixels

static sht_status copy_pixels(cuda_engine *engine, const sht_split *split, cuda_pixels *out, sht_error *error) {
  SHT_TRY(cuda_check(cudaMalloc(&out->data, out->bytes), "the data set", error));
  sht_status status =
      cuda_copy(engine->stream, out->data, split->pixels, out->bytes, cudaMemcpyHostToDevice, "the data set", error);
  if (status != SHT_OK) {
    (void)cudaFree(out->data);
    out->data = NULL;
  }
  return status;
}

static bool has_pixels(const cuda_pixels *held, uint64_t bytes, const char *digest) {
  return held->users > 0 && held->bytes == bytes && digest[0] != '\0' && strcmp(held->digest, digest) == 0;
}

// A place that has them, or a free one: there are as many as members have splits.
static cuda_pixels *find_pixels(cuda_engine *engine, uint64_t bytes, const char *digest) {
  const uint32_t count = engine->room * CUDA_SPLITS_MAX;
  cuda_pixels *place = NULL;
  for (uint32_t i = 0; i < count; i++) {
    if (has_pixels(&engine->pixels[i], bytes, digest)) {
      return &engine->pixels[i];
    }
    place = place == NULL && engine->pixels[i].users == 0 ? &engine->pixels[i] : place;
  }
  return place;
}

static sht_status take_pixels(cuda_member *member, const sht_split *split, cuda_pixels **out, sht_error *error) {
  const char *digest = member->request.digest;
  cuda_pixels *pixels = find_pixels(member->engine, pixel_bytes(split), digest);
  if (pixels->users == 0) {
    pixels->bytes = pixel_bytes(split);
    memcpy(pixels->digest, digest, sizeof pixels->digest);
    SHT_TRY(copy_pixels(member->engine, split, pixels, error));
  }
  pixels->users++;
  *out = pixels;
  return SHT_OK;
}

static void give_back(cuda_pixels *pixels) {
  if (pixels != NULL && --pixels->users == 0) {
    (void)cudaFree(pixels->data);
    pixels->data = NULL;
  }
}

// ---- splits

static void drop(cuda_split *held) {
  give_back(held->pixels);
  (void)cudaFree(held->labels);
  sht_free(held->host_labels);
  *held = (cuda_split){.used = 0};
}

void cuda_splits_close(cuda_member *member) {
  for (int i = 0; i < CUDA_SPLITS_MAX; i++) {
    drop(&member->splits[i]);
  }
}

static cuda_split *oldest(cuda_member *member) {
  cuda_split *found = &member->splits[0];
  for (int i = 1; i < CUDA_SPLITS_MAX; i++) {
    found = member->splits[i].used < found->used ? &member->splits[i] : found;
  }
  return found;
}

// NULL: it is not there.
static cuda_split *find(cuda_member *member, const sht_split *split) {
  for (int i = 0; i < CUDA_SPLITS_MAX; i++) {
    if (is_same(&member->splits[i], split)) {
      return &member->splits[i];
    }
  }
  return NULL;
}

// Labels are compared on every call (they are few): callers may give others. Of new pixels all bytes are looked at.
sht_status cuda_look_up(cuda_member *member, sht_error *error) {
  cuda_request *request = &member->request;
  const sht_split *split = request->data->split;
  request->held = find(member, split);
  if (request->held != NULL) {
    const uint64_t bytes = split->count * sizeof *split->labels;
    request->relabelled = memcmp(request->held->host_labels, split->labels, bytes) != 0;
    return SHT_OK;
  }
  return member->group == NULL ? SHT_OK : sht_hash_bytes(split->pixels, pixel_bytes(split), request->digest, error);
}

static sht_status copy_labels(cudaStream_t stream, cuda_split *held, const sht_split *split, sht_error *error) {
  const uint64_t bytes = split->count * sizeof *split->labels;
  memcpy(held->host_labels, split->labels, bytes);
  return cuda_copy(stream, held->labels, split->labels, bytes, cudaMemcpyHostToDevice, "copying labels", error);
}

static sht_status copy_split(cuda_member *member, const sht_split *split, cuda_split *held, sht_error *error) {
  SHT_TRY(SHT_ALLOC(&held->host_labels, split->count, "labels", error));
  SHT_TRY(take_pixels(member, split, &held->pixels, error));
  SHT_TRY(cuda_check(cudaMalloc((void **)&held->labels, split->count * sizeof *held->labels), "the labels", error));
  SHT_TRY(copy_labels(member->engine->stream, held, split, error));
  held->as = *split;
  held->sample = sample_of(split);
  return SHT_OK;
}

// The request's split on the card.
static sht_status bring_split(cuda_member *member, cuda_split **out, sht_error *error) {
  const cuda_request *request = &member->request;
  const sht_split *split = request->data->split;
  cuda_split *held = request->held;
  if (held == NULL) {
    held = oldest(member);
    drop(held);
    sht_status status = copy_split(member, split, held, error);
    if (status != SHT_OK) {
      drop(held);
      return status;
    }
  } else if (request->relabelled) {
    SHT_TRY(copy_labels(member->engine->stream, held, split, error));
  }
  held->used = ++member->calls;
  *out = held;
  return SHT_OK;
}

sht_status cuda_source_of(cuda_member *member, sht__example_source *out, sht_error *error) {
  const sht_pipeline *data = member->request.data;
  const sht_split *split = data->split;
  cuda_split *held = NULL;
  SHT_TRY(bring_split(member, &held, error));
  *out = (sht__example_source){
      .pixels = held->pixels->data,
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
