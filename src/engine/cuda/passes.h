// Running the plan of an engine.
#ifndef SHT_ENGINE_CUDA_PASSES_H
#define SHT_ENGINE_CUDA_PASSES_H

#include "engine/cuda/cuda.h"

// The jobs that the next launches work on, and count up: the engine's host_job.
sht_status cuda_jobs_put(cuda_engine *engine, sht_error *error);
// Captures the pass (training, evaluation) when that has not been done for the runs there are; host_job has jobs that
// could be run. Moves no state, but for the jobs on the card.
sht_status cuda_pass_prepare(cuda_engine *engine, cuda_pass pass, sht_error *error);
// One step of the pass, captured or not.
sht_status cuda_pass_launch(cuda_engine *engine, cuda_pass pass, sht_error *error);
// One step, never captured.
sht_status cuda_pass_run(cuda_engine *engine, cuda_pass pass, sht_error *error);
// Until all of that is done.
sht_status cuda_wait(cuda_engine *engine, const char *doing, sht_error *error);

#endif
