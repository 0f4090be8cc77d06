import { describe, expect, test } from 'vitest';

import type { Device } from '../../agent/model.ts';
import { needsMigParents, selectGpus } from '../../agent/run/gpus.ts';

const gpu = (index: number, model = 'A100'): Device => ({
  uuid: `GPU-${String(index).padStart(2, '0')}aa-bbbb`,
  index,
  kind: 'gpu',
  model,
  source: 'nvml',
  powerOrigin: 'measured',
});
const host: Device = { ...gpu(0), uuid: 'cpu-package-0', kind: 'host', source: 'rapl' };
const four = [host, ...[0, 1, 2, 3].map((index) => gpu(index))];
const twelve = Array.from({ length: 12 }, (_, index) => gpu(index));
const mixed = [gpu(0, 'T4'), gpu(1, 'H100'), gpu(2, 'H100')];

function choose(
  environment: Record<string, string>,
  devices: readonly Device[] = four,
): { indices: number[]; origin: string; warnings: string[] } {
  const selection = selectGpus({ environment, devices });
  if (selection.kind === 'refused') throw new Error(selection.message);
  return {
    indices: devices.filter(({ uuid }) => selection.uuids.has(uuid)).map(({ index }) => index),
    origin: selection.origin,
    warnings: selection.warnings.map(({ code }) => code),
  };
}

describe('the job’s GPUs by environment', () => {
  test.each([
    ['nothing said: all', {}, [0, 1, 2, 3]],
    ['indices', { CUDA_VISIBLE_DEVICES: '1,3' }, [1, 3]],
    ['indices with blanks', { CUDA_VISIBLE_DEVICES: ' 1, 3 ' }, [1, 3]],
    ['an empty list hides all', { CUDA_VISIBLE_DEVICES: '' }, []],
    ['-1 hides all', { CUDA_VISIBLE_DEVICES: '-1' }, []],
    ['-1 hides what follows', { CUDA_VISIBLE_DEVICES: '2,-1,3' }, [2]],
    ['an index that is not there hides what follows', { CUDA_VISIBLE_DEVICES: '0,7,1' }, [0]],
    ['garbage hides all', { CUDA_VISIBLE_DEVICES: 'NoDevFiles' }, []],
    ['a whole UUID', { CUDA_VISIBLE_DEVICES: 'GPU-02aa-bbbb' }, [2]],
    ['a UUID in other case', { CUDA_VISIBLE_DEVICES: 'GPU-02AA-BBBB' }, [2]],
    ['the beginning of a UUID', { CUDA_VISIBLE_DEVICES: 'GPU-03,GPU-01' }, [1, 3]],
    ['a beginning that several share', { CUDA_VISIBLE_DEVICES: 'GPU-0' }, []],
    ['twice the same', { CUDA_VISIBLE_DEVICES: '1,1' }, [1]],
    ['CUDA before Slurm', { CUDA_VISIBLE_DEVICES: '0', SLURM_JOB_GPUS: '3' }, [0]],
    ['Slurm’s job', { SLURM_JOB_GPUS: '2,3' }, [2, 3]],
    ['Slurm’s range', { SLURM_JOB_GPUS: '1-3' }, [1, 2, 3]],
    ['Slurm’s step before its job', { SLURM_STEP_GPUS: '1', SLURM_JOB_GPUS: '1,2' }, [1]],
    ['Slurm before the container', { SLURM_JOB_GPUS: '2', NVIDIA_VISIBLE_DEVICES: '1' }, [2]],
    ['an empty Slurm list says nothing', { SLURM_JOB_GPUS: '' }, [0, 1, 2, 3]],
    ['the container’s all', { NVIDIA_VISIBLE_DEVICES: 'all' }, [0, 1, 2, 3]],
    ['the container’s none', { NVIDIA_VISIBLE_DEVICES: 'none' }, []],
    ['void says nothing (CDI)', { NVIDIA_VISIBLE_DEVICES: 'void' }, [0, 1, 2, 3]],
    ['an empty container list says nothing', { NVIDIA_VISIBLE_DEVICES: '' }, [0, 1, 2, 3]],
    ['the container’s list', { NVIDIA_VISIBLE_DEVICES: '0,GPU-03aa-bbbb' }, [0, 3]],
  ])('%s', (_, environment, indices) => {
    const { warnings, ...chosen } = choose(environment);
    expect(chosen.indices).toEqual(indices);
    expect(warnings).toEqual([]);
  });

  test('an index of two digits is not its first digit', () => {
    expect(choose({ CUDA_VISIBLE_DEVICES: '10' }, twelve).indices).toEqual([10]);
  });

  test('host numbers in a container that shows only the job’s own mean all of them', () => {
    expect(choose({ NVIDIA_VISIBLE_DEVICES: '5,7' }, [gpu(0), gpu(1)]).indices).toEqual([0, 1]);
    expect(choose({ SLURM_JOB_GPUS: '6' }, [gpu(0)]).indices).toEqual([0]);
  });

  test('a list that cannot be understood measures all, and says so', () => {
    expect(choose({ SLURM_JOB_GPUS: '8,9' })).toMatchObject({
      indices: [0, 1, 2, 3],
      warnings: ['gpu-selection-unresolved'],
    });
  });

  test('the host’s own devices are never selected', () => {
    const selection = selectGpus({ environment: {}, devices: four });
    expect(selection.kind === 'selected' && selection.uuids.has(host.uuid)).toBe(false);
  });
});

