// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ImageOptions {
  /** The archive to write. */
  readonly file: string;
  /** `registry/name:tag` */
  readonly reference: string;
  /** The folder that becomes `/`. */
  readonly root: string;
  readonly entrypoint: readonly string[];
  readonly environment?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Fixed order, owner and times: the same content gives the same archive. */
const fixed = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--format=gnu'];

/** Writes an image of one layer as an OCI layout in a tar archive, which `ctr images import` and `docker load` take. */
export function writeImage({ file, reference, root, entrypoint, environment, labels }: ImageOptions): void {
  const layout = mkdtempSync(join(tmpdir(), 'perigee-image-'));
  try {
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
    const layer = addLayer(layout, root);
    const config = addJson(layout, mediaTypes.config, {
      architecture: 'amd64',
      os: 'linux',
      config: {
        Entrypoint: entrypoint,
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(environment ?? [])],
        Labels: labels ?? {},
      },
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    });
    const manifest = addJson(layout, mediaTypes.manifest, {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config,
      layers: [layer],
    });
    const annotations = {
      'io.containerd.image.name': reference,
      'org.opencontainers.image.ref.name': reference.replace(/^.*:/, ''),
    };
    const index = {
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: [{ ...manifest, annotations }],
    };
    writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
    writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    execFileSync('tar', [...fixed, '-C', layout, '-cf', file, 'blobs', 'index.json', 'oci-layout']);
  } finally {
    rmSync(layout, { recursive: true });
  }
}

function addLayer(layout: string, root: string): Descriptor {
  const file = join(layout, 'layer');
  execFileSync('tar', [...fixed, '-C', root, '-cf', file, '.']);
  const descriptor = describe(mediaTypes.layer, readFileSync(file));
  copyFileSync(file, blobOf(layout, descriptor));
  rmSync(file);
  return { ...descriptor, size: statSync(blobOf(layout, descriptor)).size };
}

function addJson(layout: string, mediaType: string, content: unknown): Descriptor {
  const bytes = Buffer.from(JSON.stringify(content));
  const descriptor = describe(mediaType, bytes);
  writeFileSync(blobOf(layout, descriptor), bytes);
  return descriptor;
}

function describe(mediaType: string, bytes: Buffer): Descriptor {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { mediaType, digest, size: bytes.length };
}

function blobOf(layout: string, { digest }: Descriptor): string {
  return join(layout, 'blobs/sha256', digest.replace('sha256:', ''));
}
