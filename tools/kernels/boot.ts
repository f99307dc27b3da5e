// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export interface Boot {
  /** Folder with `vmlinuz`. */
  readonly kernel: string;
  readonly initramfs: string;
  /** The bundled program that the first process runs. */
  readonly program: string;
  /** Folder for what the guest writes. */
  readonly output: string;
  /** Milliseconds until a guest that has not powered off is ended. */
  readonly timeout: number;
  /** The emulator; another one for tests. */
  readonly emulator?: string;
}

export interface Ended {
  /** What the kernel and the programs said. */
  readonly console: string;
  /** The program's standard output. */
  readonly output: string;
  /** It powered off by itself. */
  readonly complete: boolean;
  readonly seconds: number;
}

/** Escapes of the firmware, and line ends of a terminal. */
function plain(text: string): string {
  return text.replaceAll(/\u001b(\[[0-9;?]*[a-zA-Z]|c)/g, '').replaceAll('\r', '');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // the emulator never came to open it
  }
}

/** Boots a kernel and waits until it has powered off, or its time is over. Emulated everywhere: KVM is there, works or hangs as the host likes. */
export async function boot(options: Boot): Promise<Ended> {
  const consoleFile = join(options.output, 'console.log');
  const outputFile = join(options.output, 'output.log');
  for (const file of [consoleFile, outputFile]) rmSync(file, { force: true });
  const machine = ['-accel', 'tcg,thread=multi', '-cpu', 'max', '-m', '1536', '-smp', '2'];
  const devices = ['-nic', 'none', '-display', 'none', '-monitor', 'none', '-no-reboot'];
  const lines = ['-serial', `file:${consoleFile}`, '-serial', `file:${outputFile}`];
  const kernel = ['-kernel', join(options.kernel, 'vmlinuz'), '-initrd', options.initramfs];
  // A panic ends the guest at once. A machine that is busy elsewhere is no broken timer and no lock-up.
  const patience = 'no_timer_check nowatchdog rcupdate.rcu_cpu_stall_suppress=1';
  const words = `console=ttyS0 panic=-1 oops=panic quiet mitigations=off ${patience} perigee=${options.program}`;
  const started = performance.now();
  // Emulation takes whole processors: others go first.
  const command = ['-n', '15', options.emulator ?? 'qemu-system-x86_64', ...machine, ...devices, ...lines];
  const child = spawn('nice', [...command, ...kernel, '-append', words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: options.timeout,
    killSignal: 'SIGKILL',
  });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const complete = await new Promise<boolean>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status === 0));
  });
  return {
    console: complete ? plain(read(consoleFile)) : plain(complaints + read(consoleFile)),
    output: plain(read(outputFile)),
    complete,
    seconds: Math.round((performance.now() - started) / 1000),
  };
}
