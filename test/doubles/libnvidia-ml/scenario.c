// Reads the scenario file that README.md describes: one statement a line, words apart by blanks, # starts a comment.

#include "scenario.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 16, MAX_LINE = 512 };

struct line {
  char *words[MAX_WORDS];
  int count;
};

static const char *const LOAD_NAMES[] = {"step", "square", "sine", "ramp", NULL};
static const char *const SENSOR_NAMES[] = {"draw", "instant", "average", NULL};
static const char *const FEATURE_NAMES[] = {"none",        "draw",   "instant",     "average", "counter",   "limits",
                                            "utilization", "memory", "temperature", "clocks",  "processes", "samples",
                                            "events",      "uuid",   "name",        "pci",     NULL};
static const char *const FAULT_NAMES[] = {"lost",  "sticky-lost", "reset-required", "code",        "hang",
                                          "stuck", "stuck-power", "counter-reset",  "unsupported", "not-loaded",
                                          "not-available", "stamp-step", NULL};

static int position(const char *const *names, const char *word) {
  for (int i = 0; names[i] != NULL; i++) {
    if (strcmp(names[i], word) == 0) return i;
  }
  return -1;
}

static double number(const struct line *line, int index, double otherwise) {
  return index < line->count ? strtod(line->words[index], NULL) : otherwise;
}

static void rest_of(const struct line *line, int from, char *text, size_t size) {
  text[0] = '\0';
  for (int i = from; i < line->count; i++) {
    if (i > from) strncat(text, " ", size - strlen(text) - 1);
    strncat(text, line->words[i], size - strlen(text) - 1);
  }
}

// kind FROM TO [ARGUMENT], words starting at `from`.
static bool read_fault(const struct line *line, int from, struct fault *faults, int *count) {
  int kind = from < line->count ? position(FAULT_NAMES, line->words[from]) : -1;
  if (kind < 0 || *count >= MAX_FAULTS) return false;
  struct fault fault = {.kind = (enum fault_kind)kind, .from = number(line, from + 1, 0), .to = number(line, from + 2, INFINITY)};
  if (fault.kind == FAULT_UNSUPPORTED) {
    int feature = from + 3 < line->count ? position(FEATURE_NAMES, line->words[from + 3]) : -1;
    if (feature < 0) return false;
    fault.argument = feature;
    fault.code = (int)number(line, from + 4, 3);
  } else {
    fault.argument = (int)number(line, from + 3, 0);
  }
  faults[(*count)++] = fault;
  return true;
}

static bool read_load(const struct line *line, int kind, struct gpu *gpu) {
  if (gpu->load_count >= MAX_LOADS || line->count < 6) return false;
  gpu->loads[gpu->load_count++] = (struct load){
      .kind = (enum load_kind)kind,
      .from = number(line, 3, 0),
      .to = number(line, 4, INFINITY),
      .watts = number(line, 5, 0),
      .period = number(line, 6, 1),
      .duty = number(line, 7, 0.5),
  };
  return true;
}

static bool read_sensor(const struct line *line, struct gpu *gpu) {
  int kind = line->count > 5 ? position(SENSOR_NAMES, line->words[3]) : -1;
  if (kind < 0) return false;
  gpu->has_sensor[kind] = true;
  gpu->sensors[kind] = (struct sensor){number(line, 4, 0.1), number(line, 5, 0.1), number(line, 6, 0)};
  return true;
}

static bool read_process(const struct line *line, struct gpu *gpu) {
  if (gpu->process_count >= MAX_PROCESSES || line->count < 8) return false;
  gpu->processes[gpu->process_count++] = (struct process){
      .pid = (unsigned)number(line, 3, 0),
      .from = number(line, 4, 0),
      .to = number(line, 5, INFINITY),
      .sm_percent = (unsigned)number(line, 6, 0),
      .bytes = (unsigned long long)number(line, 7, 0),
  };
  return true;
}

static bool read_samples(const struct line *line, struct gpu *gpu) {
  int of = line->count > 4 ? position(SENSOR_NAMES, line->words[3]) : -1;
  if (of < 0) return false;
  gpu->samples = (struct samples){
      .of = (enum sensor_kind)of,
      .span = number(line, 4, 2),
      .offset = number(line, 5, 0),
      .drift = number(line, 6, 0),
      .batch = number(line, 7, 0),
      .from = number(line, 8, -INFINITY),
  };
  return true;
}

static bool read_xid(const struct line *line, struct gpu *gpu) {
  if (gpu->xid_count >= MAX_XIDS || line->count < 5) return false;
  gpu->xids[gpu->xid_count++] = (struct xid){number(line, 3, 0), (uint64_t)number(line, 4, 0)};
  return true;
}

