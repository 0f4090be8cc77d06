// A stand-in for libnvidia-ml.so.1 (ABI of docs/measurement.md §5): plays the scenario named by WATTMETER_GPU_SCENARIO.
// Like the real one it has every function under its newer and older names; a link script hides what a build is to lack.

#define _GNU_SOURCE
#include "scenario.h"

#include <dlfcn.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  SUCCESS = 0,
  UNINITIALIZED = 1,
  INVALID_ARGUMENT = 2,
  NOT_SUPPORTED = 3,
  NOT_FOUND = 6,
  INSUFFICIENT_SIZE = 7,
  DRIVER_NOT_LOADED = 9,
  TIMEOUT = 10,
  GPU_IS_LOST = 15,
  RESET_REQUIRED = 16,
  NO_DATA = 21,
  ARGUMENT_VERSION_MISMATCH = 25,
  UNKNOWN = 999,
};

enum { FIELD_ENERGY = 83, FIELD_AVERAGE = 185, FIELD_INSTANT = 186, FIELD_MIN = 187, FIELD_MAX, FIELD_DEFAULT, FIELD_CURRENT };
enum { SCOPE_GPU, SCOPE_MODULE, SCOPE_MEMORY };
enum { TYPE_U32 = 1, TYPE_U64 = 3 };
enum { EVENT_XID = 8 };
// NVML_VALUE_NOT_AVAILABLE: what some calls answer with success.
enum { NOT_AVAILABLE = 0xffffffff };

// `instance` is -1 for a whole GPU.
struct handle {
  int index, instance;
};

struct field_value {
  uint32_t id, scope;
  int64_t timestamp, latency;
  int32_t type, result;
  union {
    uint32_t u32;
    uint64_t u64;
  } value;
};

struct sample {
  uint64_t timestamp;
  union {
    uint32_t u32;
    uint64_t u64;
  } value;
};

struct pci_info {
  char legacy_id[16];
  uint32_t domain, bus, device, device_id, subsystem_id;
  char bus_id[32];
};

struct process_info {
  uint32_t pid;
  uint64_t bytes;
  uint32_t gpu_instance, compute_instance;
#ifdef LONG_PROCESS_INFO
  uint64_t protected_bytes;
#endif
};

struct process_utilization {
  uint32_t pid;
  uint64_t timestamp;
  uint32_t sm, memory, encoder, decoder;
};

struct utilization {
  uint32_t gpu, memory;
};

struct memory {
  uint64_t total, free, used;
};

struct memory_v2 {
  uint32_t version;
  uint64_t total, reserved, free, used;
};

struct process_info_v1 {
  uint32_t pid;
  uint64_t bytes;
};

struct event_data {
  struct handle *device;
  uint64_t type, data;
  uint32_t gpu_instance, compute_instance;
};

static struct scenario scenario;
static struct handle handles[MAX_GPUS], mig_handles[MAX_GPUS][MAX_INSTANCES];
static bool initialized, has_events[MAX_GPUS];
static int delivered_events[MAX_GPUS];
static double initialized_at;
static uint64_t calls;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  int64_t nanoseconds = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
  if (scenario.origin_nanoseconds == 0) scenario.origin_nanoseconds = nanoseconds;
  return (double)(nanoseconds - scenario.origin_nanoseconds) / 1e9;
}

static int64_t wall_microseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void sleep_seconds(double duration) {
  struct timespec time = {(time_t)duration, (long)((duration - floor(duration)) * 1e9)};
  nanosleep(&time, NULL);
}

// The wall clock at the scenario's origin: a driver stamps its samples by it.
static double wall_origin_seconds(void) {
  static double origin;
  if (origin == 0) origin = (double)wall_microseconds() / 1e6 - now();
  return origin;
}

static void hang(const struct fault *faults, int count) {
  while (fault_at(faults, count, FAULT_HANG, now()) != NULL) sleep_seconds(0.005);
}

