// SPDX-License-Identifier: Apache-2.0

/**
 * Both ends of connections whose every byte is known, in Python with non-blocking sockets. `serve PORT [splice]`, or
 * `connect ADDRESS PORT PLAN`, where the plan is JSON: `seed`; bytes `up` and `down`; `least` and `most` bytes of one
 * send; `buffer` bytes of each socket buffer; `cork`; `edge`: edge-triggered, stops at a short read; `pause` ms that
 * the reader waits once in the middle; `blocking`; `splice`: the server, the client or both read so; `threads` that
 * send at once; `lowat`: SO_RCVLOWAT of the client; `signals`: the client is interrupted every ms; `file`: sends by sendfile; `urgent`: now and then
 * a byte by MSG_OOB, taken in line; `aio`: the client waits by io_submit; `taken`: the client is in a sockmap of its own;
 * `multipath`: the client's socket is Multipath TCP, made before it prints 'made' and waits for a line, which the server's is by a
 * last argument `multipath`; `zero`: sends by MSG_ZEROCOPY, which means something once SO_ZEROCOPY is set: `late`, before the first. The client prints 'ready', waits for a line, prints 'ok', or what was wrong; so does the server.
 */
export const streamPeer = `
import ctypes,json,os,random,select,signal,socket,struct,sys,threading,time
class Source:
    def __init__(self,seed,total): self.seed,self.left,self.block,self.have=seed,total,0,b''
    def take(self,n):
        n=min(n,self.left)
        while len(self.have)<n:
            self.have+=random.Random(self.seed*1000003+self.block).randbytes(65536); self.block+=1
        d,self.have=self.have[:n],self.have[n:]; self.left-=n
        return d
def blocking(s,plan,out,into):
    rng=random.Random(plan['seed'])
    def send():
        while out.left: s.sendall(out.take(rng.randint(plan['least'],plan['most'])))
        s.shutdown(socket.SHUT_WR)
    t=threading.Thread(target=send); t.start()
    while True:
        d=s.recv(65536)
        if not d: break
        if d!=into.take(len(d)): return 'other bytes'
    t.join()
    return 'ok' if not into.left else '%d bytes missing'%into.left
def splicing(s,plan,out,into):
    r,w=os.pipe(); s.setblocking(False)
    rest=memoryview(out.take(out.left)); done=ended=wrong=False
    p=select.poll(); p.register(s,select.POLLIN|select.POLLOUT); end=time.time()+20
    while time.time()<end and not (done and ended):
        events=p.poll(1000)[0:1]
        if not events: continue
        if events[0][1]&select.POLLOUT and not done:
            try: rest=rest[s.send(rest[:65536]):]
            except BlockingIOError: pass
            if not len(rest): s.shutdown(socket.SHUT_WR); done=True; p.modify(s,0 if ended else select.POLLIN)
        if events[0][1]&(select.POLLIN|select.POLLHUP) and not ended:
            try: n=os.splice(s.fileno(),w,65536)
            except BlockingIOError: time.sleep(.001); continue
            if not n: ended=True; p.modify(s,0 if done else select.POLLOUT)
            d=b''
            while len(d)<n: d+=os.read(r,n-len(d))
            wrong|=d!=into.take(n)
    return 'other bytes' if wrong else 'ok' if not into.left else '%d bytes missing'%into.left
def run(s,plan,e,out,into,name):
    try:
        if name=='client': s.send(b'g')
        if plan.get('blocking'): return blocking(s,plan,out,into)
        if name in plan.get('splice',''): return splicing(s,plan,out,into)
        return stream(s,plan,e,out,into)
    except OSError as e: return type(e).__name__
def stream(s,plan,e,out,into):
    rng=random.Random(plan['seed']+1); edge=plan.get('edge'); half=into.left//2; pause=plan.get('pause',0)/1000
    both=select.EPOLLIN|select.EPOLLOUT|select.EPOLLRDHUP; last=False; e.modify(s,both|select.EPOLLET if edge else both)
    rest=memoryview(b''); shut=False; ended=False; corked=False
    while not (shut and ended):
        for fd,ev in e.poll(30) or sys.exit('no event for 30 s, %d to send, %d to come'%(out.left+len(rest),into.left)):
            if ev&select.EPOLLOUT and not shut:
                for _ in range(1<<30 if edge else 8):
                    if not len(rest):
                        rest=memoryview(out.take(rng.randint(plan['least'],plan['most'])))
                        if plan.get('cork') and rng.random()<.1:
                            corked=not corked; s.setsockopt(socket.IPPROTO_TCP,socket.TCP_CORK,corked)
                    if not len(rest):
                        s.shutdown(socket.SHUT_WR); shut=True
                        if not edge: e.modify(s,select.EPOLLIN)
                        break
                    try: n=put(s,rest,plan,rng)
                    except BlockingIOError: break
                    short=n<len(rest); rest=rest[n:]
                    if short and not edge: break
            last|=bool(ev&select.EPOLLRDHUP)
            if ev&select.EPOLLERR and 'zero' in plan:
                try: s.recvmsg(0,1000,socket.MSG_ERRQUEUE)
                except BlockingIOError: pass
            if ev&(select.EPOLLIN|select.EPOLLHUP|select.EPOLLERR) and not ended:
                while True:
                    want=rng.randint(1,100000)
                    try: d=s.recv(want)
                    except BlockingIOError: break
                    if not d: ended=True; break
                    if d!=into.take(len(d)): return 'other bytes'
                    if pause and into.left<half: time.sleep(pause); pause=0
                    if not edge or len(d)<want and not last: break
    return 'ok' if not into.left else '%d bytes missing'%into.left
def put(s,rest,plan,rng):
    if plan.get('urgent') and rng.random()<.02: return s.send(rest[:1],socket.MSG_OOB)
    if plan.get('zero'):
        kept.append(rest)
        try: return s.send(rest,0x4000000)
        except BlockingIOError: raise
        except OSError: return s.send(rest)
    if not plan.get('file'): return s.send(rest)
    f=os.memfd_create('m')
    try: os.write(f,rest); return os.sendfile(s.fileno(),f,0,len(rest))
    finally: os.close(f)
def asynchronous(s):
    call=ctypes.CDLL(None).syscall; call.argtypes=[ctypes.c_long]+[ctypes.c_void_p]*3; queue=ctypes.c_ulong()
    block=ctypes.create_string_buffer(struct.pack('<QIIHhIQQqQII',0,0,0,5,0,s.fileno(),1,0,0,0,0,0)); kept.append(block)
    assert call(206,8,ctypes.addressof(queue),None)==0
    assert call(209,queue.value,1,ctypes.addressof(ctypes.c_void_p(ctypes.addressof(block))))==1
def taken(s):
    call=ctypes.CDLL(None).syscall; call.argtypes=[ctypes.c_long,ctypes.c_long,ctypes.c_char_p,ctypes.c_long]
    words=[ctypes.c_uint(0),ctypes.c_uint(s.fileno())]; m=call(321,0,struct.pack('<IIII',15,4,4,1).ljust(72,b'\\0'),72)
    assert m>=0 and call(321,2,struct.pack('<IIQQQ',m,0,*map(ctypes.addressof,words),0),32)==0
kept=[]
def wait(s,n):
    d=b''
    while len(d)<n:
        select.select([s],[],[])
        try: got=s.recv(n-len(d))
        except BlockingIOError: continue
        if not got: raise EOFError
        d+=got
    return d
def hello(s,name,plan):
    if 'late' not in plan.get('splice','') and name in plan.get('splice',''):
        spliced(s,1)
    else: wait(s,1)
def tune(s,plan):
    s.setblocking(bool(plan.get('blocking')))
    if 'buffer' in plan:
        for o in (socket.SO_SNDBUF,socket.SO_RCVBUF): s.setsockopt(socket.SOL_SOCKET,o,plan['buffer'])
    if plan.get('zerocopy'): s.setsockopt(socket.SOL_SOCKET,60,1)
    if 'urgent' in plan: s.setsockopt(socket.SOL_SOCKET,socket.SO_OOBINLINE,1)
    e=select.epoll(); e.register(s,select.EPOLLET if plan.get('edge') else 0)
    return e
def spliced(s,n):
    r,w=os.pipe(); d=b''
    while len(d)<n: select.select([s],[],[]); d+=os.read(r,os.splice(s.fileno(),w,n-len(d)))
    return d
def serve(s):
    try:
        s.setblocking(False); plan=json.loads((spliced if 'splice' in sys.argv else wait)(s,1000)); e=tune(s,plan); s.send(b'k'); hello(s,'server',plan)
        result=run(s,plan,e,Source(plan['seed']+1,plan['down']),Source(plan['seed'],plan['up']),'server')
    except Exception as e: result=type(e).__name__
    print(result,flush=True); s.close()
if sys.argv[1]=='serve':
    l=socket.socket(socket.AF_INET6,socket.SOCK_STREAM,262 if 'multipath' in sys.argv else 0); l.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
    l.bind(('::',int(sys.argv[2]))); l.listen(64)
    while True: threading.Thread(target=serve,args=(l.accept()[0],),daemon=True).start()
plan=json.loads(sys.argv[4]); h=sys.argv[2]
s=socket.socket(socket.AF_INET6 if ':' in h else socket.AF_INET,socket.SOCK_STREAM,262 if plan.get('multipath') else 0)
if plan.get('multipath'): print('made',flush=True); sys.stdin.readline()
s.connect((h,int(sys.argv[3]))); e=tune(s,plan)
s.sendall(json.dumps(plan).ljust(1000).encode()); hello(s,'client',plan)
if plan.get('aio'): asynchronous(s)
if plan.get('taken'): taken(s)
if 'lowat' in plan: s.setsockopt(socket.SOL_SOCKET,socket.SO_RCVLOWAT,plan['lowat'])
print('ready',flush=True); sys.stdin.readline()
if plan.get('zero')=='late': s.setsockopt(socket.SOL_SOCKET,60,1)
if plan.get('signals'): signal.signal(signal.SIGALRM,lambda *_: None); signal.setitimer(signal.ITIMER_REAL,.001,.001)
print(run(s,plan,e,Source(plan['seed'],plan['up']),Source(plan['seed']+1,plan['down']),'client'),flush=True)
`;

