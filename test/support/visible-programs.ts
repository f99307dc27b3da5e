// SPDX-License-Identifier: Apache-2.0
import type { ReasonName } from '../../src/core/reasons.ts';

/** What listens on which port of `visibleServers`. */
export const VISIBLE = { greeter: 7000, sink: 7001, socket: 7002, tls: 7003, tunnel: 7004 } as const;

/**
 * Servers of protocols that aren't plain HTTP, each on its port. `greeter` speaks first, then echoes. `sink` reads to the end and
 * answers with length and digest of all. `socket` takes an upgrade and echoes from then on. `tls` is HTTP within
 * TLS, with the certificate in the file that is named. `tunnel` takes CONNECT and echoes.
 */
export const visibleServers = `
import hashlib,socket,socketserver,ssl,sys,threading
class Echo(socketserver.BaseRequestHandler):
    hello=b''; head=b''
    def handle(self):
        s=self.request; s.setsockopt(socket.SOL_SOCKET,socket.SO_OOBINLINE,1)
        if self.hello: s.sendall(self.hello)
        if self.head:
            got=b''
            while b'\\r\\n\\r\\n' not in got: got+=s.recv(65536)
            s.sendall(self.head)
        while d:=s.recv(65536): s.sendall(d)
class Greeter(Echo): hello=b'ready\\n'
class Socket(Echo): head=b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n'
class Tunnel(Echo): head=b'HTTP/1.1 200 OK\\r\\n\\r\\n'
class Sink(socketserver.BaseRequestHandler):
    def handle(self):
        s=self.request; s.setsockopt(socket.SOL_SOCKET,socket.SO_OOBINLINE,1); h=hashlib.sha1(); n=0
        while d:=s.recv(1<<18): h.update(d); n+=len(d)
        s.sendall(b'%d %s'%(n,h.hexdigest().encode()))
class Tls(socketserver.BaseRequestHandler):
    def handle(self):
        with context.wrap_socket(self.request,server_side=True) as s:
            got=b''
            while b'\\r\\n\\r\\n' not in got: got+=s.recv(65536)
            s.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok')
class Server(socketserver.ThreadingTCPServer): address_family=socket.AF_INET6; allow_reuse_address=True; daemon_threads=True
context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[1])
for port,handler in ((7000,Greeter),(7001,Sink),(7002,Socket),(7003,Tls),(7004,Tunnel)):
    threading.Thread(target=Server(('::',port),handler).serve_forever).start()
`;

/**
 * A client of one of them: \`ADDRESS PORT BEGIN MIB OPTION\`. Sends the bytes BEGIN (with escapes), waits for an answer if it is an
 * upgrade, and then so much of bytes that nobody can guess; what echoes must be the same. Prints 'ok', or what was wrong.
 */
export const visibleClient = `
import hashlib,os,re,socket,sys,threading,time
address,port,begin,mib,option=sys.argv[1],int(sys.argv[2]),sys.argv[3].encode().decode('unicode_escape').encode('latin1'),int(sys.argv[4]),sys.argv[5]
s=socket.create_connection((address,port),10); s.settimeout(60)
block=os.urandom(1<<20); sent,got=hashlib.sha1(),hashlib.sha1(); total=0
def read_until(mark):
    d=b''
    while mark not in d: d+=s.recv(1)
    return d
if port==7000: assert read_until(b'\\n')==b'ready\\n'
if option=='urgent':
    s.sendall(begin[:4]); s.send(b'!',socket.MSG_OOB); s.sendall(begin[4:]); begin=begin[:4]+b'!'+begin[4:]
elif option=='bytes':
    s.setsockopt(socket.IPPROTO_TCP,socket.TCP_NODELAY,1)
    for b in begin: s.send(bytes([b])); time.sleep(.001)
else: s.sendall(begin)
if port in (7002,7004): print(read_until(b'\\r\\n\\r\\n').split()[1].decode(),flush=True)
else: sent.update(begin); total+=len(begin)
def write():
    global total
    for _ in range(mib): s.sendall(block); sent.update(block); total+=len(block)
    s.shutdown(socket.SHUT_WR)
t=threading.Thread(target=write); t.start()
answer=b''; n=0
while d:=s.recv(1<<18):
    if port==7001: answer+=d
    else: got.update(d); n+=len(d)
t.join()
if port==7001: print('ok' if answer==b'%d %s'%(total,sent.hexdigest().encode()) else 'other bytes')
else: print('ok' if (n,got.digest())==(total,sent.digest()) else '%d of %d bytes'%(n,total))
`;

interface NotHttp {
  readonly what: string;
  readonly port: number;
  /** What the client sends first, with escapes. */
  readonly begin: string;
  readonly mib?: number;
  readonly option?: 'urgent';
  /** Why the flows call it opaque. */
  readonly reason: ReasonName;
  readonly answer?: readonly string[];
}

const get = (more: string): string => `GET /not-http HTTP/1.1\\r\\nHost: a\\r\\n${more}\\r\\n`;

/** Streams that begin like HTTP, or not, and aren't; all of them must pass as they are. */
export const notHttp: readonly NotHttp[] = [
  {
    what: 'a server that speaks first',
    port: VISIBLE.greeter,
    begin: 'hi',
    mib: 16,
    reason: 'opaque-server-first',
  },
  {
    what: 'bytes that are no HTTP',
    port: VISIBLE.sink,
    begin: '\\x00\\x01',
    mib: 64,
    reason: 'http-malformed',
  },
  {
    what: 'an HTTP/2 preface',
    port: VISIBLE.sink,
    begin: 'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n',
    reason: 'opaque-http2',
  },
  {
    what: 'WebSocket',
    port: VISIBLE.socket,
    begin: get('Connection: Upgrade\\r\\nUpgrade: websocket\\r\\n'),
    mib: 16,
    reason: 'opaque-upgraded',
    answer: ['101', 'ok'],
  },
  {
    what: 'CONNECT',
    port: VISIBLE.tunnel,
    begin: 'CONNECT a:1 HTTP/1.1\\r\\nHost: a:1\\r\\n\\r\\n',
    reason: 'opaque-upgraded',
    answer: ['200', 'ok'],
  },
  {
    what: 'an end inside a head',
    port: VISIBLE.sink,
    begin: 'GET /half HTTP/1.1\\r\\nHo',
    mib: 0,
    reason: 'http-truncated',
  },
  {
    what: 'an ambiguous length',
    port: VISIBLE.sink,
    begin: get('Content-Length: 1\\r\\nContent-Length: 1\\r\\n'),
    reason: 'http-framing',
  },
  {
    what: 'an urgent byte',
    port: VISIBLE.sink,
    begin: get(''),
    option: 'urgent',
    reason: 'stream-position-lost',
  },
];
