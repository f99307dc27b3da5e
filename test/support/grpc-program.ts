// SPDX-License-Identifier: Apache-2.0
// A gRPC server and its clients, as people write them. usage: grpc-program.ts server PORT | client, pay or hold ADDRESS
import { once } from 'node:events';
import {
  type CallOptions,
  Client,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceError,
} from '@grpc/grpc-js';

const SERVICE = '/shop.v1.Payments/';
const same = (bytes: Buffer): Buffer => bytes;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `${SERVICE}${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const definition = {
  charge: method('Charge', false, false),
  refund: method('Refund', false, false),
  list: method('List', false, true),
  upload: method('Upload', true, false),
  talk: method('Talk', true, true),
  slow: method('Slow', false, false),
  cancelled: method('Cancelled', false, false),
};
/** More than one window of HTTP/2, and below gRPC's own limit. */
const BIG = 3 << 20;
const MESSAGES = 500;

const echo: handleUnaryCall<Buffer, Buffer> = ({ request }, done) => done(null, request);
const list: handleServerStreamingCall<Buffer, Buffer> = (call) => {
  for (let i = 0; i < MESSAGES; i++) call.write(Buffer.from(`message ${i}`));
  call.end();
};
const upload: handleClientStreamingCall<Buffer, Buffer> = (call, done) => {
  let bytes = 0;
  call.on('data', (message: Buffer) => (bytes += message.length));
  call.on('end', () => done(null, Buffer.from(String(bytes))));
};
const talk: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  call.on('data', (message: Buffer) => call.write(message));
  call.on('end', () => call.end());
};

function serve(port: string): void {
  const server = new Server();
  /** Calls of Slow that were cancelled. */
  let cancelled = 0;
  const slow: handleUnaryCall<Buffer, Buffer> = (call) => {
    call.on('cancelled', () => cancelled++);
  };
  const count: handleUnaryCall<Buffer, Buffer> = (_call, done) => done(null, Buffer.from(String(cancelled)));
  const handlers = { charge: echo, refund: echo, list, upload, talk, slow, cancelled: count };
  server.addService(definition, handlers);
  server.bindAsync(`[::]:${port}`, ServerCredentials.createInsecure(), (error) => {
    if (error !== null) throw error;
  });
}

class Payments {
  private readonly client: Client;

  constructor(address: string) {
    this.client = new Client(address, credentials.createInsecure());
  }

  unary(name: string, body: Buffer, options: CallOptions = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const path = `${SERVICE}${name}`;
      this.client.makeUnaryRequest(path, same, same, body, options, (error, answer) => {
        if (error === null && answer !== undefined) resolve(answer);
        else reject(error ?? new Error('no answer'));
      });
    });
  }

  async list(): Promise<number> {
    const call = this.client.makeServerStreamRequest(`${SERVICE}List`, same, same, Buffer.alloc(0));
    let messages = 0;
    call.on('data', () => messages++);
    await once(call, 'end');
    return messages;
  }

  upload(): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = this.client.makeClientStreamRequest(`${SERVICE}Upload`, same, same, (error, answer) => {
        if (error === null) resolve(String(answer));
        else reject(error);
      });
      for (let i = 0; i < MESSAGES; i++) call.write(Buffer.alloc(10_000));
      call.end();
    });
  }

  async talk(): Promise<number> {
    const call = this.client.makeBidiStreamRequest(`${SERVICE}Talk`, same, same);
    let turns = 0;
    for (; turns < 50; turns++) {
      call.write(Buffer.from(`turn ${turns}`));
      const [answer] = (await once(call, 'data')) as [Buffer];
      if (String(answer) !== `turn ${turns}`) throw new Error(`answered ${String(answer)}`);
    }
    call.end();
    await once(call, 'end');
    return turns;
  }

  /** Keeps a call open, says when it is, and how it ended. */
  async hold(): Promise<void> {
    const call = this.client.makeBidiStreamRequest(`${SERVICE}Talk`, same, same);
    const ended = new Promise((resolve) => call.on('error', resolve));
    call.write(Buffer.from('hello'));
    await once(call, 'data');
    process.stdout.write('open\n');
    process.stdout.write(`${codeOf(await ended)}\n`);
  }

  close(): void {
    this.client.close();
  }
}

const codeOf = (error: unknown): string => {
  const { code, details } = error as ServiceError;
  return `${code} ${details}`;
};

async function ask(address: string): Promise<void> {
  const payments = new Payments(address);
  const big = await payments.unary('Charge', Buffer.alloc(BIG, 'b'));
  const report = {
    unary: String(await payments.unary('Charge', Buffer.from('ten'))),
    big: big.length,
    list: await payments.list(),
    upload: await payments.upload(),
    talk: await payments.talk(),
    refused: await payments.unary('Refund', Buffer.from('x')).catch(codeOf),
    deadline: await payments.unary('Slow', Buffer.from('x'), { deadline: Date.now() + 300 }).catch(codeOf),
    missing: await payments.unary('Missing', Buffer.from('x')).catch(codeOf),
    cancelled: String(await payments.unary('Cancelled', Buffer.alloc(0))),
  };
  process.stdout.write(JSON.stringify(report));
  payments.close();
}

/** One call that is allowed, and one that is refused. */
async function pay(address: string): Promise<void> {
  const payments = new Payments(address);
  await payments.unary('Charge', Buffer.from('ten'));
  await payments.unary('Refund', Buffer.from('ten')).catch(codeOf);
  payments.close();
}

const [role, argument = ''] = process.argv.slice(2);
if (role === 'server') serve(argument);
else if (role === 'pay') await pay(argument);
else if (role === 'hold') await new Payments(argument).hold();
else await ask(argument);