/**
 * An edge-triggered reader at argv[1] that takes a short read for the end of what there is: says a byte, waits for a line,
 * reads 2,000 bytes event by event and prints how many it got before 10 s without an event.
 */
export const lonelyReader = `
import select,socket,sys,time
l=socket.socket(); l.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); l.bind(('',int(sys.argv[1]))); l.listen(); c=l.accept()[0]
c.setblocking(False); e=select.epoll(); e.register(c,select.EPOLLIN|select.EPOLLET); e.poll(); c.recv(1); c.send(b'k')
sys.stdin.readline(); e.poll(10); got=0
while got<2000:
    while True:
        try: d=c.recv(65536)
        except BlockingIOError: break
        got+=len(d)
        if len(d)<65536: break
    if got<2000 and not e.poll(10): break
print(got,flush=True)
`;

/** Connects to argv[1]:argv[2], waits until it is told to go on, and sends 200 messages of 10 bytes and nothing more. */
export const lonelyWriter = `
import select,socket,sys,time
s=socket.create_connection((sys.argv[1],int(sys.argv[2]))); s.setblocking(False)
s.send(b'h'); select.select([s],[],[]); s.recv(1); print('ready',flush=True); sys.stdin.readline()
for _ in range(200): s.send(b'0123456789')
sys.stdin.readline()
`;

