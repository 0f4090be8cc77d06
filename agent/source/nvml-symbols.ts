// The functions of libnvidia-ml.so.1 that we know, with their argument types; every one returns an int32 (nvml.h).

// Symbol → argument types, in koffi's words; `void *` is a device handle or a place for the answer.
const NVML_PROTOTYPES = {
  nvmlInit_v2: '',
  nvmlShutdown: '',
  nvmlSystemGetDriverVersion: 'void *, uint32_t',
  nvmlDeviceGetCount_v2: 'void *',
  nvmlDeviceGetHandleByIndex_v2: 'uint32_t, void *',
  nvmlDeviceGetUUID: 'void *, void *, uint32_t',
  nvmlDeviceGetName: 'void *, void *, uint32_t',
  nvmlDeviceGetPciInfo_v3: 'void *, void *',
  nvmlDeviceGetArchitecture: 'void *, void *',
  nvmlDeviceGetPersistenceMode: 'void *, void *',
  nvmlDeviceGetPowerUsage: 'void *, void *',
  nvmlDeviceGetTotalEnergyConsumption: 'void *, void *',
  nvmlDeviceGetFieldValues: 'void *, int32_t, void *',
  nvmlDeviceGetSamples: 'void *, int32_t, uint64_t, void *, void *, void *',
  nvmlDeviceGetEnforcedPowerLimit: 'void *, void *',
  nvmlDeviceGetPowerManagementDefaultLimit: 'void *, void *',
  nvmlDeviceGetUtilizationRates: 'void *, void *',
  nvmlDeviceGetMemoryInfo: 'void *, void *',
  nvmlDeviceGetTemperature: 'void *, int32_t, void *',
  nvmlDeviceGetTemperatureV: 'void *, void *',
  nvmlDeviceGetClockInfo: 'void *, int32_t, void *',
  nvmlDeviceGetMigMode: 'void *, void *, void *',
  nvmlDeviceGetComputeRunningProcesses_v3: 'void *, void *, void *',
  nvmlDeviceGetProcessUtilization: 'void *, void *, void *, uint64_t',
  nvmlDeviceGetMemoryInfo_v2: 'void *, void *',
  nvmlDeviceGetMaxMigDeviceCount: 'void *, void *',
  nvmlDeviceGetMigDeviceHandleByIndex: 'void *, uint32_t, void *',
  nvmlEventSetCreate: 'void *',
  nvmlEventSetFree: 'void *',
  nvmlDeviceRegisterEvents: 'void *, uint64_t, void *',
  nvmlEventSetWait_v2: 'void *, void *, uint32_t',
} as const;

/** A function of the library. */
export type NvmlSymbol = keyof typeof NVML_PROTOTYPES;

/**
 * What a function was called in older drivers, newest name first: the same arguments, but the struct behind a pointer may
 * be shorter there.
 */
export const OLDER_NAMES: Partial<Readonly<Record<NvmlSymbol, readonly string[]>>> = {
  nvmlInit_v2: ['nvmlInit'],
  nvmlDeviceGetCount_v2: ['nvmlDeviceGetCount'],
  nvmlDeviceGetHandleByIndex_v2: ['nvmlDeviceGetHandleByIndex'],
  nvmlDeviceGetPciInfo_v3: ['nvmlDeviceGetPciInfo_v2', 'nvmlDeviceGetPciInfo'],
  nvmlDeviceGetComputeRunningProcesses_v3: [
    'nvmlDeviceGetComputeRunningProcesses_v2',
    'nvmlDeviceGetComputeRunningProcesses',
  ],
  nvmlEventSetWait_v2: ['nvmlEventSetWait'],
};

/** The functions in the order of their numbers. */
export const NVML_SYMBOLS: readonly NvmlSymbol[] = Object.keys(NVML_PROTOTYPES) as NvmlSymbol[];

/** The argument types of a function. */
export const argumentsOf = (symbol: NvmlSymbol): string[] =>
  NVML_PROTOTYPES[symbol].split(', ').filter((type) => type !== '');
