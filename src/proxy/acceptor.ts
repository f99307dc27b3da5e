// SPDX-License-Identifier: Apache-2.0
import { flowKind } from '../core/abi/flow.ts';
import { direction, verdict } from '../core/abi/policy.ts';
import { reason } from '../core/abi/reason.ts';
import { AddressCache, isLoopback } from './address.ts';
import type { Context } from './context.ts';
import { Exchange } from './exchange.ts';
import { flowTemplate } from './flows.ts';
import { Greeting } from './http2/greeting.ts';
import { Mode } from './policy.ts';
import type { AddressOwner, Kernel, SocketFactory, Steering } from './ports.ts';
import { Relay } from './relay.ts';
import type { Listener, Route } from './route.ts';
import type { Routes } from './routes.ts';
import type { Session } from './session.ts';
import { Tap } from './tap.ts';

const TWO32 = 0x100000000n;

/** The client's socket, and what it asked for. */
type Origin = Pick<Steering, 'clientCookieLow' | 'clientCookieHigh' | 'service'>;
const nobody: Origin = { clientCookieLow: 0, clientCookieHigh: 0, service: 0 };

/** Decides what becomes of an accepted connection. */
export class Acceptor {
  private readonly context: Context;
  private readonly kernel: Kernel;
  private readonly sockets: SocketFactory;
  private readonly routes: Routes;
  private readonly steering: Steering = {
    clientCookieLow: 0,
    clientCookieHigh: 0,
    address: new Uint8Array(16),
    port: 0,
    family: 4,
    sourceWorkload: 0,
    sourceIdentity: 0,
    destinationWorkload: 0,
    destinationIdentity: 0,
    egressRule: 0,
    ingressRule: 0,
    service: 0,
  };
  private readonly addresses = new AddressCache();
  /** Of the address that is being read. */
  private readonly bytes = new Uint8Array(16);
  private readonly owner: AddressOwner = { identity: 0, workload: 0 };

  constructor(context: Context, kernel: Kernel, sockets: SocketFactory, routes: Routes) {
    this.context = context;
    this.kernel = kernel;
    this.sockets = sockets;
    this.routes = routes;
  }

  accept(slot: number, fd: number, listener: Listener): void {
    if (listener.direction === 'outbound') this.outbound(slot, fd, listener);
    else this.inbound(slot, fd, listener);
  }

  /** From a workload of this node; the kernel's word says where to. */
  private outbound(slot: number, fd: number, listener: Listener): void {
    const { steering } = this;
    if (!this.kernel.readSteering(fd, steering)) {
      this.unsteered(slot, fd, listener);
      return;
    }
    const port = this.sockets.peerInto(fd, this.bytes);
    const client = this.addresses.keep(this.bytes);
    // A client that chose no address sits on loopback now; the server sees what routing would have chosen.
    const route = this.routes.get(listener, steering, steering.address, isLoopback(client) ? null : client);
    this.begin({
      client: slot,
      route,
      clientAddress: route.sourceAddress,
      clientPort: port,
      template: this.templateOf(route, route.sourceAddress, port, steering),
    });
  }

  /** From elsewhere, to a workload of this node; the socket's own address is where to. */
  private inbound(slot: number, fd: number, listener: Listener): void {
    const clientPort = this.sockets.peerInto(fd, this.bytes);
    const client = this.addresses.keep(this.bytes);
    const port = this.sockets.localInto(fd, this.bytes);
    const destination = this.addresses.keep(this.bytes);
    if (isLoopback(destination)) {
      this.unsteered(slot, fd, listener); // a process of the pod itself found the port
      return;
    }
    this.kernel.readOwner(client, this.owner);
    const parties = {
      sourceWorkload: 0,
      sourceIdentity: this.owner.identity,
      destinationWorkload: listener.workload,
      destinationIdentity: listener.identity,
      port,
    };
    // The same address at both ends is what sk_lookup lets through to the application.
    const route = this.routes.get(listener, parties, destination, destination);
    const cookie = this.sockets.cookie(fd);
    const origin = {
      clientCookieLow: Number(cookie % TWO32),
      clientCookieHigh: Number(cookie / TWO32),
      service: 0,
    };
    this.begin({
      client: slot,
      route,
      clientAddress: client,
      clientPort,
      template: this.templateOf(route, client, clientPort, origin),
    });
  }

  private begin(session: Session): void {
    const { context } = this;
    const { route } = session;
    const ruling = route.rulingOf(context.policy);
    // A client of HTTP holds a server's socket from its first request on; silent ones cost one.
    const sockets = ruling.mode === Mode.http ? 1 : 2;
    if (ruling.mode === Mode.deny) this.refuse(session, ruling.reason);
    else if (!this.hasRoom(route, sockets)) this.refuse(session, reason['connection-limit']);
    else if (ruling.mode === Mode.allow) Relay.start(session, context);
    else if (ruling.mode === Mode.observe) Tap.start(session, context);
    else if (context.rules.takesHttp2(ruling)) new Greeting(session, context);
    else new Exchange(session, context);
  }

  private hasRoom({ share }: Route, sockets: number): boolean {
    const { budget, limits } = this.context;
    return share.connections < limits.connectionsPerWorkload && budget.admits(share, sockets);
  }

  /** Nobody may use the listener as a relay of his own. */
  private unsteered(slot: number, fd: number, listener: Listener): void {
    const clientPort = this.sockets.peerInto(fd, this.bytes);
    const client = this.addresses.keep(this.bytes);
    const parties = {
      sourceWorkload: listener.workload,
      sourceIdentity: listener.identity,
      destinationWorkload: 0,
      destinationIdentity: 0,
      port: 0,
    };
    const route = this.routes.get(listener, parties, client, client);
    const template = this.templateOf(route, client, clientPort, nobody);
    const session = { client: slot, route, clientAddress: client, clientPort, template };
    this.refuse(session, reason['not-steered']);
  }

  private refuse(session: Session, why: number): void {
    const { context } = this;
    const ruling = session.route.rulingOf(context.policy);
    const facts = context.flows.begin(flowKind.verdict);
    facts.reason = why;
    facts.verdict = verdict.denied;
    facts.egressRule = ruling.egress.rule;
    facts.ingressRule = ruling.ingress.rule;
    context.flows.write(session.template, context.nowNs);
    context.counters.drop(why);
    context.reactor.reset(session.client);
    context.templates.giveBack(session.template);
  }

  private templateOf(route: Route, client: Uint8Array, port: number, origin: Origin): Uint8Array {
    const fields = {
      cookieLow: origin.clientCookieLow,
      cookieHigh: origin.clientCookieHigh,
      sourceAddress: client,
      destinationAddress: route.destinationAddress,
      sourcePort: port,
      destinationPort: route.destinationPort,
      sourceIdentity: route.sourceIdentity,
      destinationIdentity: route.destinationIdentity,
      sourceWorkload: route.sourceWorkload,
      destinationWorkload: route.destinationWorkload,
      direction: route.listener.direction === 'outbound' ? direction.egress : direction.ingress,
      family: route.family,
      service: origin.service,
    };
    return flowTemplate(fields, this.context.templates.take());
  }
}
