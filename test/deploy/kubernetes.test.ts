import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';

import { PodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor';
import { DaemonSet } from 'kubernetes-models/apps/v1/DaemonSet';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { Namespace } from 'kubernetes-models/v1/Namespace';
import { Service } from 'kubernetes-models/v1/Service';
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

import { resolveConfig } from '../resolve-config.ts';
import { findProgram } from '../system-program.ts';
import { unknownFields } from './known-fields.ts';

const root = resolve(import.meta.dirname, '../../deploy/kubernetes');
const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(root, join(entry.parentPath, entry.name)));
const read = (file: string): unknown => parse(readFileSync(join(root, file), 'utf8'));

const MODELS = { DaemonSet, NetworkPolicy, Namespace, PodMonitor, Service, ServiceAccount };
const isModel = (kind: string): kind is keyof typeof MODELS => kind in MODELS;

/** Checks a manifest against the published schema of its kind; returns the fields that the schema does not know. */
function check(manifest: unknown): string[] {
  const document = z.looseObject({ kind: z.string(), apiVersion: z.string() }).parse(manifest);
  const { kind, apiVersion } = document;
  if (!isModel(kind)) throw new Error(`There is no schema for ${kind}.`);
  const Model = MODELS[kind];
  expect([apiVersion, kind]).toEqual([Model.apiVersion, Model.kind]);
  // A model made of the document would be a copy, and copying looks at everything.
  return unknownFields(document, (watched) => Model.prototype.validate.call(watched));
}

const isKustomization = (file: string): boolean => file.endsWith('kustomization.yaml');
// A patch holds only what differs, so it is checked as a part of the whole, by kustomize.
const isPatch = (file: string): boolean => file === 'components/pod-names/daemon-set.yaml';
const manifests = files.filter(
  (file) => file.endsWith('.yaml') && !isKustomization(file) && !isPatch(file),
);

describe('the manifests', () => {
  test.each(manifests)('%s is what the published schema knows', (file) => {
    expect(check(read(file))).toEqual([]);
  });

  test('would not pass with a misspelt field or a wrong type', () => {
    const daemonSet = readFileSync(join(root, 'base/daemon-set.yaml'), 'utf8');
    expect(check(parse(daemonSet.replace('hostPID: true', 'hostPid: true')))).toEqual([
      '/spec/template/spec/hostPid',
    ]);
    expect(() => check(parse(daemonSet.replace('runAsUser: 0', 'runAsUser: root')))).toThrow(
      /runAsUser/,
    );
  });
});

const kustomization = z.strictObject({
  apiVersion: z.string(),
  kind: z.enum(['Kustomization', 'Component']),
  namespace: z.string().optional(),
  resources: z.array(z.string()).default([]),
  components: z.array(z.string()).default([]),
  patches: z.array(z.strictObject({ path: z.string() })).default([]),
  configMapGenerator: z
    .array(
      z.strictObject({
        name: z.string(),
        behavior: z.literal('merge').optional(),
        files: z.array(z.string()),
      }),
    )
    .default([]),
  labels: z.array(z.strictObject({ pairs: z.record(z.string(), z.string()) })).optional(),
  images: z
    .array(z.strictObject({ name: z.string(), newName: z.string(), newTag: z.string() }))
    .optional(),
});