static int library_fault(void) {
  hang(scenario.faults, scenario.fault_count);
  const struct fault *code = fault_at(scenario.faults, scenario.fault_count, FAULT_CODE, now());
  if (code != NULL) return code->argument;
  if (fault_at(scenario.faults, scenario.fault_count, FAULT_NOT_LOADED, now()) != NULL) return DRIVER_NOT_LOADED;
  return SUCCESS;
}

// A driver that went away since nvmlInit_v2 stays away for this session, even once it is loaded again.
static bool session_outlived(void) {
  for (int i = 0; i < scenario.fault_count; i++) {
    const struct fault *fault = &scenario.faults[i];
    if (fault->kind == FAULT_NOT_LOADED && initialized_at < fault->to && now() >= fault->from) return true;
  }
  return false;
}

static int gpu_fault(const struct gpu *gpu) {
  hang(gpu->faults, gpu->fault_count);
  double time = now();
  for (int i = 0; i < gpu->fault_count; i++) {
    const struct fault *fault = &gpu->faults[i];
    if (fault->kind == FAULT_STICKY_LOST && time >= fault->from && initialized_at < fault->to) return GPU_IS_LOST;
    if (time < fault->from || time >= fault->to) continue;
    if (fault->kind == FAULT_LOST) return GPU_IS_LOST;
    if (fault->kind == FAULT_RESET_REQUIRED) return RESET_REQUIRED;
    if (fault->kind == FAULT_CODE) return fault->argument;
  }
  return SUCCESS;
}

// Every call on a device begins here: it takes its time, meets its fault, or yields the GPU.
static int enter(const struct handle *handle, enum feature feature, const struct gpu **gpu) {
  calls++;
  if (!initialized) return UNINITIALIZED;
  if (handle == NULL) return INVALID_ARGUMENT;
  *gpu = &scenario.gpus[handle->index];
  if ((*gpu)->latency > 0) sleep_seconds((*gpu)->latency);
  int result = library_fault();
  if (result == SUCCESS && session_outlived()) result = DRIVER_NOT_LOADED;
  if (result == SUCCESS) result = gpu_fault(*gpu);
  if (result != SUCCESS || feature == FEATURE_NONE) return result;
  for (int i = 0; i < (*gpu)->fault_count; i++) {
    const struct fault *fault = &(*gpu)->faults[i];
    bool here = fault->kind == FAULT_UNSUPPORTED && fault->argument == (int)feature;
    if (here && now() >= fault->from && now() < fault->to) return fault->code;
  }
  return SUCCESS;
}

static int copy_text(char *target, unsigned size, const char *text) {
  if (strlen(text) + 1 > size) return INSUFFICIENT_SIZE;
  strcpy(target, text);
  return SUCCESS;
}

static uint32_t milliwatts(double watts) {
  return watts <= 0 ? 0 : (uint32_t)llround(watts * 1e3);
}

static uint64_t millijoules(double joules) {
  return joules <= 0 ? 0 : (uint64_t)floor(joules * 1e3);
}

static uint32_t register_milliwatts(const struct gpu *gpu, enum sensor_kind kind) {
  if (fault_at(gpu->faults, gpu->fault_count, FAULT_NOT_AVAILABLE, now()) != NULL) return NOT_AVAILABLE;
  return milliwatts(model_sensor(gpu, kind, now()));
}

// For the twin's test and the benches, not part of NVML.
int standin_load(const char *path) { return scenario_read(path, &scenario) ? 0 : 1; }
double standin_power(int index, double time) { return model_power(&scenario.gpus[index], time); }
double standin_energy(int index, double time) { return model_energy(&scenario.gpus[index], time); }
double standin_sensor(int index, int kind, double time) {
  return model_sensor(&scenario.gpus[index], (enum sensor_kind)kind, time);
}
double standin_counter(int index, double time) { return model_counter(&scenario, &scenario.gpus[index], time); }
uint64_t standin_calls(void) { return calls; }

