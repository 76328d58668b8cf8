// Streams, events and captured graphs on the processor.
//
// What is put on a stream is done when the host waits for it and no sooner, so that a buffer which is used too early,
// or changed while a copy has yet to read it, shows. Beside the stream that is waited for, others are as late as they
// can be: what nobody waits for is not done. With ON_HOST_EARLY set they are as early as their own waiting lets them
// be: what should have waited shows. With ON_HOST_TURNS set, all that may go on take turns: what two use at a time
// shows. A graph is captured as it is on a card: what is not joined again, and what may not
// be captured, is an error.
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "engine/cuda/launch.cuh"

namespace on_host {

namespace {

struct queue;

// Work, or waiting until another queue has done so many tasks.
struct task {
  std::function<void()> work;
  queue *before;
  size_t count;
};

struct queue {
  std::vector<task> tasks;  // from the one numbered `first` on
  size_t first = 0, done = 0;
  size_t given() const { return first + tasks.size(); }
};

typedef std::map<cudaStream_t, queue> schedule;

// Where an event was recorded.
struct mark {
  const schedule *in;
  queue *stream;
  size_t count;
};

struct graph {
  schedule streams;
  cudaStream_t origin;
};

schedule streams;                  // what was not captured
std::shared_ptr<graph> capturing;  // NULL: nothing is captured

// Tasks of every other stream before each one of the stream that is waited for.
int tasks_ahead() {
  return std::getenv("ON_HOST_EARLY") != nullptr ? INT_MAX : std::getenv("ON_HOST_TURNS") != nullptr ? 1 : 0;
}

void run_until(schedule &all, queue &q, size_t count);

void step(schedule &all, queue &q) {
  const task t = q.tasks[q.done - q.first];
  if (t.before != nullptr) {
    run_until(all, *t.before, t.count);
  } else {
    t.work();
  }
  q.done++;
}

bool is_ready(const queue &q) {
  if (q.done == q.given()) {
    return false;
  }
  const task &next = q.tasks[q.done - q.first];
  return next.before == nullptr || next.before->done >= next.count;
}

void run_until(schedule &all, queue &q, size_t count) {
  while (q.done < count) {
    for (auto &[stream, other] : all) {
      for (int i = tasks_ahead(); i > 0 && &other != &q && is_ready(other); i--) {
        step(all, other);
      }
    }
    step(all, q);
  }
}

void run_all(queue &q) {
  run_until(streams, q, q.given());
  for (auto &[stream, other] : streams) {
    if (other.done == other.given()) {
      other.tasks.clear();
      other.first = other.done;
    }
  }
}

void run_everything() {
  for (auto &[stream, q] : streams) {
    run_all(q);
  }
}

void replay(graph &g) {
  for (auto &[stream, q] : g.streams) {
    q.done = 0;
  }
  queue &origin = g.streams[g.origin];
  run_until(g.streams, origin, origin.given());
}

// Whether all that other streams do is waited for by the one where the capture began.
bool is_joined(const graph &g) {
  std::map<const queue *, size_t> waited;
  for (const task &t : g.streams.at(g.origin).tasks) {
    if (t.before != nullptr) {
      waited[t.before] = std::max(waited[t.before], t.count);
    }
  }
  for (const auto &[stream, q] : g.streams) {
    if (stream != g.origin && waited[&q] < q.given()) {
      return false;
    }
  }
  return true;
}

// The stream's queue of what is captured or not; NULL: it takes no part in the capture.
queue *queue_of(cudaStream_t stream) {
  schedule &all = capturing != nullptr ? capturing->streams : streams;
  const auto found = all.find(stream);
  return found != all.end() ? &found->second : nullptr;
}

}  // namespace

// The default stream does not wait for the others, none of which blocks.
void enqueue(cudaStream_t stream, std::function<void()> what) {
  queue *q = stream != nullptr ? queue_of(stream) : nullptr;
  if (q != nullptr) {
    q->tasks.push_back({std::move(what), nullptr, 0});
  } else if (stream == nullptr) {
    what();
  } else {
    std::fprintf(stderr, "cuda on host: work on a stream that takes no part in what is captured\n");
    std::abort();
  }
}

bool is_capturing() { return capturing != nullptr; }

void finish_everything() { run_everything(); }

}  // namespace on_host

using namespace on_host;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  *stream = reinterpret_cast<cudaStream_t>(new char);
  streams[*stream];
  return flags == cudaStreamNonBlocking ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  run_all(streams[stream]);
  streams.erase(stream);
  delete reinterpret_cast<char *>(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (capturing != nullptr && queue_of(stream) != nullptr) {
    return cudaErrorStreamCaptureUnsupported;
  }
  if (stream != nullptr) {
    run_all(streams.at(stream));
  }
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new mark());
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete reinterpret_cast<mark *>(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  queue *q = queue_of(stream);
  if (q == nullptr) {
    return cudaErrorStreamCaptureUnmatched;
  }
  *reinterpret_cast<mark *>(event) = {capturing != nullptr ? &capturing->streams : &streams, q, q->given()};
  return cudaSuccess;
}
// A stream that waits for what is captured takes part in it.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const mark &when = *reinterpret_cast<mark *>(event);
  schedule &all = capturing != nullptr ? capturing->streams : streams;
  if (when.in != &all) {
    return cudaErrorStreamCaptureIsolation;
  }
  all[stream].tasks.push_back({nullptr, when.stream, when.count});
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode) {
  if (capturing != nullptr) {
    return cudaErrorIllegalState;
  }
  capturing = std::make_shared<graph>();
  capturing->origin = stream;
  capturing->streams[stream];
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
  *status =
      capturing != nullptr && queue_of(stream) != nullptr ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out) {
  const std::shared_ptr<graph> ended = std::exchange(capturing, nullptr);
  *out = nullptr;
  if (ended == nullptr || ended->origin != stream) {
    return cudaErrorStreamCaptureUnmatched;
  }
  if (!is_joined(*ended)) {
    return cudaErrorStreamCaptureUnjoined;
  }
  *out = reinterpret_cast<cudaGraph_t>(new std::shared_ptr<graph>(ended));
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t from, unsigned long long) {
  *out =
      reinterpret_cast<cudaGraphExec_t>(new std::shared_ptr<graph>(*reinterpret_cast<std::shared_ptr<graph> *>(from)));
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  const std::shared_ptr<graph> all = *reinterpret_cast<std::shared_ptr<graph> *>(exec);
  enqueue(stream, [all] { replay(*all); });
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t from) {
  delete reinterpret_cast<std::shared_ptr<graph> *>(from);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete reinterpret_cast<std::shared_ptr<graph> *>(exec);
  return cudaSuccess;
}

}  // extern "C"
