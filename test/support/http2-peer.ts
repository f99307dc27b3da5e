// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { END_STREAM, Frame, frame, literals, PREFACE } from './http2-frames.ts';
import { until } from './lab.ts';

const HEAD_BYTES = 9;
const END_HEADERS = 4;
const INITIAL_WINDOW_SIZE = 4;

interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** One end of an HTTP/2 connection that says what a test wants, and keeps what it hears, frame by frame. */
export class FramePeer {
  readonly socket: Socket;
  readonly frames: SeenFrame[] = [];
  private bytes = Buffer.alloc(0);

  /**
   * @param isServer the other end says its preface first
   * @param window how many bytes each stream may send it, unless told
   */
  constructor(socket: Socket, isServer: boolean, window = 65535) {
    this.socket = socket;
    let preface = isServer ? PREFACE.length : 0;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const skipped = Math.min(preface, chunk.length);
      preface -= skipped;
      this.bytes = Buffer.concat([this.bytes, chunk.subarray(skipped)]);
      this.takeFrames();
    });
    if (!isServer) socket.write(PREFACE);
    const settings = Buffer.concat([Buffer.from([0, INITIAL_WINDOW_SIZE]), uint32(window)]);
    socket.write(frame(Frame.settings, 0, 0, settings));
  }

  /** Begins a response, or a request's trailers, and goes on. */
  headers(stream: number, fields: readonly (readonly [string, string])[], flags = 0): void {
    this.socket.write(frame(Frame.headers, END_HEADERS | flags, stream, literals(fields)));
  }

  data(stream: number, text: string, flags = 0): void {
    this.socket.write(frame(Frame.data, flags, stream, Buffer.from(text)));
  }

  reset(stream: number, code: number): void {
    this.socket.write(frame(Frame.reset, 0, stream, uint32(code)));
  }

  goaway(lastStream: number, code: number): void {
    this.socket.write(frame(Frame.goaway, 0, 0, Buffer.concat([uint32(lastStream), uint32(code)])));
  }

  /** Lets a stream send so many bytes more. */
  window(stream: number, bytes: number): void {
    this.socket.write(frame(Frame.window, 0, stream, uint32(bytes)));
  }

  /** All data of a stream so far. */
  text(stream: number): string {
    return Buffer.concat(this.of(stream, Frame.data).map(({ payload }) => payload)).toString();
  }

  of(stream: number, type: number): SeenFrame[] {
    return this.frames.filter((one) => one.stream === stream && one.type === type);
  }

  /** The other end has said that the stream is whole. */
  hasEnded(stream: number): boolean {
    return this.frames.some(
      ({ flags, stream: of, type }) =>
        of === stream && (type === Frame.data || type === Frame.headers) && (flags & END_STREAM) !== 0,
    );
  }

  /** Waits until so many frames of a type have come on a stream. */
  async heard(stream: number, type: number, count = 1): Promise<void> {
    await until(`frame ${type} on stream ${stream}`, () => this.of(stream, type).length >= count);
  }

  private takeFrames(): void {
    for (;;) {
      if (this.bytes.length < HEAD_BYTES) return;
      const end = HEAD_BYTES + this.bytes.readUIntBE(0, 3);
      if (this.bytes.length < end) return;
      const [type = 0, flags = 0] = this.bytes.subarray(3, 5);
      const payload = this.bytes.subarray(HEAD_BYTES, end);
      this.frames.push({ type, flags, stream: this.bytes.readUInt32BE(5), payload });
      this.bytes = this.bytes.subarray(end);
    }
  }
}

/** A server of which a test writes each frame. */
export class FrameServer {
  readonly peers: FramePeer[] = [];
  private readonly server: Server;

  private constructor() {
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      this.peers.push(new FramePeer(socket, true));
    });
  }

  static async start(): Promise<FrameServer> {
    const one = new FrameServer();
    one.server.listen(0, '127.0.0.1');
    await once(one.server, 'listening');
    return one;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The latest connection, once a request has come on it. */
  async asked(stream = 1): Promise<FramePeer> {
    await until('a request', () => this.peers.at(-1)?.of(stream, Frame.headers).length === 1);
    return this.peers.at(-1) as FramePeer;
  }

  close(): void {
    for (const { socket } of this.peers) socket.destroy();
    this.server.close();
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