// The file that the environment names, or else the one that lies beside this library: several in one process differ.
static const char *scenario_path(void) {
  static char path[4096];
  const char *named = getenv("WATTMETER_GPU_SCENARIO");
  Dl_info self;
  if (named != NULL || dladdr(&scenario, &self) == 0) return named;
  const char *end = strrchr(self.dli_fname, '/');
  snprintf(path, sizeof path, "%.*s/scenario.txt", end == NULL ? 1 : (int)(end - self.dli_fname), end == NULL ? "." : self.dli_fname);
  return path;
}

int nvmlInit_v2(void) {
  if (!initialized && !scenario_read(scenario_path(), &scenario)) return UNKNOWN;
  int result = library_fault();
  if (result != SUCCESS) return result;
  for (int i = 0; i < MAX_GPUS; i++) {
    handles[i] = (struct handle){i, -1};
    for (int j = 0; j < MAX_INSTANCES; j++) mig_handles[i][j] = (struct handle){i, j};
    has_events[i] = false;
  }
  initialized = true;
  initialized_at = now();
  return SUCCESS;
}

int nvmlShutdown(void) {
  if (!initialized) return UNINITIALIZED;
  initialized = false;
  return SUCCESS;
}

const char *nvmlErrorString(int result) {
  switch (result) {
    case SUCCESS: return "Success";
    case NOT_SUPPORTED: return "Not Supported";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case GPU_IS_LOST: return "GPU is lost";
    case RESET_REQUIRED: return "GPU requires reset";
    default: return "Unknown Error";
  }
}

int nvmlSystemGetDriverVersion(char *version, unsigned size) {
  return initialized ? copy_text(version, size, scenario.driver) : UNINITIALIZED;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
  if (!initialized) return UNINITIALIZED;
  *count = (unsigned)scenario.gpu_count;
  return library_fault();
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct handle **handle) {
  if (!initialized) return UNINITIALIZED;
  if (index >= (unsigned)scenario.gpu_count) return INVALID_ARGUMENT;
  const struct gpu *gpu;
  int result = enter(&handles[index], FEATURE_NONE, &gpu);
  if (result == SUCCESS) *handle = &handles[index];
  return result;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, struct handle **handle) {
  for (int i = 0; i < scenario.gpu_count; i++) {
    if (strcmp(scenario.gpus[i].uuid, uuid) == 0) return nvmlDeviceGetHandleByIndex_v2((unsigned)i, handle);
  }
  return NOT_FOUND;
}

int nvmlDeviceGetUUID(struct handle *handle, char *uuid, unsigned size) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_UUID, &gpu);
  if (result != SUCCESS) return result;
  if (handle->instance < 0) return copy_text(uuid, size, gpu->uuid);
  char text[64];
  snprintf(text, sizeof text, "MIG-%08x-%04x-5000-8000-000000000000", (unsigned)handle->index, (unsigned)handle->instance);
  return copy_text(uuid, size, text);
}

int nvmlDeviceGetName(struct handle *handle, char *name, unsigned size) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NAME, &gpu);
  return result == SUCCESS ? copy_text(name, size, gpu->name) : result;
}

int nvmlDeviceGetPciInfo_v3(struct handle *handle, struct pci_info *info) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_PCI, &gpu);
  if (result != SUCCESS) return result;
  memset(info, 0, sizeof *info);
  info->bus = (uint32_t)handle->index + 1;
  snprintf(info->bus_id, sizeof info->bus_id, "00000000:%02X:00.0", info->bus);
  snprintf(info->legacy_id, sizeof info->legacy_id, "0000:%02X:00.0", info->bus);
  return SUCCESS;
}

// The older struct ends where the long address begins.
int nvmlDeviceGetPciInfo_v2(struct handle *handle, void *info) {
  struct pci_info whole;
  int result = nvmlDeviceGetPciInfo_v3(handle, &whole);
  if (result == SUCCESS) memcpy(info, &whole, offsetof(struct pci_info, bus_id));
  return result;
}

