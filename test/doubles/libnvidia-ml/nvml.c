// A stand-in for libnvidia-ml.so.1 (ABI of MEASUREMENT.md §5): plays the scenario named by WATTMETER_GPU_SCENARIO.
// Build flags -DWITHOUT_… leave symbols out, as an old driver's library does.

#define _GNU_SOURCE
#include "scenario.h"

#include <math.h>
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
  GPU_IS_LOST = 15,
  RESET_REQUIRED = 16,
  NO_DATA = 21,
  UNKNOWN = 999,
};

enum { FIELD_ENERGY = 83, FIELD_AVERAGE = 185, FIELD_INSTANT = 186, FIELD_MIN = 187, FIELD_MAX, FIELD_DEFAULT, FIELD_CURRENT };
enum { SCOPE_GPU, SCOPE_MODULE, SCOPE_MEMORY };
enum { TYPE_U32 = 1, TYPE_U64 = 3 };

struct handle {
  int index;
  bool mig;
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

static struct scenario scenario;
static struct handle handles[MAX_GPUS], mig_handles[MAX_GPUS];
static bool initialized;
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
    if (here && now() >= fault->from && now() < fault->to) return NOT_SUPPORTED;
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

// For the twin's test and the benches, not part of NVML.
int standin_load(const char *path) { return scenario_read(path, &scenario) ? 0 : 1; }
double standin_power(int index, double time) { return model_power(&scenario.gpus[index], time); }
double standin_energy(int index, double time) { return model_energy(&scenario.gpus[index], time); }
double standin_sensor(int index, int kind, double time) {
  return model_sensor(&scenario.gpus[index], (enum sensor_kind)kind, time);
}
double standin_counter(int index, double time) { return model_counter(&scenario, &scenario.gpus[index], time); }
uint64_t standin_calls(void) { return calls; }

int nvmlInit_v2(void) {
  if (!initialized && !scenario_read(getenv("WATTMETER_GPU_SCENARIO"), &scenario)) return UNKNOWN;
  int result = library_fault();
  if (result != SUCCESS) return result;
  for (int i = 0; i < MAX_GPUS; i++) {
    handles[i] = (struct handle){i, false};
    mig_handles[i] = (struct handle){i, true};
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
  int result = enter(handle, FEATURE_NONE, &gpu);
  if (result != SUCCESS) return result;
  if (!handle->mig) return copy_text(uuid, size, gpu->uuid);
  char text[64];
  snprintf(text, sizeof text, "MIG-%s", gpu->uuid + 4);
  return copy_text(uuid, size, text);
}

int nvmlDeviceGetName(struct handle *handle, char *name, unsigned size) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NONE, &gpu);
  return result == SUCCESS ? copy_text(name, size, gpu->name) : result;
}

int nvmlDeviceGetPciInfo_v3(struct handle *handle, struct pci_info *info) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NONE, &gpu);
  if (result != SUCCESS) return result;
  memset(info, 0, sizeof *info);
  info->bus = (uint32_t)handle->index + 1;
  snprintf(info->bus_id, sizeof info->bus_id, "00000000:%02X:00.0", info->bus);
  return SUCCESS;
}

int nvmlDeviceGetArchitecture(struct handle *handle, uint32_t *architecture) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NONE, &gpu);
  if (result == SUCCESS) *architecture = gpu->architecture;
  return result;
}

int nvmlDeviceGetPersistenceMode(struct handle *handle, uint32_t *mode) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NONE, &gpu);
  if (result == SUCCESS) *mode = 1;
  return result;
}

#ifndef WITHOUT_POWER_USAGE
int nvmlDeviceGetPowerUsage(struct handle *handle, uint32_t *power) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_DRAW, &gpu);
  if (result != SUCCESS) return result;
  if (!gpu->has_sensor[SENSOR_DRAW]) return NOT_SUPPORTED;
  *power = milliwatts(model_sensor(gpu, SENSOR_DRAW, now()));
  return SUCCESS;
}
#endif

