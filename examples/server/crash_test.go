package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/store"
)

const (
	crashStore    = "CRASH_TEST_STORE" // environment: serve this one, and be killed
	crashSeed     = 20260115
	crashWorkers  = 8
	crashPassword = "a passphrase for the crash test"
)

// serveUntilKilled is the program with hashing that costs nothing and budgets that
// never run out. It goes on until it is killed, or its parent is gone.
func serveUntilKilled(spec string) (exit int) {
	p, err := parseStore(spec)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	s, err := p.open(context.Background(), discard)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	wide := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	m, err := auth.New(s, auth.Config{
		Secrets:              []auth.Secret{testSecret},
		PasswordHash:         auth.HashParams{Memory: 8, Time: 1, Threads: 1},
		InsecureCheapHashing: true,
		Limits:               auth.Limits{LoginByAddress: wide, RegisterByAddress: wide},
		Logger:               discard,
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	h, err := httpauth.New(m, httpauth.Config{Logger: discard})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1)) // returns when the parent has gone
		os.Exit(1)
	}()
	fmt.Printf("msg=listening addr=%s\n", l.Addr())
	fmt.Println(newServer(routes(h), discard).Serve(l))
	return 1
}

// What the client of a call knows of it: acknowledged, not called, or, if the server
// died on the way, that it may or may not have happened.
type outcome int

const (
	notCalled outcome = iota
	unknown
	acknowledged
)

// A crashUser is what one user has been told.
type crashUser struct {
	email      string
	registered outcome
	keys       []crashCredential
	sessions   []crashCredential
}

// A crashCredential was given out, so it works, until it is ended.
type crashCredential struct {
	text  string
	ended outcome
}

// A crashRound is one life of the server, or of the Redis behind it: workers use the
// server until what is to be killed is, at the first acknowledgement after so many
// others.
type crashRound struct {
	client
	kill  func()
	dead  int          // the status of an answer that says that it has been killed; 0 if there is no answer then
	left  atomic.Int64 // acknowledgements until it is killed
	mu    sync.Mutex
	users []*crashUser
}

// call makes a call and says what became of it. That the server refuses what it must
// accept is an error of the test.
func (r *crashRound) call(t *testing.T, want int, method, path, credential string, body object) (answer object, o outcome) {
	status, answer, err := r.send(method, path, credential, body)
	if err != nil && r.dead == 0 || err == nil && status == r.dead { // it has been killed
		return nil, unknown
	}
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return nil, unknown
	}
	if status != want {
		t.Errorf("%s %s: status %d %v, want %d", method, path, status, answer["code"], want)
		return nil, unknown
	}
	if r.left.Add(-1) == 0 {
		r.kill()
	}
	return answer, acknowledged
}

// work is what one worker does until the server is dead.
func (r *crashRound) work(t *testing.T, name string) {
	for n := 0; ; n++ {
		u := &crashUser{email: fmt.Sprintf("%s.%d@example.com", name, n)}
		r.mu.Lock()
		r.users = append(r.users, u)
		r.mu.Unlock()
		if !r.useOnce(t, u) {
			return
		}
	}
}

// useOnce registers a user, who logs in twice, makes two keys, ends one of each, and
// refreshes what is left. It reports whether the server lived through it.
func (r *crashRound) useOnce(t *testing.T, u *crashUser) bool {
	_, u.registered = r.call(t, 201, "POST", "/v1/auth/register", "", object{"email": u.email, "password": crashPassword, "full_name": "U"})
	if u.registered != acknowledged {
		return false
	}
	for range 2 {
		login, o := r.call(t, 200, "POST", "/v1/auth/login", "", object{"email": u.email, "password": crashPassword})
		if o != acknowledged {
			return false
		}
		u.sessions = append(u.sessions, crashCredential{text: login.text("access_token")})
	}
	first, second := &u.sessions[0], &u.sessions[1]
	id := ""
	for range 2 {
		made, o := r.call(t, 201, "POST", "/v1/auth/api-keys", second.text, object{"name": "k"})
		if o != acknowledged {
			return false
		}
		id = made.text("id")
		u.keys = append(u.keys, crashCredential{text: made.text("key")})
	}
	if _, u.keys[1].ended = r.call(t, 200, "DELETE", "/v1/auth/api-keys/"+id, second.text, nil); u.keys[1].ended != acknowledged {
		return false
	}
	if _, first.ended = r.call(t, 200, "POST", "/v1/auth/logout", first.text, nil); first.ended != acknowledged {
		return false
	}
	second.ended = unknown // refreshed, it goes on for a short grace
	refreshed, o := r.call(t, 200, "POST", "/v1/auth/refresh", second.text, nil)
	if o == acknowledged {
		u.sessions = append(u.sessions, crashCredential{text: refreshed.text("access_token")})
	}
	return o == acknowledged
}

