// How each run of a report was made: its command and its environment: see report.h.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lab/report.h"
#include "lab/report_environment.h"
#include "lab/svg_text.h"

static void write_members(FILE *out, json_t *object) {
  const char *key = NULL;
  json_t *value = NULL;
  (void)fputs("<dl class=\"environment\">\n", out);
  json_object_foreach(object, key, value) {
    char number[SHT__ENVIRONMENT_TEXT];
    const char *text = sht__environment_text(key, value, number);
    if (text != NULL) {
      (void)fputs("<dt>", out);
      sht__xml_text(out, key);
      (void)fputs("</dt><dd>", out);
      sht__xml_text(out, text);
      (void)fputs("</dd>\n", out);
    }
  }
  (void)fputs("</dl>\n", out);
}

static void write_environment(FILE *out, const sht_run *run) {
  json_t *object = NULL;
  sht_error error = {0};
  if (sht__environment_open(run, &object, &error) == SHT_OK) {
    write_members(out, object);
    json_decref(object);
  } else {
    (void)fputs("<p class=\"problem\">", out);
    sht__xml_text(out, error.message);
    (void)fputs("</p>\n", out);
  }
}

// The line breaks between options and not inside them; what is copied has no break at all.
static void write_shell(FILE *out, char *text) {
  (void)fputs("<pre><code>", out);
  for (char *option = strstr(text, " --"); option != NULL; option = strstr(text, " --")) {
    *option = '\0';
    sht__xml_text(out, text);
    text = option + 1;
    size_t length = strcspn(text, " ");
    (void)fputs(" <span>", out);
    char after = text[length];
    text[length] = '\0';
    sht__xml_text(out, text);
    text[length] = after;
    text += length;
    (void)fputs("</span>", out);
  }
  sht__xml_text(out, text);
  (void)fputs("</code></pre>\n", out);
}

void sht__command_html(FILE *out, const sht_config *config) {
  char *text = NULL;
  size_t length = 0;
  FILE *writer = open_memstream(&text, &length);
  if (writer == NULL) {
    return;
  }
  sht__command_write(writer, config);
  if (fclose(writer) == 0) {
    write_shell(out, text);
  }
  free(text);
}

static void write_run(FILE *out, const sht__report_run *run, const sht_run *r) {
  (void)fputs("<article>\n<h3>", out);
  sht__xml_text(out, sht_run_model(r));
  (void)fputs(" on ", out);
  sht__xml_text(out, r->config.data);
  (void)fputs(", ", out);
  sht__xml_text(out, run->label);
  if (run->seed_count > 1) {
    (void)fprintf(out, ": seed %" PRIu64, r->config.seed);
  }
  (void)fputs("</h3>\n", out);
  sht__command_html(out, &r->config);
  (void)fputs("<details><summary>Environment</summary>\n<p class=\"caption\">Folder: ", out);
  sht__xml_text(out, r->folder);
  if (r->result.weights_sha256[0] != '\0') {
    (void)fputs("<br/>SHA-256 of the final weights: <code>", out);
    sht__xml_text(out, r->result.weights_sha256);
    (void)fputs("</code>", out);
  }
  (void)fputs("</p>\n", out);
  write_environment(out, r);
  (void)fputs("</details>\n</article>\n", out);
}

// Of more runs the commands are folded away.
static const size_t runs_shown = 12;

void sht__settings_write(FILE *out, const sht__report *report) {
  (void)fputs(
      "<section id=\"commands\">\n<h2>How to repeat this</h2>\n"
      "<p>Each command gives the same bits on the same kind of processor, at any number of threads.</p>\n",
      out);
  bool many = report->seed_count > runs_shown;
  if (many) {
    (void)fprintf(out, "<details><summary>The commands of %zu runs</summary>\n", report->seed_count);
  }
  for (size_t g = 0; g < report->group_count; g++) {
    for (size_t i = 0; i < report->groups[g].run_count; i++) {
      const sht__report_run *run = &report->groups[g].runs[i];
      for (size_t s = 0; s < run->seed_count; s++) {
        write_run(out, run, run->seeds[s].run);
      }
    }
  }
  (void)fputs(many ? "</details>\n</section>\n" : "</section>\n", out);
}
