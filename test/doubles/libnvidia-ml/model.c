// The analytic model: power, its closed-form integral, and what a sensor (gain, window, period) and a counter make of it
// (docs/measurement.md §1). test/doubles/gpu-scenario.ts is its twin; a test holds them together.

#include "scenario.h"

#include <math.h>
#include <stddef.h>

static const double TWO_PI = 6.283185307179586;

static double clamp(double value, double low, double high) {
  return value < low ? low : value > high ? high : value;
}

static double load_power(const struct load *load, double time) {
  if (time < load->from) return 0;
  double since = time - load->from;
  if (load->kind == LOAD_RAMP) {
    return time >= load->to ? load->watts : load->watts * since / (load->to - load->from);
  }
  if (time >= load->to) return 0;
  switch (load->kind) {
    case LOAD_SQUARE:
      return since - floor(since / load->period) * load->period < load->duty * load->period ? load->watts : 0;
    case LOAD_SINE:
      return load->watts * sin(TWO_PI * since / load->period);
    default:
      return load->watts;
  }
}

static double load_energy(const struct load *load, double time) {
  double since = clamp(time, load->from, load->to) - load->from;
  switch (load->kind) {
    case LOAD_SQUARE: {
      double whole = floor(since / load->period);
      double rest = since - whole * load->period;
      double high = load->duty * load->period;
      return load->watts * (whole * high + (rest < high ? rest : high));
    }
    case LOAD_SINE:
      return load->watts * load->period / TWO_PI * (1 - cos(TWO_PI * since / load->period));
    case LOAD_RAMP: {
      double held = time > load->to ? time - load->to : 0;
      return load->watts * (since * since / (2 * (load->to - load->from)) + held);
    }
    default:
      return load->watts * since;
  }
}

double model_power(const struct gpu *gpu, double time) {
  double sum = gpu->base;
  for (int i = 0; i < gpu->load_count; i++) sum += load_power(&gpu->loads[i], time);
  return sum;
}

double model_energy(const struct gpu *gpu, double time) {
  double sum = gpu->base * time;
  for (int i = 0; i < gpu->load_count; i++) sum += load_energy(&gpu->loads[i], time);
  return sum;
}

const struct fault *fault_at(const struct fault *faults, int count, enum fault_kind kind, double time) {
  for (int i = 0; i < count; i++) {
    if (faults[i].kind == kind && time >= faults[i].from && time < faults[i].to) return &faults[i];
  }
  return NULL;
}

static double refresh_before(double time, double period, double phase) {
  return phase + floor((time - phase) / period) * period;
}

static double frozen(const struct gpu *gpu, enum fault_kind kind, double time) {
  const struct fault *fault = fault_at(gpu->faults, gpu->fault_count, kind, time);
  return fault == NULL ? time : fault->from;
}

double model_sensor(const struct gpu *gpu, enum sensor_kind kind, double time) {
  const struct sensor *sensor = &gpu->sensors[kind];
  double seen = frozen(gpu, FAULT_STUCK, frozen(gpu, FAULT_STUCK_POWER, time));
  double end = refresh_before(seen, sensor->period, sensor->phase);
  double mean = (model_energy(gpu, end) - model_energy(gpu, end - sensor->window)) / sensor->window;
  return gpu->gain * mean + gpu->offset;
}

// The last restart at or before `time`: the GPU's own resets, and the end of a driver reload.
static bool last_restart(const struct scenario *scenario, const struct gpu *gpu, double time, double *restart) {
  bool found = false;
  for (int i = 0; i < gpu->fault_count; i++) {
    const struct fault *fault = &gpu->faults[i];
    if (fault->kind != FAULT_COUNTER_RESET || fault->from > time) continue;
    if (!found || fault->from > *restart) *restart = fault->from;
    found = true;
  }
  for (int i = 0; i < scenario->fault_count; i++) {
    const struct fault *fault = &scenario->faults[i];
    if (fault->kind != FAULT_NOT_LOADED || fault->to > time) continue;
    if (!found || fault->to > *restart) *restart = fault->to;
    found = true;
  }
  return found;
}

double model_counter(const struct scenario *scenario, const struct gpu *gpu, double time) {
  double end = refresh_before(frozen(gpu, FAULT_STUCK, time), gpu->counter.period, gpu->counter.phase);
  double restart = 0;
  if (!last_restart(scenario, gpu, time, &restart)) {
    return gpu->counter.start_joules + gpu->gain * model_energy(gpu, end) + gpu->offset * end;
  }
  if (end <= restart) return 0;
  return gpu->gain * (model_energy(gpu, end) - model_energy(gpu, restart)) + gpu->offset * (end - restart);
}
