package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
)

const (
	mount       = "/v1/auth"
	bareProfile = "a bare handler with the same answer"
)

// profileServers are the servers of the row, each for a process of its own.
var profileServers = map[string]func(*fixture) guarded{
	"bare profile":    bareMe,
	"profile":         func(f *fixture) guarded { token, _ := me(f); return token },
	"profile by key":  func(f *fixture) guarded { _, key := me(f); return key },
	"guarded profile": guardedMe,
}

// me is GET /me as the handler of httpauth is mounted.
func me(f *fixture) (token, key guarded) {
	h := f.manager(f.onMemory(), auth.Config{})
	handler, err := httpauth.New(h.Manager, httpauth.Config{Logger: quiet})
	must(err)
	user := h.Register()
	mux := http.NewServeMux()
	mux.Handle(mount+"/", http.StripPrefix(mount, handler))
	return guarded{mux, "Authorization", "Bearer " + user.Token()}, guarded{mux, "X-API-Key", user.APIKey()}
}

// same returns a handler that gives the answer of g without asking who calls.
func same(g guarded) http.HandlerFunc {
	r := httptest.NewRequest(http.MethodGet, mount+"/me", http.NoBody)
	r.Header.Set(g.header, g.value)
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	answer := w.Body.Bytes()
	return func(w http.ResponseWriter, _ *http.Request) {
		head := w.Header()
		head.Set("Cache-Control", "no-store")
		head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		head.Set("Content-Type", "application/json; charset=utf-8")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(answer)
	}
}

func bareMe(f *fixture) guarded {
	token, _ := me(f)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+mount+"/me", same(token))
	return guarded{mux, token.header, token.value}
}

// guardedMe is a route of a program's own with that answer, behind the guard.
func guardedMe(f *fixture) guarded {
	token, _ := me(f)
	h := f.manager(f.onMemory(), auth.Config{})
	handler, err := httpauth.New(h.Manager, httpauth.Config{Logger: quiet})
	must(err)
	mux := http.NewServeMux()
	mux.Handle("GET "+mount+"/me", handler.Require()(same(token)))
	return guarded{mux, "Authorization", "Bearer " + h.Register().Token()}
}

// A profileServer is what the process of a server says of itself.
type profileServer struct{ Address, Request string }

// serveProfiles is the main function of the process of a server. It ends with its input.
func serveProfiles(serve func(*fixture) guarded) {
	f := &fixture{}
	defer f.end()
	g := serve(f)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server := &http.Server{Handler: g.Handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // until the end of the process
	must(json.NewEncoder(os.Stdout).Encode(profileServer{l.Addr().String(), g.request(mount + "/me")}))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// servedApart asks a server in a process of its own, so that the processor time of the
// clients is not counted. It returns the rate, and that time for each request.
func servedApart(f *fixture, job, name string) (rate, work *subject) {
	cmd := exec.Command("/proc/self/exe", "-child", job) //nolint:gosec // this program
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(err)
	out, err := cmd.StdoutPipe()
	must(err)
	must(cmd.Start())
	f.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	var server profileServer
	must(json.NewDecoder(bufio.NewReader(out)).Decode(&server))

	rate = asked(f, name, server.Address, server.Request)
	sample, each := rate.sample, 0.0
	rate.sample = func() float64 {
		began, used := time.Now(), processTime(cmd.Process.Pid)
		perRequest := sample()
		each = float64(processTime(cmd.Process.Pid)-used) * perRequest / float64(time.Since(began))
		return perRequest
	}
	return rate, &subject{name: name + ", processor time of the server", read: func() float64 { return each }}
}

// processTime returns the processor time that a process has used.
func processTime(pid int) time.Duration {
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel, see clock_getcpuclockid(3)
	var t unix.Timespec
	must(unix.ClockGettime(int32(^pid<<3|scheduled), &t))
	return time.Duration(t.Nano())
}

func profileOverHTTP(f *fixture) []*subject {
	floor, floorWork := servedApart(f, "bare profile", bareProfile)
	token, tokenWork := servedApart(f, "profile", "GET /me, access token")
	key, keyWork := servedApart(f, "profile by key", "GET /me, API key")
	own, ownWork := servedApart(f, "guarded profile", "that handler behind the guard")
	return []*subject{
		floor, floorWork,
		token.reaches(floor.name, fasterBy(0.85)), tokenWork.reaches(floorWork.name, atMost(1.2)),
		key.reaches(floor.name, fasterBy(0.85)), keyWork.reaches(floorWork.name, atMost(1.2)),
		own.reaches(floor.name, fasterBy(0.85)), ownWork.reaches(floorWork.name, atMost(1.2)),
	}
}