/** Gives back what it is sent. */
export const echoServer = (port: number): string =>
  `require('node:http').createServer((request, response) => request.pipe(response)).listen(${String(port)})`;

/** For six seconds, over one connection at a time: bodies of all sizes, compared; now and then a refused request. Argument: the server. */
export const echoClient = (port: number): string => `
const http = require('node:http'), crypto = require('node:crypto');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const ask = (path, body) => new Promise((resolve, reject) => {
  const request = http.request({ host: process.argv[1], port: ${String(port)}, path, method: 'POST', agent }, (response) => {
    const parts = [];
    response.on('data', (part) => parts.push(part)).on('end', () => resolve([response.statusCode, Buffer.concat(parts)]));
  });
  request.on('error', reject).end(body);
});
(async () => {
  const end = Date.now() + 6000, found = { same: 0, other: 0, refused: 0 };
  let forbidden = Date.now() + 2000;
  for (let turn = 0; Date.now() < end; turn += 1) {
    const body = crypto.randomBytes(1 + (turn * 7919) % 20000);
    const [status, answer] = await ask('/echo', body);
    found[status === 200 && answer.equals(body) ? 'same' : 'other'] += 1;
    if (Date.now() < forbidden) continue;
    forbidden += 2000;
    if ((await ask('/admin', 'x').catch(({ code }) => [code]))[0].toString().match(/403|ECONNRESET/)) found.refused += 1;
  }
  console.log(JSON.stringify(found));
  process.exit();
})().catch((error) => { console.log(error.message); process.exit(1); });
`;

