// SPDX-License-Identifier: Apache-2.0

const steps = [
  { unit: 'ns', size: 1 },
  { unit: 'µs', size: 1e3 },
  { unit: 'ms', size: 1e6 },
  { unit: 's', size: 1e9 },
] as const;

/** `1.2ms`, `45µs`, `3m12s`. */
export function formatDuration(nanoseconds: number): string {
  const seconds = nanoseconds / 1e9;
  if (seconds >= 60) {
    const whole = Math.round(seconds);
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
    return hours > 0 ? `${hours}h${minutes}m` : `${minutes}m${whole % 60}s`;
  }
  const { unit, size } = steps.findLast((step) => nanoseconds >= step.size) ?? steps[0];
  const value = nanoseconds / size;
  return `${value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1)}${unit}`;
}

/** `512B`, `1.5KiB`, `32MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  const text = Number.isInteger(value) || value >= 100 ? value.toFixed(0) : value.toFixed(1);
  return `${text}${units[unit] ?? ''}`;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

/** `Nov 23 13:05:01.123` in the person's time zone, from ns since 1970. */
export function formatTime(time: bigint): string {
  const date = new Date(Number(time / 1_000_000n));
  const two = (value: number): string => String(value).padStart(2, '0');
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  const millis = String(date.getMilliseconds()).padStart(3, '0');
  return `${months[date.getMonth()] ?? ''} ${two(date.getDate())} ${clock}.${millis}`;
}
