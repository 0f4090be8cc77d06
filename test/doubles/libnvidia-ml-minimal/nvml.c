// Another libnvidia-ml.so.1 than the stand-in beside it: the least that a driver of long ago had, written without it. Old
// names, handles that are no pointers, no identity of any GPU. GPU i draws 100·(i + 1) W, true for ever.

#define _POSIX_C_SOURCE 199309L
#include <math.h>
#include <stdint.h>
#include <time.h>

typedef uintptr_t handle;

static double seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int watts_of(handle device) { return 100 * ((int)device - 40); }

int nvmlInit(void) { return 0; }

int nvmlDeviceGetCount(unsigned *count) {
  *count = 2;
  return 0;
}

int nvmlDeviceGetHandleByIndex(unsigned index, handle *device) {
  if (index >= 2) return 2;
  *device = 41 + index;
  return 0;
}

int nvmlDeviceGetPowerUsage(handle device, unsigned *milliwatts) {
  *milliwatts = 1000u * (unsigned)watts_of(device);
  return 0;
}

int nvmlDeviceGetTotalEnergyConsumption(handle device, unsigned long long *millijoules) {
  *millijoules = 1000ull * (unsigned long long)(watts_of(device) * floor(seconds() / 0.02) * 0.02);
  return 0;
}