/** Answers requests, and prints those that policy refuses. */
export const refusalServer = (
  port: number,
): string => `require('node:http').createServer((request, response) => {
  if (request.url !== '/good') console.log(request.url);
  request.resume().on('end', () => response.end('seen'));
}).listen(${String(port)})`;

/**
 * Over one connection to argv[1], port argv[2]: whole requests until a line comes; then a head alone while a thread
 * of its own waits inside `recv` for a second; then the body. Prints `ready`, `sent` and the time until the answer, in ms.
 */
export const lingeringCaller = `
import select,socket,sys,threading,time
s=socket.create_connection((sys.argv[1],int(sys.argv[2]))); s.setblocking(False)
def answer():
    d=b''
    while not d.endswith(b'seen'):
        select.select([s],[],[]); d+=s.recv(4096)
def ask(): s.send(b'GET /good HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'); answer()
while not select.select([sys.stdin],[],[],0.01)[0]: ask()
sys.stdin.readline(); print('ready',flush=True); sys.stdin.readline()
s.settimeout(None); s.setsockopt(socket.SOL_SOCKET,socket.SO_RCVTIMEO,b'\\x01'+b'\\0'*15)
def linger():
    try: s.recv(1)
    except OSError: pass
t=threading.Thread(target=linger); t.start(); time.sleep(0.1)
start=time.time(); s.send(b'POST /good HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 4\\r\\n\\r\\n'); print('sent',flush=True)
t.join(); s.setblocking(False); s.send(b'body'); answer()
print(int((time.time()-start)*1000),flush=True)
`;

/**
 * Over one connection to argv[1], port argv[2]: whole requests until a line comes; then one from a page of its own by
 * vmsplice, which another line has it write over. Prints `ready`, `sent`, and what the answer says.
 */
export const changingCaller = `
import ctypes,mmap,os,select,socket,sys
libc=ctypes.CDLL(None)
class iovec(ctypes.Structure): _fields_=[('base',ctypes.c_void_p),('length',ctypes.c_size_t)]
G=b'GET /good HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'
s=socket.create_connection((sys.argv[1],int(sys.argv[2]))); s.setblocking(False)
def answer():
    d=b''
    while not d.endswith(b'seen'):
        select.select([s],[],[]); d+=s.recv(4096)
while not select.select([sys.stdin],[],[],0.01)[0]: s.send(G); answer()
sys.stdin.readline(); print('ready',flush=True); sys.stdin.readline()
m=mmap.mmap(-1,4096); m[:len(G)]=G; r,w=os.pipe()
assert libc.vmsplice(w,ctypes.byref(iovec(ctypes.addressof(ctypes.c_char.from_buffer(m)),len(G))),1,0)==len(G)
assert os.splice(r,s.fileno(),len(G))==len(G)
print('sent',flush=True); sys.stdin.readline()
m[5:9]=b'evil'; print('changed',flush=True); answer(); print('answered',flush=True)
`;
