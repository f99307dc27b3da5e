// SPDX-License-Identifier: Apache-2.0
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { reason } from '../../src/core/abi/reason.ts';
import type { RuleSet } from '../../src/core/automaton/rules.ts';
import { until } from './lab.ts';
import { type ProxyOptions, TestProxy } from './proxy-engine.ts';

export const everything: RuleSet = [{ rule: 5, action: 'Allow', matches: [] }];

/** A server that shows the bytes it got and says what a test wants it to. */
export class RawServer {
  readonly connections: Socket[] = [];
  /** All that came, by connection. */
  readonly received: string[] = [];
  /** Called with each connection's bytes so far whenever more have come. */
  onBytes: (socket: Socket, all: string, connection: number) => void = () => {};
  onConnect: (socket: Socket, connection: number) => void = () => {};
  private readonly server: Server;

  constructor() {
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      const index = this.connections.push(socket) - 1;
      this.received.push('');
      socket.on('error', () => {});
      socket.on('data', (chunk: Buffer) => {
        this.received[index] = (this.received[index] ?? '') + chunk.toString('latin1');
        this.onBytes(socket, this.received[index] ?? '', index);
      });
      this.onConnect(socket, index);
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  /** Answers each request head, wherever it ends, with the same bytes. */
  answer(response: string): void {
    const answered: number[] = [];
    this.onBytes = (socket, all, connection) => {
      const heads = all.split('\r\n\r\n').length - 1;
      for (let n = answered[connection] ?? 0; n < heads; n++) socket.write(response, 'latin1');
      answered[connection] = heads;
    };
  }

  close(): void {
    for (const socket of this.connections) socket.destroy();
    this.server.close();
  }
}

/** A client's raw connection. */
export class RawClient {
  readonly socket: Socket;
  text = '';
  ended = false;
  wasReset = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => (this.text += chunk.toString('latin1')));
    socket.on('end', () => (this.ended = true));
    socket.on('error', () => (this.wasReset = true));
    this.wasReset = socket.destroyed;
  }

  write(text: string): void {
    this.socket.write(text, 'latin1');
  }

  async sees(text: string | RegExp): Promise<void> {
    const found = (): boolean => (typeof text === 'string' ? this.text.includes(text) : text.test(this.text));
    await until(`${String(text)} in ${JSON.stringify(this.text)}`, found, 4000).catch(() => {
      throw new Error(`no ${String(text)} in ${JSON.stringify(this.text)}`);
    });
  }

  async seesEnd(): Promise<void> {
    await until(`the end after ${JSON.stringify(this.text)}`, () => this.ended || this.wasReset, 4000);
  }
}

/** A proxy between raw clients and a raw server. */
export class Wire {
  readonly server = new RawServer();
  private made: TestProxy | undefined;
  private readonly clients: RawClient[] = [];

  static async open(options: Partial<ProxyOptions> = {}): Promise<Wire> {
    const wire = new Wire();
    const serverPort = await wire.server.listen();
    wire.made = new TestProxy({ rules: everything, ...options, serverPort });
    return wire;
  }

  get proxy(): TestProxy {
    if (this.made === undefined) throw new Error('not open');
    return this.made;
  }

  async client(): Promise<RawClient> {
    const client = new RawClient(await this.proxy.connect());
    this.clients.push(client);
    return client;
  }

  /** Sends bytes on a connection of their own; what came back when it ended. */
  async exchange(request: string): Promise<string> {
    const client = await this.client();
    client.write(request);
    await client.seesEnd();
    return client.text;
  }

  drops(name: keyof typeof reason): number {
    return this.proxy.drops(reason[name]);
  }

  /** Closes everything; a fault of the proxy itself fails the test. */
  close(): void {
    for (const { socket } of this.clients) socket.destroy();
    this.server.close();
    this.proxy.close();
    if (this.proxy.faults.length > 0) throw this.proxy.faults[0];
  }
}

/** Opens a wire for a test and closes it, whatever happens. */
export function withWire(
  run: (wire: Wire) => Promise<void>,
  options: Partial<ProxyOptions> = {},
): () => Promise<void> {
  return async () => {
    const wire = await Wire.open(options);
    try {
      await run(wire);
    } finally {
      wire.close();
    }
  };
}

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
export const get = (path: string, ...lines: string[]): string =>
  [`GET ${path} HTTP/1.1`, 'Host: shop', ...lines, '', ''].join('\r\n');