#ifndef WITHOUT_TOTAL_ENERGY
int nvmlDeviceGetTotalEnergyConsumption(struct handle *handle, uint64_t *energy) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_COUNTER, &gpu);
  if (result != SUCCESS) return result;
  if (!gpu->has_counter) return NOT_SUPPORTED;
  *energy = millijoules(model_counter(&scenario, gpu, now()));
  return SUCCESS;
}
#endif

#ifndef WITHOUT_FIELD_VALUES
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
  if (scope == SCOPE_GPU) return entry->value.u32 = milliwatts(model_sensor(gpu, kind, now())), SUCCESS;
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

static bool unsupported(const struct gpu *gpu, enum feature feature) {
  for (int i = 0; i < gpu->fault_count; i++) {
    const struct fault *fault = &gpu->faults[i];
    if (fault->kind != FAULT_UNSUPPORTED || fault->argument != (int)feature) continue;
    if (now() >= fault->from && now() < fault->to) return true;
  }
  return false;
}

static int field(const struct gpu *gpu, struct field_value *entry) {
  switch (entry->id) {
    case FIELD_INSTANT:
      return unsupported(gpu, FEATURE_INSTANT) ? NOT_SUPPORTED : power_field(gpu, SENSOR_INSTANT, entry->scope, entry);
    case FIELD_AVERAGE:
      return unsupported(gpu, FEATURE_AVERAGE) ? NOT_SUPPORTED : power_field(gpu, SENSOR_AVERAGE, entry->scope, entry);
    case FIELD_ENERGY:
      if (!gpu->has_counter || unsupported(gpu, FEATURE_COUNTER)) return NOT_SUPPORTED;
      entry->type = TYPE_U64;
      entry->value.u64 = millijoules(model_counter(&scenario, gpu, now()));
      return SUCCESS;
    case FIELD_DEFAULT:
      return unsupported(gpu, FEATURE_LIMITS) ? NOT_SUPPORTED : limit_field(gpu->default_limit, entry->scope, entry);
    case FIELD_CURRENT:
      return unsupported(gpu, FEATURE_LIMITS) ? NOT_SUPPORTED : limit_field(gpu->limit, entry->scope, entry);
    default:
      return NOT_SUPPORTED;
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
#endif

#ifndef WITHOUT_SAMPLES
// The refreshes of the instant sensor in the last two seconds, as the driver's ring holds them.
int nvmlDeviceGetSamples(struct handle *handle, int type, uint64_t last_seen, int *value_type, unsigned *count,
                         struct sample *samples) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_SAMPLES, &gpu);
  if (result != SUCCESS) return result;
  if (type != 0 || !gpu->has_sensor[SENSOR_INSTANT]) return NOT_SUPPORTED;
  double period = gpu->sensors[SENSOR_INSTANT].period, time = now();
  unsigned ring = (unsigned)(2 / period), written = 0;
  if (samples == NULL) return *count = ring, SUCCESS;
  int64_t wall = wall_microseconds();
  *value_type = TYPE_U32;
  for (unsigned i = ring; i-- > 0 && written < *count;) {
    double past = time - i * period;
    double refresh = floor(past / period) * period;
    uint64_t stamp = (uint64_t)(wall - (int64_t)((time - refresh) * 1e6));
    if (stamp <= last_seen) continue;
    samples[written++] = (struct sample){.timestamp = stamp, .value.u32 = milliwatts(model_sensor(gpu, SENSOR_INSTANT, past))};
  }
  *count = written;
  return written == 0 ? NOT_FOUND : SUCCESS;
}
#endif

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

#ifndef WITHOUT_TEMPERATURE
int nvmlDeviceGetTemperature(struct handle *handle, int sensor, uint32_t *celsius) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_TEMPERATURE, &gpu);
  if (result == SUCCESS) *celsius = 40 + (uint32_t)sensor;
  return result;
}
#endif

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

// A MIG instance answers with its parent's power: whoever lists instances counts the GPU several times.
int nvmlDeviceGetMigDeviceHandleByIndex(struct handle *handle, unsigned index, struct handle **instance) {
  const struct gpu *gpu;
  int result = enter(handle, FEATURE_NONE, &gpu);
  if (result != SUCCESS) return result;
  if ((int)index >= gpu->mig_instances) return NOT_FOUND;
  *instance = &mig_handles[handle->index];
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
