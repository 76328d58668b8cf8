// Running the plan of an engine.
#ifndef SHT_ENGINE_CUDA_PASSES_H
#define SHT_ENGINE_CUDA_PASSES_H

#include "engine/cuda/cuda.h"

// The job that the next launches work on, and count up.
sht_status cuda_job_put(cuda_engine *engine, const cuda_job *job, sht_error *error);
// Captures the pass (training, evaluation) when that has not been done; `job` is one that it could run. Moves no state,
// but for the job on the card.
sht_status cuda_pass_prepare(cuda_engine *engine, cuda_pass pass, const cuda_job *job, sht_error *error);
// One step of the pass, captured or not.
sht_status cuda_pass_launch(cuda_engine *engine, cuda_pass pass, sht_error *error);
// One step, never captured.
sht_status cuda_pass_run(cuda_engine *engine, cuda_pass pass, sht_error *error);
// Until all of that is done.
sht_status cuda_wait(cuda_engine *engine, const char *doing, sht_error *error);

#endif