int nvmlDeviceGetPciInfo(struct handle *handle, void *info) { return nvmlDeviceGetPciInfo_v2(handle, info); }

int nvmlDeviceGetArchitecture(struct handle *handle, uint32_t *architecture) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NONE, &gpu);
  if (result == SUCCESS) *architecture = gpu->architecture;
  return result;
}

int nvmlDeviceGetPersistenceMode(struct handle *handle, uint32_t *mode) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NONE, &gpu);
  if (result == SUCCESS) *mode = gpu->persistence;
  return result;
}

int nvmlDeviceGetPowerUsage(struct handle *handle, uint32_t *power) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_DRAW, &gpu);
  if (result != SUCCESS) return result;
  if (!gpu->has_sensor[SENSOR_DRAW]) return NOT_SUPPORTED;
  *power = register_milliwatts(gpu, SENSOR_DRAW);
  return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(struct handle *handle, uint64_t *energy) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_COUNTER, &gpu);
  if (result != SUCCESS) return result;
  if (!gpu->has_counter) return NOT_SUPPORTED;
  *energy = millijoules(model_counter(&scenario, gpu, now()));
  return SUCCESS;
}

static double module_power(const struct gpu *of, enum sensor_kind kind) {
  double sum = of->module_extra;
  for (int i = 0; i < scenario.gpu_count; i++) {
    if (scenario.gpus[i].module == of->module) sum += model_sensor(&scenario.gpus[i], kind, now());
  }
  return sum;
}

static int power_field(const struct gpu *gpu, enum sensor_kind kind, uint32_t scope, struct field_value *entry) {
  if (!gpu->has_sensor[kind]) return NOT_SUPPORTED;
  entry->type = TYPE_U32;
  if (scope == SCOPE_GPU) return entry->value.u32 = register_milliwatts(gpu, kind), SUCCESS;
  if (scope == SCOPE_MODULE && gpu->module >= 0) return entry->value.u32 = milliwatts(module_power(gpu, kind)), SUCCESS;
  if (scope == SCOPE_MEMORY && gpu->memory_ratio > 0) {
    return entry->value.u32 = milliwatts(gpu->memory_ratio * model_sensor(gpu, kind, now())), SUCCESS;
  }
  return scope > SCOPE_MEMORY ? INVALID_ARGUMENT : NOT_SUPPORTED;
}

static int limit_field(double watts, uint32_t scope, struct field_value *entry) {
  entry->type = TYPE_U32;
  entry->value.u32 = milliwatts(watts);
  return scope == SCOPE_GPU ? SUCCESS : NOT_SUPPORTED;
}

// What a field's entry answers that its GPU does not have; SUCCESS when it has it.
static int unsupported(const struct gpu *gpu, enum feature feature) {
  for (int i = 0; i < gpu->fault_count; i++) {
    const struct fault *fault = &gpu->faults[i];
    if (fault->kind != FAULT_UNSUPPORTED || fault->argument != (int)feature) continue;
    if (now() >= fault->from && now() < fault->to) return fault->code;
  }
  return SUCCESS;
}

// The feature that a field belongs to; FEATURE_NONE for a field that nobody knows.
static enum feature feature_of(uint32_t id) {
  switch (id) {
    case FIELD_INSTANT: return FEATURE_INSTANT;
    case FIELD_AVERAGE: return FEATURE_AVERAGE;
    case FIELD_ENERGY: return FEATURE_COUNTER;
    case FIELD_DEFAULT:
    case FIELD_CURRENT: return FEATURE_LIMITS;
    default: return FEATURE_NONE;
  }
}