// holdsTo checks that c knows everything that u has been told.
func (u *crashUser) holdsTo(t *testing.T, c client) {
	status, _, err := c.send("POST", "/v1/auth/login", "", object{"email": u.email, "password": crashPassword})
	switch {
	case err != nil:
		t.Errorf("login after a crash: %v", err)
	case u.registered == acknowledged && status != 200:
		t.Errorf("who was registered cannot log in: %d", status)
	case status != 200 && status != 401: // 401: the registration did not happen
		t.Errorf("login after an unfinished registration: %d", status)
	}
	check := func(what, path string, given []crashCredential) {
		for _, credential := range given {
			status, _, err := c.send("GET", path, credential.text, nil)
			switch {
			case err != nil:
				t.Errorf("%s after a crash: %v", what, err)
			case credential.ended == notCalled && status != 200:
				t.Errorf("%s that was given out does not work: %d", what, status)
			case credential.ended == acknowledged && status != 401:
				t.Errorf("%s that was ended is answered with %d", what, status)
			case status != 200 && status != 401:
				t.Errorf("%s whose end is unknown is answered with %d", what, status)
			}
		}
	}
	check("a key", "/v1/agents", u.keys)
	check("a session", "/v1/auth/me", u.sessions)
}

func holdToAll(t *testing.T, c client, users []*crashUser) {
	var workers sync.WaitGroup
	for w := range crashWorkers {
		workers.Go(func() {
			for i := w; i < len(users); i += crashWorkers {
				users[i].holdsTo(t, c)
			}
		})
	}
	workers.Wait()
}

// TestWhatWasAcknowledgedSurvivesKill9 (ST-5) kills the server, in the midst of
// writes, at points that the seed chooses.
func TestWhatWasAcknowledgedSurvivesKill9(t *testing.T) {
	t.Run("on bbolt", func(t *testing.T) {
		testCrashes(t, "bolt:"+filepath.Join(t.TempDir(), "auth.db"), 30)
	})
	if redistest.Available(t) {
		t.Run("on Redis", func(t *testing.T) {
			testCrashes(t, "redis://"+redistest.Start(t).Addr(), 10)
		})
	}
}

func testCrashes(t *testing.T, spec string, crashes int) {
	random := rand.New(rand.NewPCG(crashSeed, 0))
	var all, last []*crashUser
	for n := range crashes {
		server := startToBeKilled(t, spec)
		holdToAll(t, server.client, last)
		r := &crashRound{client: server.client, kill: sync.OnceFunc(func() { _ = server.cmd.Process.Kill() })}
		r.use(t, n, 1+random.Int64N(80))
		<-server.exited
		if server.cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("the server ended by itself:\n%s", server.output)
		}
		server.http.CloseIdleConnections()
		last, all = r.users, append(all, r.users...)
		if t.Failed() {
			t.Fatalf("in life %d, seed %d", n, crashSeed)
		}
	}
	holdToAll(t, startToBeKilled(t, spec).client, all)
	countRegistered(t, all, crashes)
}

// The same where it is Redis that is killed, which syncs every write to its file, and
// the server lives on.
func TestWhatWasAcknowledgedSurvivesKill9OfRedis(t *testing.T) {
	if !redistest.Available(t) {
		return
	}
	const crashes = 8
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	server := startToBeKilled(t, "redis://"+redis.Addr())
	random := rand.New(rand.NewPCG(crashSeed, 1))
	var all []*crashUser
	for n := range crashes {
		r := &crashRound{client: server.client, kill: sync.OnceFunc(redis.Kill), dead: 503}
		r.use(t, n, 1+random.Int64N(80))
		redis.Restart()
		redistest.Within(t, patience, func() error {
			status, _, err := server.send("POST", "/v1/auth/login", "", object{"email": "nobody@example.com", "password": crashPassword})
			if err == nil && status == 503 {
				return errors.New("the server does not find that Redis is back")
			}
			return err
		})
		holdToAll(t, server.client, r.users)
		all = append(all, r.users...)
		if t.Failed() {
			t.Fatalf("in life %d, seed %d", n, crashSeed)
		}
	}
	holdToAll(t, server.client, all)
	countRegistered(t, all, crashes)
}

// startToBeKilled starts a server on this store.
func startToBeKilled(t *testing.T, spec string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashStore+"="+spec)
	if _, err := cmd.StdinPipe(); err != nil { // open for as long as this process lives
		t.Fatal(err)
	}
	return startProcess(t, cmd)
}

// use has workers use the server until so many calls are acknowledged, and returns
// when all know that it, or its Redis, is dead.
func (r *crashRound) use(t *testing.T, n int, calls int64) {
	r.left.Store(calls)
	var workers sync.WaitGroup
	for w := range crashWorkers {
		workers.Go(func() { r.work(t, fmt.Sprintf("u%d.%d", n, w)) })
	}
	workers.Wait()
	if r.left.Load() > 0 {
		t.Errorf("in life %d, %d calls before its end, it was dead already", n, r.left.Load())
	}
}

func countRegistered(t *testing.T, all []*crashUser, crashes int) {
	t.Helper()
	var registered int
	for _, u := range all {
		if u.registered == acknowledged {
			registered++
		}
	}
	if registered < crashes {
		t.Errorf("only %d registrations in %d lives: the test tests nothing", registered, crashes)
	}
	t.Logf("%d users over %d crashes", registered, crashes)
}
