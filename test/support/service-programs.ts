// SPDX-License-Identifier: Apache-2.0

/** Serves TCP on all addresses at each port given: sends its own address and port, then echoes. */
export const namingServer = `
import socket,sys,threading
def serve(c):
    try:
        c.sendall(('%s %d' % c.getsockname()[:2]).replace('::ffff:','').encode())
        while True:
            d=c.recv(100)
            if not d: break
            c.sendall(d)
    except OSError: pass
    c.close()
def listen(p):
    s=socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
    s.bind(('::',p)); s.listen(64)
    while True: threading.Thread(target=serve,args=(s.accept()[0],),daemon=True).start()
for p in sys.argv[2:]: threading.Thread(target=listen,args=(int(p),)).start()
listen(int(sys.argv[1]))
`;

/** Answers datagrams on argv[1]:argv[2] with that address. */
export const namingDatagrams = `
import socket,sys
h=sys.argv[1]; s=socket.socket(socket.AF_INET6 if ':' in h else socket.AF_INET,socket.SOCK_DGRAM); s.bind((h,int(sys.argv[2])))
while True:
    d,a=s.recvfrom(2000); s.sendto((h+' '+sys.argv[2]).encode(),a)
`;

/** Connects to argv[1]:argv[2], argv[3] times; prints who answered, and getpeername(), each different line once. */
export const serviceClient = `
import socket,sys,errno
h=sys.argv[1]; seen=set()
for turn in range(int(sys.argv[3])):
    s=socket.socket(socket.AF_INET6 if ':' in h else socket.AF_INET); s.settimeout(3)
    try:
        s.connect((h,int(sys.argv[2]))); seen.add(s.recv(200).decode()+' peer %s %d'%s.getpeername()[:2])
    except OSError as e: seen.add(errno.errorcode.get(e.errno,type(e).__name__))
    s.close()
print('\\n'.join(sorted(seen)))
`;

/**
 * Sends datagrams as its input says, one a line: `ADDRESS PORT`, to a socket without a peer, or if argv[1] is `connected` to
 * the first one's. Prints for each who answered, and from whom it seemed to come.
 */
export const datagramClient = `
import socket,sys,errno
connected=sys.argv[1]=='connected'; s=None
for line in sys.stdin:
    h,p=line.split(); p=int(p)
    if s is None:
        s=socket.socket(socket.AF_INET6 if ':' in h else socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(0.7)
    try:
        if connected:
            try: s.getpeername()
            except OSError: s.connect((h,p))
            s.send(b'hi'); d,a=s.recvfrom(200); seen='peer %s %d'%s.getpeername()[:2]
            assert seen=='peer %s %d'%a[:2]
        else: s.sendto(b'hi',(h,p)); d,a=s.recvfrom(200); seen='from %s %d'%a[:2]
        print(d.decode(),seen,flush=True)
    except socket.timeout: print('silence',flush=True)
    except OSError as e: print(errno.errorcode.get(e.errno,type(e).__name__),flush=True)
`;

/** Connects to argv[1]:argv[2], says so, and waits until the connection ends; prints how. */
export const waitingClient = `
import socket,sys,errno
h=sys.argv[1]; s=socket.socket(socket.AF_INET6 if ':' in h else socket.AF_INET,socket.SOCK_DGRAM if sys.argv[3:]==['UDP'] else socket.SOCK_STREAM)
s.connect((h,int(sys.argv[2]))); print('open',flush=True)
if s.type==socket.SOCK_STREAM: s.recv(200)
try: print('end' if s.recv(1)==b'' else 'data',flush=True)
except OSError as e: print(errno.errorcode.get(e.errno),flush=True)
`;

/** Serves HTTP/1.1 on all addresses at argv[1]. */
export const httpServer = `
import http.server,socket,sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version='HTTP/1.1'
    def do_GET(self):
        self.send_response(200); self.send_header('Content-Length','2'); self.end_headers(); self.wfile.write(b'ok')
    def log_message(self,*a): pass
class Server(http.server.ThreadingHTTPServer): address_family=socket.AF_INET6
Server(('::',int(sys.argv[1])),Handler).serve_forever()
`;

/** GETs from `argv[1]` port `argv[2]`, `argv[3]` times on one connection; prints the statuses. */
export const httpClient = `
import http.client,sys
c=http.client.HTTPConnection(sys.argv[1],int(sys.argv[2]),timeout=5)
for turn in range(int(sys.argv[3])):
    c.request('GET','/'); r=c.getresponse(); r.read(); print(r.status)
c.close()
`;