describe('CUDA’s own order', () => {
  test.each([
    ['is PCI order when asked for', { CUDA_DEVICE_ORDER: 'PCI_BUS_ID' }, '1', []],
    ['is unknown among different models', {}, '1', ['gpu-order-unknown']],
    ['does not matter to UUIDs', {}, 'GPU-01', []],
    ['does not matter when all are meant', {}, '2,1,0', []],
  ])('%s', (_, environment, list, warnings) => {
    const chosen = choose({ ...environment, CUDA_VISIBLE_DEVICES: list }, mixed);
    expect(chosen.warnings).toEqual(warnings);
  });
});

describe('MIG instances', () => {
  const environment = { CUDA_VISIBLE_DEVICES: 'MIG-1234' };
  const migParents = new Map([
    ['MIG-1234', 'GPU-02aa-bbbb'],
    ['MIG-5678', 'GPU-02aa-bbbb'],
    ['MIG-9abc', 'GPU-03aa-bbbb'],
  ]);

  test.each([
    ['one', { CUDA_VISIBLE_DEVICES: 'MIG-1234' }, [2]],
    ['in other case', { CUDA_VISIBLE_DEVICES: 'mig-9ABC' }, [3]],
    ['two of one GPU, which counts once', { CUDA_VISIBLE_DEVICES: 'MIG-1234,MIG-5678' }, [2]],
    ['as many as there are GPUs', { NVIDIA_VISIBLE_DEVICES: 'MIG-1234,MIG-5678' }, [2], 2],
    ['of two GPUs', { NVIDIA_VISIBLE_DEVICES: 'MIG-5678,MIG-9abc' }, [2, 3]],
    ['by an old name, which holds its GPU', { CUDA_VISIBLE_DEVICES: 'MIG-GPU-02aa-bbbb/1/0' }, [2]],
    ['by the container’s numbers', { NVIDIA_VISIBLE_DEVICES: '1:0,1:2' }, [1]],
  ])('%s: the whole GPU is measured, and that is said', (_, given, indices, visible = 4) => {
    const gpus = four.filter(({ kind }) => kind === 'gpu').slice(4 - visible);
    const selection = selectGpus({ environment: given, devices: gpus, migParents });
    expect(selection).toMatchObject({
      uuids: new Set(indices.map((index) => gpu(index).uuid)),
      warnings: [
        {
          code: 'mig-shared',
          message: expect.stringContaining(
            indices.map((index) => `GPU ${index} (A100)`).join(', '),
          ),
        },
      ],
    });
  });

  test('belong to the only GPU', () => {
    expect(choose(environment, [gpu(0)])).toMatchObject({ indices: [0], warnings: ['mig-shared'] });
  });

  test('measure all, loudly, when the parent is unknown', () => {
    expect(choose(environment)).toMatchObject({
      indices: [0, 1, 2, 3],
      warnings: ['gpu-selection-unresolved'],
    });
  });

  test.each([
    [environment, undefined, true],
    [{ CUDA_VISIBLE_DEVICES: 'MIG-GPU-02aa-bbbb/1/0' }, undefined, false],
    [{ CUDA_VISIBLE_DEVICES: '0,1' }, undefined, false],
    [{ CUDA_VISIBLE_DEVICES: '0', NVIDIA_VISIBLE_DEVICES: 'MIG-1234' }, undefined, false],
    [{ NVIDIA_VISIBLE_DEVICES: 'MIG-1234' }, undefined, true],
    [{}, 'mig-1234', true],
    [environment, '0', false],
  ])('of %j and --gpus %s need the driver’s word: %s', (given, option, needs) => {
    const query = { environment: given, ...(option === undefined ? {} : { option }) };
    expect(needsMigParents(query)).toBe(needs);
  });
});

describe('--gpus', () => {
  const environment = { CUDA_VISIBLE_DEVICES: '0' };

  test.each([
    ['2,GPU-03', ['GPU-02aa-bbbb', 'GPU-03aa-bbbb']],
    ['all', ['GPU-00aa-bbbb', 'GPU-01aa-bbbb', 'GPU-02aa-bbbb', 'GPU-03aa-bbbb']],
    ['none', []],
  ])('%s goes before the environment', (option, uuids) => {
    const selection = selectGpus({ option, environment, devices: four });
    expect(selection).toMatchObject({ origin: '--gpus', uuids: new Set(uuids) });
  });

  test.each(['9', 'GPU-0', 'GPU-ff', '', '-1'])('%j is refused with what there is', (option) => {
    const selection = selectGpus({ option, environment, devices: four });
    expect(selection).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('0 (GPU-00aa-bbbb)'),
    });
  });
});
