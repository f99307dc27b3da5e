// SPDX-License-Identifier: Apache-2.0
import type { Flow, FlowEndpoint, FlowRule, FlowService, FlowTiming, FlowVerdict } from '../../core/flow.ts';
import { grpcStatusNames } from '../../core/http/grpc.ts';
import { escapeText } from './escape.ts';
import { formatBytes, formatDuration, formatTime } from './quantity.ts';
import type { Style } from './style.ts';

/** `shop/web:41234`, or the address with what it is: `203.0.113.9:443 (World, api.example.com)`. */
export function endpointText(end: FlowEndpoint): string {
  const { namespace, workload, address, port, entity, dnsNames = [] } = end;
  // A refused connect() had no port yet.
  const suffix = port === 0 ? '' : `:${port}`;
  if (workload !== undefined) return escapeText(`${namespace ?? ''}/${workload}${suffix}`);
  const host = address.includes(':') && port !== 0 ? `[${address}]` : address;
  const known = [...(entity === undefined ? [] : [entity]), ...dnsNames.slice(0, 1)];
  return escapeText(`${host}${suffix}${known.length === 0 ? '' : ` (${known.join(', ')})`}`);
}

/** `shop/api:80`: the Service that the client asked for. */
function serviceText({ namespace, name, port }: FlowService): string {
  return escapeText(`${namespace}/${name}${port === 0 ? '' : `:${String(port)}`}`);
}

/** `payments/checkout-may-charge`: the policy and the rule in it. */
export function ruleText({ policy, rule }: FlowRule): string {
  return escapeText(`${policy}/${rule}`);
}

/** The rule that explains the verdict: for a refusal, or what Audit would refuse, that side's. */
export function decidingRule(flow: Flow): FlowRule | undefined {
  const { verdict, direction, egressRule, ingressRule } = flow;
  const refuses = verdict === 'denied' || verdict === 'audited';
  if (refuses && direction === 'egress') return egressRule ?? ingressRule;
  return ingressRule ?? egressRule;
}

function kindText({ kind, protocol }: Flow): string {
  if (kind === 'request') return 'http-request';
  const what = kind === 'verdict' ? (protocol === 'TCP' ? 'connect' : 'flow') : kind;
  return `${protocol.toLowerCase()}-${what}`;
}

function detailText({ kind, http, duration, ...flow }: Flow): string {
  if (kind === 'close' || kind === 'open') {
    const { bytesSent, bytesReceived, boostedKib = 0, closer } = flow;
    const past = boostedKib === 0 ? '' : ` (${formatBytes(boostedKib * 1024)} boosted)`;
    const by = closer === undefined ? '' : ` by ${closer}`;
    return `${formatBytes(bytesSent)} sent ${formatBytes(bytesReceived)} received${past} ${formatDuration(duration)}${by}`;
  }
  if (http === undefined) return '';
  const parts = [http.method, http.path, ...(http.status === 0 ? [] : [String(http.status)])];
  if (http.grpcStatus !== undefined) parts.push(grpcStatusNames[http.grpcStatus] ?? 'UNKNOWN');
  if (duration > 0) parts.push(formatDuration(duration));
  return escapeText(parts.join(' '));
}

function verdictText(verdict: FlowVerdict, style: Style): string {
  const text = verdict.toUpperCase();
  if (verdict === 'allowed') return style.good(text);
  return verdict === 'audited' ? style.warning(text) : style.bad(text);
}

/** One flow on one line, in the manner of Hubble's compact output. */
export function flowLine(flow: Flow, style: Style): string {
  const rule = decidingRule(flow);
  const parts = [
    style.faint(formatTime(flow.time)),
    `${endpointText(flow.source)} → ${endpointText(flow.destination)}`,
    kindText(flow),
    detailText(flow),
    verdictText(flow.verdict, style),
    style.faint(`(${flow.path})`),
    flow.reason === 'none' ? '' : flow.reason,
    flow.service === undefined ? '' : `via ${serviceText(flow.service)}`,
    rule === undefined ? '' : ruleText(rule),
    flow.reference === undefined ? '' : `ref ${flow.reference}`,
  ];
  return parts.filter((part) => part !== '').join('  ');
}

function namedRule(label: string, rule: FlowRule | undefined): string {
  if (rule === undefined) return '';
  const place =
    rule.file === undefined ? '' : ` (${rule.file}${rule.line === undefined ? '' : `:${rule.line}`})`;
  return `${label}=${escapeText(`${rule.kind} ${rule.namespace}/${rule.policy}/${rule.rule}${place}`)}`;
}

function timingText({ request, server, response }: FlowTiming): string {
  return `request ${formatDuration(request)} server ${formatDuration(server)} response ${formatDuration(response)}`;
}

/** The line and, after it, all else that is known of the flow. */
export function wideFlowLine(flow: Flow, style: Style): string {
  const { source, destination, http, rtt, retransmits, timing, trace } = flow;
  const more = [
    `from ${source.address} identity ${source.identity}`,
    `to ${destination.address} identity ${destination.identity}`,
    http === undefined || http.host === '' ? '' : `host ${escapeText(http.host)}`,
    http?.isHttp2 === true ? 'HTTP/2' : '',
    namedRule('egress', flow.egressRule),
    namedRule('ingress', flow.ingressRule),
    `side ${flow.direction}`,
    `connection ${flow.connection}`,
    timing === undefined ? '' : timingText(timing),
    trace === undefined ? '' : `trace ${trace.id} parent ${trace.parent}`,
    rtt === 0 ? '' : `rtt ${formatDuration(rtt * 1000)}`,
    retransmits === 0 ? '' : `retransmits ${retransmits}`,
  ];
  return [flowLine(flow, style), ...more.filter((part) => part !== '')].join('  ');
}
