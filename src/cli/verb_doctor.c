// shatter doctor: whether everything that shatter needs is here and works, and what would slow it down.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/answer.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "shatter/data.h"
#include "shatter/engine.h"
#include "shatter/kernel.h"
#include "shatter/lab.h"

enum { TEXT_BYTES = 600, FINDINGS_MAX = 24, SIDE = 28, CHANNELS = 3, CLASSES = 10 };

typedef enum finding_grade { GOOD, NOTE, BAD } finding_grade;

typedef struct finding {
  finding_grade grade;
  const char *subject;
  char text[TEXT_BYTES];
} finding;

typedef struct findings {
  finding rows[FINDINGS_MAX];
  int count;
} findings;

static finding *add(findings *all, finding_grade grade, const char *subject) {
  finding *row = &all->rows[all->count < FINDINGS_MAX - 1 ? all->count++ : FINDINGS_MAX - 1];
  *row = (finding){.grade = grade, .subject = subject};
  return row;
}

static void take_message(finding *row, const sht_error *error) {
  (void)snprintf(row->text, sizeof row->text, "%.*s", TEXT_BYTES - 1, error->message);
}

static void read_processor(char *out, size_t size) {
  (void)snprintf(out, size, "unknown processor");
  FILE *file = fopen("/proc/cpuinfo", "re");
  char line[256];
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, "model name", 10) == 0 && strchr(line, ':') != NULL) {
      line[strcspn(line, "\n")] = '\0';
      (void)snprintf(out, size, "%s", strchr(line, ':') + 2);
      break;
    }
  }
  if (file != NULL) {
    (void)fclose(file);
  }
}

// The instruction sets that the cpu engine has kernels for, fastest last.
static void check_instructions(findings *all) {
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool bf16 = __builtin_cpu_supports("avx512bf16");
  finding *row = add(all, avx2 ? GOOD : NOTE, "processor");
  (void)snprintf(row->text, sizeof row->text, "%s%s%s",
                 avx2 ? "avx2" : "neither avx2 nor fma: the cpu engine computes with portable code",
                 __builtin_cpu_supports("avx512f") ? ", avx512" : "",
                 bf16 ? ", avx512_bf16" : "; no avx512_bf16: --precision bf16 works, in emulation");
}

static void check_machine(findings *all) {
  char processor[256], memory[32];
  read_processor(processor, sizeof processor);
  uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
  struct utsname kernel;
  (void)uname(&kernel);
  finding *row = add(all, GOOD, "machine");
  (void)snprintf(row->text, sizeof row->text, "%.200s, %ld cores, %s of memory, %s %.64s", processor,
                 sysconf(_SC_NPROCESSORS_ONLN), sht_text_bytes(bytes, memory, sizeof memory), kernel.sysname,
                 kernel.release);
}

// Opens a small network on the backend: the plugin loads, its kernels are made.
static void check_backend(findings *all, const char *backend, bool needed) {
  sht_graph_options shape = {.input = {CHANNELS, SIDE, SIDE}, .classes = CLASSES};
  sht_engine_options options = {.backend = backend, .precision = SHT_FP32, .batch = 8, .train_examples = 8};
  sht_error error = {0};
  sht_graph *graph = NULL;
  sht_engine *engine = NULL;
  sht_status status = sht_graph_open("mlp-1x128", &shape, &graph, &error);
  if (status == SHT_OK) {
    status = sht_engine_open(graph, &options, &engine, &error);
  }
  finding *row = add(all, status == SHT_OK ? GOOD : needed ? BAD : NOTE, backend);
  if (status == SHT_OK) {
    sht_engine_info info = {0};
    sht_engine_describe(engine, &info);
    (void)snprintf(row->text, sizeof row->text, "%s, %d threads", info.numerics, info.threads);
  } else {
    take_message(row, &error);
  }
  sht_engine_close(engine);
  sht_graph_close(graph);
}

// Whether kernel machines can be solved on a card.
static void check_card(findings *all) {
  sht_kernel_card card;
  sht_error error = {0};
  const sht_status status = sht_kernel_find_card(&card, &error);
  finding *row = add(all, status == SHT_OK ? GOOD : NOTE, "cuda-kernel");
  if (status != SHT_OK) {
    take_message(row, &error);
    return;
  }
  char free_bytes[32], bytes[32];
  (void)snprintf(row->text, sizeof row->text, "%s, %s of %s free: shatter kernel --device cuda", card.name,
                 sht_text_bytes(card.free_bytes, free_bytes, sizeof free_bytes),
                 sht_text_bytes(card.bytes, bytes, sizeof bytes));
}

// Said only where it is there: few need it.
static void check_cluster(findings *all) {
  if (sht_cluster_available(NULL)) {
    finding *row = add(all, GOOD, "cluster");
    (void)snprintf(row->text, sizeof row->text, "mpirun -n N shatter kernel ... solves one system with N processes");
  }
}

