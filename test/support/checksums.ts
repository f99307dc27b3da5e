// SPDX-License-Identifier: Apache-2.0

/* An HTTP server and clients that find every byte that is lost, changed or out of order, in Python. */

/** Serves HTTP/1.1 at argv[1], a thread a connection: answers each POST with the SHA-256 of its path and body. */
export const checksumServer = `
import hashlib,http.server,socket,sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version='HTTP/1.1'
    def do_POST(self):
        body=self.rfile.read(int(self.headers['Content-Length']))
        said=hashlib.sha256(self.path.encode()+body).hexdigest().encode()
        self.send_response(200); self.send_header('Content-Length',str(len(said))); self.end_headers(); self.wfile.write(said)
    def log_message(self,*_): pass
class Server(http.server.ThreadingHTTPServer):
    address_family=socket.AF_INET6; request_queue_size=1024; daemon_threads=True
Server(('::',int(sys.argv[1])),Handler).serve_forever()
`;

/**
 * Opens argv[3] connections to argv[1]:argv[2] and sends argv[4] requests over each, with random bodies of up to argv[5]
 * bytes, argv[6] of them ahead of their answers. Prints \`right wrong failed seconds\`.
 */
export const checksumClient = `
import collections,hashlib,os,random,re,socket,sys,threading,time
host,port,connections,requests,size,ahead=sys.argv[1],*map(int,sys.argv[2:7]); counts=collections.Counter()
def run(number):
    waiting=collections.deque()
    def answer():
        head=b''
        while not head.endswith(b'\\r\\n\\r\\n'):
            byte=file.read(1)
            if not byte: raise OSError('closed')
            head+=byte
        if b'Content-Length' not in head: raise OSError(head+file.read(63))
        body=file.read(int(re.search(rb'Content-Length: (\\d+)',head)[1]))
        counts['right' if head.startswith(b'HTTP/1.1 200') and body.decode()==waiting.popleft() else 'wrong']+=1
    try:
        s=socket.create_connection((host,port),60); s.setsockopt(6,1,1); file=s.makefile('rb')
        for i in range(requests):
            body=os.urandom(random.randrange(size)); path='/%d/%d'%(number,i)
            waiting.append(hashlib.sha256(path.encode()+body).hexdigest())
            s.sendall(('POST %s HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: %d\\r\\n\\r\\n'%(path,len(body))).encode()+body)
            if len(waiting)>ahead: answer()
        while waiting: answer()
    except OSError as e: counts['failed']+=1; print(e,file=sys.stderr)
start=time.time(); threads=[threading.Thread(target=run,args=(n,)) for n in range(connections)]
for t in threads: t.start()
for t in threads: t.join()
print(counts['right'],counts['wrong'],counts['failed'],round(time.time()-start,2))
`;
