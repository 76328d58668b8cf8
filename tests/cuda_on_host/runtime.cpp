// CUDA's runtime on the processor, as far as the engine uses it: memory, copies, and fibers for the threads of a block.
// See engine/cuda/launch.cuh beside this; streams and graphs: streams.cpp.
#include <malloc.h>
#include <ucontext.h>
#include <csetjmp>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "engine/cuda/launch.cuh"

namespace on_host {

position here;

namespace {

constexpr size_t STACK_BYTES = 64 * 1024;
constexpr unsigned WARP = 32;

enum class state { ready, at_warp, at_block, done };

// Made once and used for every block: only the first switch to a fiber is a system call.
struct fiber {
  jmp_buf place;
  std::unique_ptr<char[]> stack;
  state now;
  uint64_t given;
};

std::vector<std::unique_ptr<fiber>> fibers;
jmp_buf scheduler;
ucontext_t first_switch;
fiber *running;
const std::function<void()> *work;

void stop_at(state where) {
  running->now = where;
  if (_setjmp(running->place) == 0) {
    _longjmp(scheduler, 1);
  }
}

void live() {
  for (;;) {
    stop_at(state::done);
    (*work)();
  }
}

void make_fiber() {
  ucontext_t context;
  fibers.emplace_back(new fiber());
  running = fibers.back().get();
  running->stack.reset(new char[STACK_BYTES]);
  getcontext(&context);
  context.uc_stack.ss_sp = running->stack.get();
  context.uc_stack.ss_size = STACK_BYTES;
  context.uc_link = nullptr;
  makecontext(&context, live, 0);
  if (_setjmp(scheduler) == 0) {
    swapcontext(&first_switch, &context);
  }
}

void prepare(unsigned threads) {
  while (fibers.size() < threads) {
    make_fiber();
  }
  for (unsigned t = 0; t < threads; t++) {
    fibers[t]->now = state::ready;
  }
}

void run_ready(unsigned threads) {
  for (unsigned t = 0; t < threads; t++) {
    if (fibers[t]->now == state::ready) {
      running = fibers[t].get();
      here.thread = dim3(t, 0, 0);
      if (_setjmp(scheduler) == 0) {
        _longjmp(running->place, 1);
      }
    }
  }
}

// Whether all of the threads first .. end-1 that have not ended wait at `where`; *alive: how many have not ended.
bool all_at(state where, unsigned first, unsigned end, unsigned *alive) {
  bool all = true;
  *alive = 0;
  for (unsigned t = first; t < end; t++) {
    all = all && (fibers[t]->now == where || fibers[t]->now == state::done);
    *alive += fibers[t]->now != state::done;
  }
  return all && *alive > 0;
}

void release(unsigned first, unsigned end) {
  for (unsigned t = first; t < end; t++) {
    fibers[t]->now = fibers[t]->now == state::done ? state::done : state::ready;
  }
}

[[noreturn]] void fail(const char *what) {
  std::fprintf(stderr, "cuda on host: %s\n", what);
  std::abort();
}

// Lets those go on who have met. False: all have ended.
bool meet(unsigned threads) {
  unsigned alive = 0;
  bool moved = false;
  if (all_at(state::at_block, 0, threads, &alive)) {
    release(0, threads);
    return true;
  }
  if (alive == 0) {
    return false;
  }
  for (unsigned first = 0; first < threads; first += WARP) {
    const unsigned end = std::min(first + WARP, threads);
    if (all_at(state::at_warp, first, end, &alive)) {
      if (alive != end - first) {
        fail("a shuffle without its whole warp");
      }
      release(first, end);
      moved = true;
    }
  }
  if (!moved) {
    fail("a barrier that some threads of its block do not reach");
  }
  return true;
}

void run_block(unsigned threads) {
  prepare(threads);
  do {
    run_ready(threads);
  } while (meet(threads));
}

}  // namespace

void sync_block() { stop_at(state::at_block); }

uint64_t exchange(uint64_t mine, unsigned lane) {
  const unsigned thread = here.thread.x;
  fibers[thread]->given = mine;
  stop_at(state::at_warp);
  const uint64_t found = fibers[thread / WARP * WARP + lane]->given;
  here.thread.x = thread;
  stop_at(state::at_warp);
  return found;
}

// x first; with ON_HOST_TURNS set, z first: what blocks of several runs have in common shows.
void run_grid(dim3 grid, unsigned threads, const std::function<void()> &body) {
  const bool turns = std::getenv("ON_HOST_TURNS") != nullptr;
  work = &body;
  here.threads = dim3(threads, 1, 1);
  here.grid = grid;
  for (unsigned i = 0; i < grid.x * grid.y * grid.z; i++) {
    here.block = turns ? dim3(i / grid.z / grid.y, i / grid.z % grid.y, i % grid.z)
                       : dim3(i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y);
    run_block(threads);
  }
}

namespace {

size_t taken;  // bytes of the card's memory

}  // namespace

}  // namespace on_host

extern "C" {

cudaError_t cudaDriverGetVersion(int *version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) { return cudaDriverGetVersion(version); }
cudaError_t cudaGetDeviceCount(int *count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int *device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int) {
  *properties = cudaDeviceProp();
  std::snprintf(properties->name, sizeof properties->name, "the processor");
  return cudaSuccess;
}
cudaError_t cudaGetLastError(void) { return cudaSuccess; }
const char *cudaGetErrorName(cudaError_t) { return "error"; }
const char *cudaGetErrorString(cudaError_t) { return "error"; }
// ON_HOST_BYTES: the memory of the card.
cudaError_t cudaMemGetInfo(size_t *left, size_t *all) {
  const char *limit = std::getenv("ON_HOST_BYTES");
  *all = limit != nullptr ? std::strtoull(limit, nullptr, 10) : size_t{1} << 40;
  *left = *all > on_host::taken ? *all - on_host::taken : 0;
  return cudaSuccess;
}

// What is not written shows: bytes of 255 are NaN in both types.
cudaError_t cudaMalloc(void **out, size_t bytes) {
  if (on_host::is_capturing()) {
    return cudaErrorStreamCaptureUnsupported;
  }
  *out = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (*out == nullptr) {
    return cudaErrorMemoryAllocation;
  }
  std::memset(*out, 255, bytes);
  on_host::taken += malloc_usable_size(*out);
  return cudaSuccess;
}
// Waits for the card.
cudaError_t cudaFree(void *block) {
  if (on_host::is_capturing()) {
    return cudaErrorStreamCaptureUnsupported;
  }
  on_host::finish_everything();
  on_host::taken -= malloc_usable_size(block);
  std::free(block);
  return cudaSuccess;
}
cudaError_t cudaMemset(void *block, int value, size_t bytes) {
  std::memset(block, value, bytes);
  return cudaSuccess;
}
// Memory of this machine is read and written when the copy is made, not when it is asked for.
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind, cudaStream_t stream) {
  if (on_host::is_capturing()) {
    return cudaErrorStreamCaptureUnsupported;
  }
  on_host::enqueue(stream, [=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *block, int value, size_t bytes, cudaStream_t stream) {
  on_host::enqueue(stream, [=] { std::memset(block, value, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                              size_t height, enum cudaMemcpyKind, cudaStream_t stream) {
  on_host::enqueue(stream, [=] {
    for (size_t row = 0; row < height; row++) {
      std::memcpy(static_cast<char *>(to) + row * to_pitch, static_cast<const char *>(from) + row * from_pitch, width);
    }
  });
  return cudaSuccess;
}

}  // extern "C"
