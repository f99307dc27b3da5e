// SPDX-License-Identifier: Apache-2.0
import { wrkCommand } from './wrk.ts';

/** Opens argv[3] connections again and again, each silent until somebody ends it. */
const silent = `
import resource,select,socket,sys
h,p,n=sys.argv[1],int(sys.argv[2]),int(sys.argv[3]); resource.setrlimit(resource.RLIMIT_NOFILE,(n+100,n+100)); poll=select.epoll(); open_={}
def more():
    try: s=socket.create_connection((h,p),timeout=5)
    except OSError: return
    open_[s.fileno()]=s; poll.register(s,select.EPOLLIN|select.EPOLLRDHUP)
while True:
    while len(open_)<n: more()
    for fd,_ in poll.poll(1): poll.unregister(fd); open_.pop(fd).close()
`;

/** The same with heads that never end: a header line on each every half second. */
const slowHeads = `
import select,socket,sys,time
h,p,n=sys.argv[1],int(sys.argv[2]),int(sys.argv[3]); all=set()
while True:
    while len(all)<n:
        try: s=socket.create_connection((h,p),timeout=5); s.sendall(b'GET / HTTP/1.1\\r\\n'); all.add(s)
        except OSError: break
    for s in list(all):
        try: s.sendall(b'x-a: b\\r\\n')
        except OSError: all.discard(s)
    for s in select.select(list(all),[],[],0)[0]: s.close(); all.discard(s)
    time.sleep(0.5)
`;

/** The same with requests for argv[4], a large file, whose answers nobody reads. */
const slowReaders = `
import select,socket,sys
h,p,n=sys.argv[1],int(sys.argv[2]),int(sys.argv[3]); all=set(); get=b'GET %s HTTP/1.1\\r\\nhost: api\\r\\n\\r\\n'%sys.argv[4].encode()
while True:
    while len(all)<n:
        s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_RCVBUF,4096); s.settimeout(5)
        try: s.connect((h,p)); s.sendall(get); all.add(s)
        except OSError: break
    poll=select.poll(); [poll.register(s,select.POLLRDHUP) for s in all]
    ended={fd for fd,_ in poll.poll(1000)}
    for s in [s for s in all if s.fileno() in ended]: s.close(); all.discard(s)
`;

const python = (program: string, ...args: readonly (string | number)[]): readonly string[] => [
  ...['python3', '-c', program, ...args.map(String)],
];

/** Far longer than anything that is measured beside it, seconds. */
const FOREVER = 3600;

/** Kinds of floods: what one workload may do to a port, as commands that run until they are ended. */
export const floods = {
  requests: (host: string, port: number): readonly (readonly string[])[] => {
    const url = `http://${host}:${String(port)}/`;
    return [wrkCommand(url, FOREVER, 64), wrkCommand(url, FOREVER, 16, '-H', 'Connection: close')];
  },
  /** @param connections how many stay open, or would if they may @param large a file to ask for and not to read */
  limits: (
    host: string,
    port: number,
    connections: number,
    large: string,
  ): readonly (readonly string[])[] => [
    python(silent, host, port, connections),
    python(slowHeads, host, port, 100),
    python(slowReaders, host, port, 100, large),
  ],
} as const;

/** Makes argv[3] requests on each of argv[4] connections side by side; prints how many answers were right. */
export const counter = `
import http.client,sys,threading
h,p,n,c=sys.argv[1],*map(int,sys.argv[2:5]); right=[]
def ask():
    k=http.client.HTTPConnection(h,p,timeout=30); good=0
    for i in range(n):
        try: k.request('GET','/'); r=k.getresponse(); good+=r.read()==b'hello\\n' and r.status==200
        except OSError as e: print(type(e).__name__,e); k.close()
    right.append(good)
ts=[threading.Thread(target=ask) for i in range(c)]; [t.start() for t in ts]; [t.join() for t in ts]
print(sum(right))
`;