static int field(const struct gpu *gpu, struct field_value *entry) {
  int result = unsupported(gpu, feature_of(entry->id));
  if (result != SUCCESS) return result;
  switch (entry->id) {
    case FIELD_INSTANT: return power_field(gpu, SENSOR_INSTANT, entry->scope, entry);
    case FIELD_AVERAGE: return power_field(gpu, SENSOR_AVERAGE, entry->scope, entry);
    case FIELD_ENERGY:
      if (!gpu->has_counter) return NOT_SUPPORTED;
      entry->type = TYPE_U64;
      entry->value.u64 = millijoules(model_counter(&scenario, gpu, now()));
      return SUCCESS;
    case FIELD_DEFAULT: return limit_field(gpu->default_limit, entry->scope, entry);
    case FIELD_CURRENT: return limit_field(gpu->limit, entry->scope, entry);
    default: return NOT_SUPPORTED;
  }
}

int nvmlDeviceGetFieldValues(struct handle *handle, int count, struct field_value *entries) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NONE, &gpu);
  if (result != SUCCESS) return result;
  for (int i = 0; i < count; i++) {
    entries[i].timestamp = wall_microseconds();
    entries[i].result = field(gpu, &entries[i]);
  }
  return SUCCESS;
}

// The number of the newest refresh that the ring shows, and how many it holds.
static double newest_sample(const struct gpu *gpu, double *count) {
  const struct sensor *sensor = &gpu->sensors[gpu->samples.of];
  double time = now(), batch = gpu->samples.batch;
  if (batch > 0) time = floor(time / batch) * batch;
  double newest = floor((time - sensor->phase) / sensor->period);
  double held = floor(gpu->samples.span / sensor->period);
  double since = newest - ceil((gpu->samples.from - sensor->phase) / sensor->period) + 1;
  *count = fmax(0, fmin(held, since));
  return newest;
}

static uint64_t sample_stamp(const struct gpu *gpu, double refresh) {
  const struct samples *ring = &gpu->samples;
  double stamp = wall_origin_seconds() + ring->offset + refresh * (1 + ring->drift);
  const struct fault *step = fault_at(gpu->faults, gpu->fault_count, FAULT_STAMP_STEP, refresh);
  if (step != NULL) stamp += step->argument;
  return (uint64_t)llround(stamp * 1e6);
}

// A sensor's refreshes of the last `span` seconds; NULL asks how many there are.
int nvmlDeviceGetSamples(struct handle *handle, int type, uint64_t last_seen, int *value_type, unsigned *count,
                         struct sample *samples) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_SAMPLES, &gpu);
  if (result != SUCCESS) return result;
  if (type != 0 || gpu->samples.span <= 0 || !gpu->has_sensor[gpu->samples.of]) return NOT_SUPPORTED;
  const struct sensor *sensor = &gpu->sensors[gpu->samples.of];
  double held, newest = newest_sample(gpu, &held);
  if (samples == NULL) return *count = (unsigned)held, SUCCESS;
  *value_type = TYPE_U32;
  unsigned written = 0;
  for (double number = newest - held + 1; number <= newest && written < *count; number++) {
    double refresh = sensor->phase + number * sensor->period;
    uint64_t stamp = sample_stamp(gpu, refresh);
    if (stamp <= last_seen) continue;
    double watts = model_sensor(gpu, gpu->samples.of, refresh + sensor->period / 1e3);
    samples[written++] = (struct sample){.timestamp = stamp, .value.u32 = milliwatts(watts)};
  }
  *count = written;
  return written == 0 ? NOT_FOUND : SUCCESS;
}

int nvmlDeviceGetEnforcedPowerLimit(struct handle *handle, uint32_t *limit) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_LIMITS, &gpu);
  if (result == SUCCESS) *limit = milliwatts(gpu->limit);
  return result;
}

int nvmlDeviceGetPowerManagementDefaultLimit(struct handle *handle, uint32_t *limit) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_LIMITS, &gpu);
  if (result == SUCCESS) *limit = milliwatts(gpu->default_limit);
  return result;
}