static void check_data(findings *all, const sht_cli *cli, const char *name) {
  sht_dataset_options options = {.data_dir = cli->config.data_dir[0] != '\0' ? cli->config.data_dir : NULL};
  sht_dataset *data = NULL;
  sht_error error = {0};
  sht_status status = sht_dataset_open(name, &options, &data, &error);
  finding *row = add(all, status == SHT_OK ? GOOD : NOTE, name);
  if (status == SHT_OK) {
    (void)snprintf(row->text, sizeof row->text, "%" PRIu64 " training and %" PRIu64 " test images", data->train.count,
                   data->test.count);
  } else {
    take_message(row, &error);
  }
  sht_dataset_close(data);
}

static void check_store(findings *all, const sht_cli *cli) {
  sht_store *store = NULL;
  sht_run *runs = NULL;
  uint64_t count = 0;
  sht_error error = {0};
  sht_status status = sht_store_open(cli->config.store, &store, &error);
  if (status == SHT_OK) {
    status = sht_store_list(store, &runs, &count, &error);
  }
  finding *row = add(all, status == SHT_OK ? GOOD : BAD, "store");
  if (status != SHT_OK) {
    take_message(row, &error);
  } else {
    struct statvfs disk;
    char room[32];
    uint64_t bytes = statvfs(sht_store_path(store), &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : 0;
    (void)snprintf(row->text, sizeof row->text, "%.400s: %" PRIu64 " runs, %s free", sht_store_path(store), count,
                   sht_text_bytes(bytes, room, sizeof room));
  }
  free(runs);
  sht_store_close(store);
}

// Settings of libraries that change their speed or their bits.
static void check_environment(findings *all) {
  static const char *const variables[] = {"DNNL_MAX_CPU_ISA",  "ONEDNN_MAX_CPU_ISA", "OMP_NUM_THREADS", "OMP_PROC_BIND",
                                          "GOMP_CPU_AFFINITY", "DNNL_VERBOSE",       "ONEDNN_VERBOSE"};
  for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
    const char *value = getenv(variables[i]);
    if (value != NULL) {
      finding *row = add(all, NOTE, "environment");
      (void)snprintf(row->text, sizeof row->text, "%s=%.200s may slow the cpu engine or change its bits; unset it",
                     variables[i], value);
    }
  }
}

static sht_status print_json(sht_cli *cli, const findings *all, bool healthy, sht_error *error) {
  static const char *const names[] = {"good", "note", "bad"};
  sht_json_list list;
  SHT_TRY(sht__list_open(&list, error));
  sht_status status = SHT_OK;
  for (int i = 0; i < all->count && status == SHT_OK; i++) {
    sht_json item = {0};
    sht_json_add_text(&item, "subject", all->rows[i].subject);
    sht_json_add_text(&item, "verdict", names[all->rows[i].grade]);
    sht_json_add_text(&item, "text", all->rows[i].text);
    status = sht__list_add(&list, &item, error);
  }
  sht_json json = {0};
  sht_json_add_text(&json, "version", SHATTER_VERSION);
  sht_json_add_bool(&json, "healthy", healthy);
  sht_status closed = sht__list_close(&list, &json, "findings", error);
  SHT_TRY(status);
  SHT_TRY(closed);
  return sht__answer_print(cli, &json, error);
}

static void print_text(const findings *all) {
  static const char *const words[] = {"good", "note", "BAD "};
  static const int inks[] = {SHT_INK_GOOD, SHT_INK_WARN, SHT_INK_BAD};
  sht_terminal terminal = sht__terminal_of(stdout);
  (void)printf("shatter %s\n", SHATTER_VERSION);
  for (int i = 0; i < all->count; i++) {
    const finding *row = &all->rows[i];
    (void)printf("%s%s%s  %-12s", sht__ink(&terminal, inks[row->grade]), words[row->grade], sht__ink_end(&terminal),
                 row->subject);
    sht__print_wrapped(stdout, row->text, 18, 18, terminal.columns < 110 ? terminal.columns : 110);
  }
}

static sht_status run(sht_cli *cli, sht_error *error) {
  findings all = {.count = 0};
  check_machine(&all);
  check_instructions(&all);
  check_backend(&all, "cpu", true);
  check_backend(&all, "ref", true);
  check_backend(&all, "cuda", false);
  check_card(&all);
  check_cluster(&all);
  check_data(&all, cli, "cifar10");
  check_data(&all, cli, "mnist");
  check_store(&all, cli);
  check_environment(&all);
  bool healthy = true;
  for (int i = 0; i < all.count; i++) {
    healthy = healthy && all.rows[i].grade != BAD;
  }
  if (cli->json) {
    SHT_TRY(print_json(cli, &all, healthy, error));
  } else {
    print_text(&all);
  }
  return healthy ? SHT_OK : SHT_FAIL(error, SHT_NO, "something that shatter needs does not work; see above");
}

static const char *const examples[] = {"shatter doctor", "is everything here, and does it work?", NULL};

const sht_verb sht__verb_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "checks the machine, the engines, the data sets and the store",
    .description = "",
    .examples = examples,
    .config_options = "store data-dir",
    .run = run,
};
