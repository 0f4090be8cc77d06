// A GPU that never was: what a scenario file says (README.md), and the analytic model of its power, sensors and counter.
// All times are seconds since the scenario's origin, energies joules, powers watts.

#ifndef WATTMETER_SCENARIO_H
#define WATTMETER_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

enum { MAX_GPUS = 72, MAX_LOADS = 16, MAX_FAULTS = 16, MAX_PROCESSES = 64, MAX_XIDS = 8, MAX_INSTANCES = 7, SENSOR_KINDS = 3 };

enum load_kind { LOAD_STEP, LOAD_SQUARE, LOAD_SINE, LOAD_RAMP };

struct load {
  enum load_kind kind;
  double from, to, watts, period, duty;
};

enum sensor_kind { SENSOR_DRAW, SENSOR_INSTANT, SENSOR_AVERAGE };

struct sensor {
  double window, period, phase;
};

struct counter {
  double period, start_joules, phase;
};

// The driver's ring of samples: which sensor's refreshes, over how long, stamped by a wall clock that is off by `offset`
// seconds and runs fast by `drift`; with a `batch` they become visible only every so many seconds; none is of before `from`.
struct samples {
  enum sensor_kind of;
  double span, offset, drift, batch, from;
};

struct xid {
  double at;
  uint64_t code;
};

enum feature {
  FEATURE_NONE,
  FEATURE_DRAW,
  FEATURE_INSTANT,
  FEATURE_AVERAGE,
  FEATURE_COUNTER,
  FEATURE_LIMITS,
  FEATURE_UTILIZATION,
  FEATURE_MEMORY,
  FEATURE_TEMPERATURE,
  FEATURE_CLOCKS,
  FEATURE_PROCESSES,
  FEATURE_SAMPLES,
  FEATURE_EVENTS,
  FEATURE_UUID,
  FEATURE_NAME,
  FEATURE_PCI,
};

enum fault_kind {
  FAULT_LOST,
  FAULT_STICKY_LOST,
  FAULT_RESET_REQUIRED,
  FAULT_CODE,
  FAULT_HANG,
  FAULT_STUCK,
  FAULT_STUCK_POWER,
  FAULT_COUNTER_RESET,
  FAULT_UNSUPPORTED,
  FAULT_NOT_LOADED,
  FAULT_NOT_AVAILABLE,
  FAULT_STAMP_STEP,
};

struct fault {
  enum fault_kind kind;
  double from, to;
  // Of "unsupported": the feature, and what its calls answer.
  int argument, code;
};

struct process {
  unsigned pid;
  double from, to;
  unsigned sm_percent;
  unsigned long long bytes;
};

struct gpu {
  char name[96], uuid[48];
  unsigned architecture;
  double base, gain, offset, latency, limit, default_limit, memory_ratio;
  bool has_sensor[SENSOR_KINDS], has_counter;
  struct sensor sensors[SENSOR_KINDS];
  struct counter counter;
  struct samples samples;
  struct xid xids[MAX_XIDS];
  struct load loads[MAX_LOADS];
  struct fault faults[MAX_FAULTS];
  struct process processes[MAX_PROCESSES];
  int load_count, fault_count, process_count, xid_count;
  int module, mig_instances, persistence;
  double module_extra;
};

struct scenario {
  int64_t origin_nanoseconds;
  char driver[80];
  int gpu_count;
  struct gpu gpus[MAX_GPUS];
  struct fault faults[MAX_FAULTS];
  int fault_count;
};

// Reads a scenario; on a mistake writes one line to stderr and returns false.
bool scenario_read(const char *path, struct scenario *scenario);

double model_power(const struct gpu *gpu, double time);
// Closed-form integral of the true power from 0 to `time`.
double model_energy(const struct gpu *gpu, double time);
// What the sensor shows at `time`, in watts: the last refresh's window mean, through gain and offset.
double model_sensor(const struct gpu *gpu, enum sensor_kind kind, double time);
// What the counter shows at `time`, in joules.
double model_counter(const struct scenario *scenario, const struct gpu *gpu, double time);
// The fault of this kind in force at `time`, or NULL.
const struct fault *fault_at(const struct fault *faults, int count, enum fault_kind kind, double time);

#endif