int nvmlDeviceGetUtilizationRates(struct handle *handle, struct utilization *rates) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_UTILIZATION, &gpu);
  if (result != SUCCESS) return result;
  if (gpu->mig_instances > 0) return NOT_SUPPORTED;
  double ratio = (model_power(gpu, now()) - gpu->base) / (gpu->limit - gpu->base);
  rates->gpu = ratio <= 0 ? 0 : ratio >= 1 ? 100 : (uint32_t)(ratio * 100);
  rates->memory = rates->gpu / 2;
  return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(struct handle *handle, struct memory *memory) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_MEMORY, &gpu);
  if (result != SUCCESS) return result;
  memory->total = 80ull << 30;
  memory->used = 1ull << 30;
  for (int i = 0; i < gpu->process_count; i++) {
    if (now() >= gpu->processes[i].from && now() < gpu->processes[i].to) memory->used += gpu->processes[i].bytes;
  }
  memory->free = memory->total - memory->used;
  return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(struct handle *handle, struct memory_v2 *memory) {
  if (memory->version != (sizeof *memory | 2u << 24)) return ARGUMENT_VERSION_MISMATCH;
  struct memory plain;
  int result = nvmlDeviceGetMemoryInfo(handle, &plain);
  if (result != SUCCESS) return result;
  *memory = (struct memory_v2){memory->version, plain.total, 1ull << 29, plain.free, plain.used};
  return SUCCESS;
}

int nvmlDeviceGetTemperature(struct handle *handle, int sensor, uint32_t *celsius) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_TEMPERATURE, &gpu);
  if (result == SUCCESS) *celsius = 40 + (uint32_t)sensor;
  return result;
}

struct temperature {
  uint32_t version, sensor;
  int32_t celsius;
};

int nvmlDeviceGetTemperatureV(struct handle *handle, struct temperature *temperature) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_TEMPERATURE, &gpu);
  if (result != SUCCESS) return result;
  if (temperature->version != 0x0100000c) return INVALID_ARGUMENT;
  temperature->celsius = 41;
  return SUCCESS;
}

int nvmlDeviceGetClockInfo(struct handle *handle, int type, uint32_t *megahertz) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_CLOCKS, &gpu);
  if (result == SUCCESS) *megahertz = type == 1 ? 1410 : 1593;
  return result;
}

int nvmlDeviceGetMigMode(struct handle *handle, uint32_t *current, uint32_t *pending) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NONE, &gpu);
  if (result == SUCCESS) *current = *pending = gpu->mig_instances > 0;
  return result;
}

int nvmlDeviceGetMaxMigDeviceCount(struct handle *handle, unsigned *count) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NONE, &gpu);
  if (result == SUCCESS) *count = gpu->mig_instances > 0 ? MAX_INSTANCES : 0;
  return result;
}

// A MIG instance answers with its parent's power: whoever lists instances counts the GPU several times. The first
// place is empty, as after an instance was destroyed.
int nvmlDeviceGetMigDeviceHandleByIndex(struct handle *handle, unsigned index, struct handle **instance) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NONE, &gpu);
  if (result != SUCCESS) return result;
  if (index >= MAX_INSTANCES || handle->instance >= 0) return INVALID_ARGUMENT;
  if (index == 0 || (int)index > gpu->mig_instances) return NOT_FOUND;
  *instance = &mig_handles[handle->index][index - 1];
  return SUCCESS;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(struct handle *instance, struct handle **handle) {
  if (instance->instance < 0) return INVALID_ARGUMENT;
  *handle = &handles[instance->index];
  return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(struct handle *handle, unsigned *count, struct process_info *infos) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_PROCESSES, &gpu);
  if (result != SUCCESS) return result;
  unsigned found = 0;
  for (int i = 0; i < gpu->process_count; i++) {
    const struct process *process = &gpu->processes[i];
    if (now() < process->from || now() >= process->to) continue;
    if (found < *count) {
      infos[found] = (struct process_info){.pid = process->pid, .bytes = process->bytes, UINT32_MAX, UINT32_MAX};
    }
    found++;
  }
  bool fits = found <= *count;
  *count = found;
  return fits ? SUCCESS : INSUFFICIENT_SIZE;
}