describe('the kustomizations', () => {
  test('name only files that are there, and every file is named', () => {
    const named = files.filter(isKustomization).flatMap((file) => {
      const { resources, components, patches, configMapGenerator } = kustomization.parse(
        read(file),
      );
      const own = [
        ...resources,
        ...components,
        ...patches.map(({ path }) => path),
        ...configMapGenerator.flatMap((generator) => generator.files),
      ];
      return own.map((path) => join(dirname(file), path));
    });
    for (const path of named) expect(existsSync(join(root, path)), path).toBe(true);
    const unnamed = files.filter((file) => !isKustomization(file) && !named.includes(file));
    expect(unnamed).toEqual([]);
  });

  // No Debian package has a kubectl that knows components, so its absence fails nothing, not even with CI=true.
  test.for(['pod-monitor and network-policy', 'pod-names too'])(
    'are built by kustomize into what the schemas know: %s',
    (variant, context) => {
      const kubectl = findProgram('kubectl') ?? context.skip('kubectl is not installed');
      const built = mkdtempSync(join(tmpdir(), 'wattmeter-kustomize-'));
      try {
        for (const file of files) {
          mkdirSync(dirname(join(built, file)), { recursive: true });
          const text = readFileSync(join(root, file), 'utf8');
          const isChosen = variant === 'pod-names too' && file === 'example/kustomization.yaml';
          writeFileSync(join(built, file), isChosen ? text.replace('# - ../', '- ../') : text);
        }
        const { status, stdout, stderr } = spawnSync(
          kubectl,
          ['kustomize', join(built, 'example')],
          { encoding: 'utf8' },
        );
        expect(status, stderr).toBe(0);
        const documents = stdout.split(/^---$/m).map((text): unknown => parse(text));
        const kinds = documents.map((one) => z.looseObject({ kind: z.string() }).parse(one).kind);
        expect(kinds).toContain('ConfigMap');
        for (const [position, document] of documents.entries()) {
          if (kinds[position] !== 'ConfigMap') expect(check(document)).toEqual([]);
        }
        expect(stdout.includes('pod-resources')).toBe(variant === 'pod-names too');
      } finally {
        rmSync(built, { recursive: true, force: true });
      }
    },
  );
});

const container = z.looseObject({
  securityContext: z.looseObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    privileged: z.undefined().optional(),
    capabilities: z.looseObject({
      drop: z.tuple([z.literal('ALL')]),
      add: z.array(z.string()).optional(),
    }),
  }),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })),
});
const daemonSet = z.looseObject({
  spec: z.looseObject({
    template: z.looseObject({
      spec: z.looseObject({
        securityContext: z.looseObject({
          runAsNonRoot: z.literal(true),
          runAsUser: z.number().min(1),
        }),
        automountServiceAccountToken: z.literal(false),
        initContainers: z.tuple([container]),
        containers: z.tuple([container]),
        volumes: z.array(z.looseObject({ name: z.string() })),
      }),
    }),
  }),
});
const pod = daemonSet.parse(read('base/daemon-set.yaml')).spec.template.spec;

describe('the pod', () => {
  test('has no capability, no root, nothing to write on but its volumes', () => {
    const [agent] = pod.containers;
    expect(agent.securityContext.capabilities.add).toBeUndefined();
    const volumes = pod.volumes.map(({ name }) => name);
    expect(agent.volumeMounts.map(({ name }) => name).every((name) => volumes.includes(name))).toBe(
      true,
    );
    expect(pod).not.toHaveProperty('hostNetwork');
    expect(pod).not.toHaveProperty('hostIPC');
  });

  test('hands the ledger over to the agent, files and folders, whoever owned them', () => {
    const [init] = pod.initContainers;
    const [, flag = '', script = ''] = init.command ?? [];
    expect(init.args).toEqual([String(pod.securityContext.runAsUser)]);
    const ledger = mkdtempSync(join(tmpdir(), 'wattmeter-ledger-'));
    try {
      mkdirSync(join(ledger, 'runs'));
      writeFileSync(join(ledger, 'runs/journal'), '');
      // Only root may give files away; anybody may give them to himself.
      const owner = process.getuid?.() === 0 ? pod.securityContext.runAsUser : process.getuid?.();
      const here = script.replaceAll('/var/lib/wattmeter', ledger);
      const { status, stderr } = spawnSync(process.execPath, [flag, here, String(owner)], {
        encoding: 'utf8',
      });
      expect(status, stderr).toBe(0);
      for (const path of ['', 'runs', 'runs/journal']) {
        expect(statSync(join(ledger, path)).uid).toBe(owner);
      }
    } finally {
      rmSync(ledger, { recursive: true, force: true });
    }
  });

  test.each(['base', 'example'])(
    'is given a configuration that the agent takes: %s',
    async (layer) => {
      const config = await resolveConfig({}, {}, join(root, layer, 'wattmeter.yml'));
      const mounts = pod.containers[0].volumeMounts.map(({ mountPath }) => mountPath);
      expect(mounts).toContain(config.stateDir);
      expect(config.webListenAddress).toEqual([':10360']);
    },
  );
});
