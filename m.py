import subprocess, time, sys, json, os
t=time.time()
p=subprocess.Popen(["pointsman","serve","--port","0","--json","--data-dir","/tmp/mv/t2/d3",*sys.argv[1:]],stdout=subprocess.PIPE,stderr=subprocess.DEVNULL,start_new_session=True)
p.stdout.readline(); print("start", round(time.time()-t,2))
time.sleep(13)
def kids(pid):
    out=subprocess.run(["pgrep","-P",str(pid)],capture_output=True,text=True).stdout.split()
    return [int(x) for x in out]+[y for x in out for y in kids(int(x))]
tot=0
for pid in [p.pid,*kids(p.pid)]:
    pss=[int(l.split()[1]) for l in open(f"/proc/{pid}/smaps_rollup") if l.startswith("Pss:")][0]
    cpu=open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[11:13]
    print(pid, open(f"/proc/{pid}/cmdline").read().split("\0")[:4][-2:], round(pss/1024,1), cpu); tot+=pss
print("PSS MB", round(tot/1024,1))
p.terminate(); p.wait()