// gpu WHICH WORD VALUES…
static bool read_gpu(const struct line *line, struct gpu *gpu) {
  const char *word = line->words[2];
  int load = position(LOAD_NAMES, word);
  if (load >= 0) return read_load(line, load, gpu);
  if (strcmp(word, "sensor") == 0) return read_sensor(line, gpu);
  if (strcmp(word, "process") == 0) return read_process(line, gpu);
  if (strcmp(word, "fault") == 0) return read_fault(line, 3, gpu->faults, &gpu->fault_count);
  if (strcmp(word, "samples") == 0) return read_samples(line, gpu);
  if (strcmp(word, "xid") == 0) return read_xid(line, gpu);
  if (strcmp(word, "name") == 0) return rest_of(line, 3, gpu->name, sizeof gpu->name), true;
  if (strcmp(word, "uuid") == 0) return rest_of(line, 3, gpu->uuid, sizeof gpu->uuid), true;
  if (strcmp(word, "counter") == 0) {
    gpu->has_counter = true;
    gpu->counter = (struct counter){number(line, 3, 0.1), number(line, 4, 0), number(line, 5, 0)};
    return true;
  }
  if (strcmp(word, "module") == 0) {
    gpu->module = (int)number(line, 3, 0);
    gpu->module_extra = number(line, 4, 0);
    return true;
  }
  if (strcmp(word, "limit") == 0) {
    gpu->limit = number(line, 3, 400);
    gpu->default_limit = number(line, 4, gpu->limit);
    return true;
  }
  double value = number(line, 3, 0);
  if (strcmp(word, "architecture") == 0) return gpu->architecture = (unsigned)value, true;
  if (strcmp(word, "base") == 0) return gpu->base = value, true;
  if (strcmp(word, "gain") == 0) return gpu->gain = value, true;
  if (strcmp(word, "offset") == 0) return gpu->offset = value, true;
  if (strcmp(word, "latency") == 0) return gpu->latency = value, true;
  if (strcmp(word, "memory-ratio") == 0) return gpu->memory_ratio = value, true;
  if (strcmp(word, "mig") == 0) return gpu->mig_instances = (int)value, value < MAX_INSTANCES;
  if (strcmp(word, "persistence") == 0) return gpu->persistence = (int)value, true;
  return false;
}

static bool read_gpus(const struct line *line, struct scenario *scenario) {
  if (line->count < 3) return false;
  if (strcmp(line->words[1], "*") != 0) {
    int index = atoi(line->words[1]);
    return index >= 0 && index < MAX_GPUS && read_gpu(line, &scenario->gpus[index]);
  }
  for (int i = 0; i < MAX_GPUS; i++) {
    if (!read_gpu(line, &scenario->gpus[i])) return false;
  }
  return true;
}

static bool read_line(const struct line *line, struct scenario *scenario) {
  const char *word = line->words[0];
  if (strcmp(word, "gpu") == 0) return read_gpus(line, scenario);
  if (line->count < 2) return false;
  if (strcmp(word, "origin") == 0) return scenario->origin_nanoseconds = strtoll(line->words[1], NULL, 10), true;
  if (strcmp(word, "driver") == 0) return rest_of(line, 1, scenario->driver, sizeof scenario->driver), true;
  if (strcmp(word, "gpus") == 0) return scenario->gpu_count = atoi(line->words[1]), scenario->gpu_count <= MAX_GPUS;
  if (strcmp(word, "library") == 0) {
    return strcmp(line->words[1], "fault") == 0 && read_fault(line, 2, scenario->faults, &scenario->fault_count);
  }
  return false;
}

static void defaults(struct scenario *scenario) {
  memset(scenario, 0, sizeof *scenario);
  scenario->gpu_count = 1;
  strcpy(scenario->driver, "550.54.15");
  for (int i = 0; i < MAX_GPUS; i++) {
    struct gpu *gpu = &scenario->gpus[i];
    strcpy(gpu->name, "NVIDIA Simulated GPU");
    snprintf(gpu->uuid, sizeof gpu->uuid, "GPU-%08x-0000-4000-8000-000000000000", (unsigned)i);
    gpu->architecture = 7;
    gpu->gain = 1;
    gpu->limit = gpu->default_limit = 400;
    gpu->module = -1;
    gpu->persistence = 1;
  }
}

bool scenario_read(const char *path, struct scenario *scenario) {
  defaults(scenario);
  FILE *file = path == NULL ? NULL : fopen(path, "r");
  if (file == NULL) {
    fprintf(stderr, "libnvidia-ml stand-in: cannot open the scenario %s\n", path == NULL ? "(unset)" : path);
    return false;
  }
  char text[MAX_LINE];
  bool good = true;
  for (int row = 1; good && fgets(text, sizeof text, file) != NULL; row++) {
    char *comment = strchr(text, '#');
    if (comment != NULL) *comment = '\0';
    struct line line = {.count = 0};
    for (char *word = strtok(text, " \t\r\n"); word != NULL && line.count < MAX_WORDS; word = strtok(NULL, " \t\r\n")) {
      line.words[line.count++] = word;
    }
    if (line.count == 0) continue;
    good = read_line(&line, scenario);
    if (!good) fprintf(stderr, "libnvidia-ml stand-in: line %d of %s is not understood: %s…\n", row, path, line.words[0]);
  }
  fclose(file);
  return good;
}
