// All loops for one instruction set: the including file sets V (floats in a vector), KERNELS (the table),
// KERNELS_NAME, KERNELS_WIDEN and KERNELS_NARROW (bf16 to fp32 and back) and KERNELS_WINOGRAD (whether Winograd's
// convolutions beat direct ones). Compiled with that instruction set's flags (CMakeLists.txt), contraction allowed.
#include "engine/cpu/kernels_copy.h"
#include "engine/cpu/kernels_lrn.h"
#include "engine/cpu/kernels_norm.h"
#include "engine/cpu/kernels_update.h"
#include "engine/cpu/kernels_window.h"
#include "engine/cpu/kernels_winograd.h"

const cpu_kernels KERNELS = {
    .name = KERNELS_NAME,
    .block = V,
    .gather = gather,
    .multiply = multiply,
    .norm_statistics = norm_statistics,
    .norm_apply = norm_apply,
    .norm_reduce = norm_reduce,
    .norm_backward = norm_backward,
    .max_forward = max_forward,
    .max_backward = max_backward,
    .mean_forward = mean_forward,
    .mean_backward = mean_backward,
    .lrn_forward = lrn_forward,
    .lrn_backward = lrn_backward,
    .winograd = KERNELS_WINOGRAD,
    .winograd_input = winograd_input,
    .winograd_gradient = winograd_gradient,
    .winograd_output = winograd_output,
    .winograd_filters = winograd_filters,
    .winograd_turned_filters = winograd_turned_filters,
    .winograd_multiply = winograd_multiply,
    .winograd_correlate = winograd_correlate,
    .channel_sums = channel_sums,
    .block_rows = block_rows,
    .unblock_rows = unblock_rows,
    .tree_sum = tree_sum,
    .update = update,
};
