// env.json: see env.h.
#include "lab/env.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/commit.h"
#include "base/file.h"
#include "base/memory.h"
#include "lab/files.h"

enum { TEXT_SIZE = 4096, CPUINFO_SIZE = 1 << 16 };

// The value after "key : " of the first such line of /proc/cpuinfo's text.
static void find_value(const char *text, const char *key, char *out, size_t size) {
  const char *line = strstr(text, key);
  const char *value = line == NULL ? NULL : strchr(line, ':');
  out[0] = '\0';
  if (value != NULL) {
    value += 1 + (value[1] == ' ');
    (void)snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
  }
}

// The widest vector instructions that the processor has, of those that matter for speed and bits.
static const char *isa_of(const char *flags) {
  static const char *const names[] = {"amx_bf16", "avx512_bf16", "avx512f", "avx2", "avx", "sse4_2", "asimd"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *at = strstr(flags, names[i]);
    if (at != NULL && strcspn(at, " \n") == strlen(names[i])) {
      return names[i];
    }
  }
  return NULL;
}

// Files under /proc have no size to ask for: reads what fits.
static void read_proc(const char *path, char *out, size_t size) {
  FILE *file = fopen(path, "re");
  size_t got = file == NULL ? 0 : fread(out, 1, size - 1, file);
  out[got] = '\0';
  if (file != NULL) {
    (void)fclose(file);
  }
}

static sht_status add_processor(sht_json *json, sht_error *error) {
  char *text = NULL;
  char value[TEXT_SIZE];
  cpu_set_t cores;
  SHT_TRY(SHT_ALLOC(&text, CPUINFO_SIZE, "text of /proc/cpuinfo", error));
  read_proc("/proc/cpuinfo", text, CPUINFO_SIZE);
  find_value(text, "model name", value, sizeof value);
  sht_json_add_text(json, "processor", value[0] != '\0' ? value : NULL);
  find_value(text, "\nflags", value, sizeof value);
  sht_json_add_text(json, "instructions", isa_of(value));
  sht_free(text);
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) {
    sht_json_add_count(json, "cores", (uint64_t)CPU_COUNT(&cores));
  }
  return SHT_OK;
}

static void add_system(sht_json *json) {
  struct utsname system;
  char text[TEXT_SIZE];
  if (uname(&system) == 0) {
    (void)snprintf(text, sizeof text, "%s %s %s", system.sysname, system.release, system.machine);
    sht_json_add_text(json, "kernel", text);
  }
  FILE *file = fopen("/proc/self/cmdline", "re");
  size_t got = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
  if (file != NULL) {
    (void)fclose(file);
  }
  for (size_t i = 0; i + 1 < got; i++) {
    if (text[i] == '\0') {  // between arguments
      text[i] = ' ';
    }
  }
  text[got] = '\0';
  sht_json_add_text(json, "command", text);
}

static sht_status add_options(sht_json *json, const sht_config *config, sht_error *error) {
  sht_json options = {0};
  char *text = NULL;
  for (size_t i = 0; i < sht_option_count; i++) {
    char value[SHT_TEXT_MAX];
    if (!sht_options[i].identity) {
      sht_config_get(config, &sht_options[i], value, sizeof value);
      sht_json_add_text(&options, sht_options[i].name, value);
    }
  }
  SHT_TRY(sht_json_finish(&options, &text, error));
  sht_json_add_raw(json, "options", text);
  sht_free(text);
  return SHT_OK;
}

static sht_status add_all(sht_json *json, const sht_env *env, sht_error *error) {
  sht_json_add_text(json, "identity", env->identity);
  sht_json_add_text(json, "family", env->family);
  sht_json_add_number(json, "created", env->created);
  sht_json_add_text(json, "version", SHATTER_VERSION);
  sht_json_add_text(json, "commit", sht__commit());
  sht_json_add_text(json, "continued_from", env->continued_from);
  sht_json_add_text(json, "backend", env->engine->backend);
  sht_json_add_text(json, "numerics", env->engine->numerics);
  sht_json_add_count(json, "threads", (uint64_t)env->engine->threads);
  sht_json_add_count(json, "engine_bytes", env->engine->bytes);
  SHT_TRY(add_processor(json, error));
  add_system(json);
  return add_options(json, env->config, error);
}

sht_status sht__env_write(const char *folder, const sht_env *env, sht_error *error) {
  char path[SHT_LAB_PATH];
  sht_json json = {0};
  char *text = NULL;
  SHT_TRY(sht_path_join(path, sizeof path, folder, SHT_FILE_ENV, error));
  sht_status status = add_all(&json, env, error);
  sht_status finished = sht_json_finish(&json, &text, status == SHT_OK ? error : NULL);
  status = status != SHT_OK ? status : finished;
  if (status == SHT_OK) {
    status = sht_file_write(path, text, strlen(text), error);
  }
  sht_free(text);
  return status;
}

static void take_options(const json_t *options, sht_config *config) {
  for (size_t i = 0; i < sht_option_count; i++) {
    const char *value = json_string_value(json_object_get(options, sht_options[i].name));
    if (value != NULL && !sht_options[i].identity) {
      (void)sht_config_set(config, sht_options[i].name, value, SHT_FILE_ENV, NULL);
    }
  }
}

// The folder's env.json; NULL when there is none that can be read. json_decref.
static json_t *open_env(const char *folder) {
  char path[SHT_LAB_PATH];
  char *text = NULL;
  uint64_t size = 0;
  json_t *object = NULL;
  if (sht_path_join(path, sizeof path, folder, SHT_FILE_ENV, NULL) != SHT_OK ||
      sht_file_read(path, (uint64_t)16 * TEXT_SIZE, &text, &size, NULL) != SHT_OK) {
    return NULL;
  }
  (void)sht_json_read(text, size, path, &object, NULL);
  sht_free(text);
  return object;
}

void sht__env_take(const char *folder, sht_run *run) {
  json_t *object = open_env(folder);
  if (object != NULL) {
    (void)sht_json_get_text(object, "identity", run->id, sizeof run->id);
    (void)sht_json_get_text(object, "family", run->family, sizeof run->family);
    (void)sht_json_get_number(object, "created", &run->created);
    take_options(json_object_get(object, "options"), &run->config);
    json_decref(object);
  }
}

void sht__env_origin(const char *folder, double *created, char *continued_from) {
  json_t *object = open_env(folder);
  if (object != NULL) {
    (void)sht_json_get_number(object, "created", created);
    (void)sht_json_get_text(object, "continued_from", continued_from, SHT_TEXT_MAX);
    json_decref(object);
  }
}