int nvmlDeviceGetComputeRunningProcesses_v2(struct handle *handle, unsigned *count, struct process_info *infos) {
  return nvmlDeviceGetComputeRunningProcesses_v3(handle, count, infos);
}

int nvmlDeviceGetComputeRunningProcesses(struct handle *handle, unsigned *count, struct process_info_v1 *infos) {
  struct process_info newer[MAX_PROCESSES];
  unsigned room = *count, found = MAX_PROCESSES;
  int result = nvmlDeviceGetComputeRunningProcesses_v3(handle, &found, newer);
  if (result != SUCCESS) return result;
  *count = found;
  if (found > room) return INSUFFICIENT_SIZE;
  for (unsigned i = 0; i < found; i++) infos[i] = (struct process_info_v1){newer[i].pid, newer[i].bytes};
  return SUCCESS;
}

int nvmlDeviceGetProcessUtilization(struct handle *handle, struct process_utilization *samples, unsigned *count,
                                    uint64_t last_seen) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_PROCESSES, &gpu);
  if (result != SUCCESS) return result;
  unsigned found = 0;
  uint64_t stamp = (uint64_t)wall_microseconds();
  for (int i = 0; i < gpu->process_count && stamp > last_seen; i++) {
    const struct process *process = &gpu->processes[i];
    if (now() < process->from || now() >= process->to) continue;
    if (samples != NULL && found < *count) {
      samples[found] = (struct process_utilization){.pid = process->pid, .timestamp = stamp, .sm = process->sm_percent};
    }
    found++;
  }
  bool fits = samples != NULL && found <= *count;
  *count = found;
  if (!fits) return INSUFFICIENT_SIZE;
  return found == 0 ? NOT_FOUND : SUCCESS;
}

int nvmlEventSetCreate(void **set) {
  *set = has_events;
  return initialized ? SUCCESS : UNINITIALIZED;
}

int nvmlEventSetFree(void *set) {
  (void)set;
  return SUCCESS;
}

int nvmlDeviceRegisterEvents(struct handle *handle, uint64_t types, void *set) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_EVENTS, &gpu);
  if (result != SUCCESS) return result;
  if (set != has_events || (types & EVENT_XID) == 0) return INVALID_ARGUMENT;
  has_events[handle->index] = true;
  return SUCCESS;
}

// The next XID whose time has come, of any registered GPU; waits for none longer than `timeout` milliseconds.
int nvmlEventSetWait_v2(void *set, struct event_data *event, unsigned timeout) {
  if (set != has_events) return INVALID_ARGUMENT;
  for (double end = now() + timeout / 1e3;; sleep_seconds(0.001)) {
    for (int i = 0; i < scenario.gpu_count; i++) {
      const struct gpu *gpu = &scenario.gpus[i];
      if (!has_events[i] || delivered_events[i] >= gpu->xid_count) continue;
      const struct xid *next = &gpu->xids[delivered_events[i]];
      if (now() < next->at) continue;
      delivered_events[i]++;
      *event = (struct event_data){&handles[i], EVENT_XID, next->code, UINT32_MAX, UINT32_MAX};
      return SUCCESS;
    }
    if (now() >= end) return TIMEOUT;
  }
}

// The older struct ends after the data.
int nvmlEventSetWait(void *set, void *event, unsigned timeout) {
  struct event_data whole;
  int result = nvmlEventSetWait_v2(set, &whole, timeout);
  if (result == SUCCESS) memcpy(event, &whole, offsetof(struct event_data, gpu_instance));
  return result;
}

// Names of before: the same functions.
int nvmlInit(void) { return nvmlInit_v2(); }
int nvmlDeviceGetCount(unsigned *count) { return nvmlDeviceGetCount_v2(count); }
int nvmlDeviceGetHandleByIndex(unsigned index, struct handle **handle) {
  return nvmlDeviceGetHandleByIndex_v2(index, handle);
}
