// SPDX-License-Identifier: Apache-2.0
import { jsonpbData } from '../../api/flow-json.ts';
import { flowFromWire } from '../../api/flow-from-wire.ts';
import { formatTimestamp } from '../../api/timestamp.ts';
import type { WireFlowsResponse } from '../../api/wire.ts';
import type { Flow } from '../../core/flow.ts';
import { flowLine, wideFlowLine } from '../printers/flow-line.ts';
import { jsonText, yamlText } from '../printers/structured.ts';
import type { Style } from '../printers/style.ts';

/** A flow as plain data: its time in RFC 3339, everything else as in the sources. */
function flowData(flow: Flow): object {
  return { ...flow, time: formatTimestamp(flow.time) };
}

export const flowFormats = ['table', 'wide', 'json', 'jsonpb', 'yaml'] as const;
export type FlowFormat = (typeof flowFormats)[number];

/** Turns one response into the text to print. */
export type FlowPrinter = (response: WireFlowsResponse) => string | Promise<string>;

/** Where Hubble's clients say that events were lost. */
const places: Readonly<Record<string, string>> = {
  PERF_EVENT_RING_BUFFER: 'the kernel ring was full',
  OBSERVER_EVENTS_QUEUE: 'the proxy stream was full',
  HUBBLE_RING_BUFFER: 'the store had overwritten them, or could not read them',
};

/** For people: losses are no flows, so they don't look like one. */
export function lossText({ lost_events: lost }: WireFlowsResponse): string {
  const { source = '', num_events_lost: count = '0' } = lost ?? {};
  return `flows lost: ${count} (${places[source] ?? source})`;
}

function lossData({ lost_events: lost }: WireFlowsResponse): object {
  return { lost: { source: lost?.source ?? '', count: Number(lost?.num_events_lost ?? 0) } };
}

function linePrinter(line: (flow: Flow, style: Style) => string, style: Style): FlowPrinter {
  return (response) => {
    const text =
      response.flow === undefined
        ? style.warning(lossText(response))
        : line(flowFromWire(response.flow), style);
    return `${text}\n`;
  };
}

function dataOf(response: WireFlowsResponse): object {
  return response.flow === undefined ? lossData(response) : flowData(flowFromWire(response.flow));
}

export function flowPrinter(format: FlowFormat, style: Style): FlowPrinter {
  switch (format) {
    case 'table':
      return linePrinter(flowLine, style);
    case 'wide':
      return linePrinter(wideFlowLine, style);
    case 'json':
      return (response) => `${jsonText(dataOf(response))}\n`;
    case 'jsonpb':
      return (response) => `${jsonText(jsonpbData(response))}\n`;
    case 'yaml':
      return async (response) => `---\n${await yamlText(dataOf(response))}`;
  }
}
