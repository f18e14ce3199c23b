//go:build !race

package main

import (
	"context"
	"errors"
	"flag"
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
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/internal/openstore"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/redis/go-redis/v9/logging"
)

const (
	crashStore    = "CRASH_TEST_STORE" // environment: serve this one, and be killed
	crashLater    = "CRASH_TEST_LATER" // environment: with a clock that is so much ahead
	crashSeed     = 20260115
	crashWorkers  = 8
	crashPassword = "a passphrase for the crash test"
)

var crashes = flag.Int("crashes", 30, "how often to kill the server on bbolt, and, a third as often, on Redis")

// Where the environment says so, the test binary is the server that the crash test kills.
func init() {
	if spec := os.Getenv(crashStore); spec != "" {
		logging.Disable()
		os.Exit(serveUntilKilled(spec))
	}
}

// serveUntilKilled is the program with hashing that costs nothing and budgets that
// never run out. It goes on until it is killed, or its parent is gone.
func serveUntilKilled(spec string) (exit int) {
	p, err := openstore.Parse(spec)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s, err := p.OpenOrCreate(context.Background(), discard)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var ahead time.Duration
	if later := os.Getenv(crashLater); later != "" {
		if ahead, err = time.ParseDuration(later); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	wide := store.Limit{Burst: 1_000_000, Every: time.Microsecond}
	m, err := auth.New(s, auth.Config{
		Now:                  func() time.Time { return time.Now().Add(ahead) },
		Secrets:              []auth.Secret{testSecret},
		PasswordHash:         auth.HashParams{Memory: 8, Time: 1, Threads: 1},
		InsecureCheapHashing: true,
		Limits:               auth.Limits{LoginByAddress: wide, RegisterByAddress: wide},
		Logger:               discard,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	h, err := httpauth.New(m, httpauth.Config{Logger: discard})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1)) // returns when the parent has gone
		os.Exit(1)
	}()
	fmt.Fprintf(os.Stderr, "msg=listening addr=%s\n", l.Addr())
	fmt.Fprintln(os.Stderr, newServer(routesOf(h, alwaysReady), discard).Serve(l))
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

// A crashUser is what was acknowledged to one user.
type crashUser struct {
	email, next string // next is the address after a change of it
	registered  outcome
	moved       outcome // to next
	enrolled    outcome // with a second factor, of which backup are the unused codes
	backup      []string
	keys        []crashCredential
	sessions    []crashCredential
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
		u := &crashUser{email: fmt.Sprintf("%s.%d@example.com", name, n), next: fmt.Sprintf("%s.%d.moved@example.com", name, n)}
		r.mu.Lock()
		r.users = append(r.users, u)
		r.mu.Unlock()
		if !r.useOnce(t, u) {
			return
		}
	}
}

// useOnce registers a user, who logs in twice, makes two keys, ends one of each,
// refreshes what is left, changes the address and turns a second factor on. It reports
// whether the server lived through it.
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
	if o != acknowledged {
		return false
	}
	token := refreshed.text("access_token")
	u.sessions = append(u.sessions, crashCredential{text: token})
	if _, u.moved = r.call(t, 200, "PATCH", "/v1/auth/me", token, object{"email": u.next, "current_password": crashPassword}); u.moved != acknowledged {
		return false
	}
	enrolment, o := r.call(t, 200, "POST", "/v1/auth/enable-2fa", token, object{"password": crashPassword})
	if o != acknowledged {
		return false
	}
	for _, code := range enrolment["backup_codes"].([]any) {
		u.backup = append(u.backup, code.(string))
	}
	code := authtest.TOTPCode(auth.Secret(enrolment.text("secret")), time.Now())
	_, u.enrolled = r.call(t, 200, "POST", "/v1/auth/confirm-2fa", token, object{"code": code})
	return u.enrolled == acknowledged
}

// holdsTo checks that c knows everything that was acknowledged to u, and no half of anything:
// one of the two addresses logs in, and where it asks for a second factor there is one.
// Later, when no operation can be under way any more, the other address is free.
func (u *crashUser) holdsTo(t *testing.T, c client, later bool) {
	var in []string
	for _, email := range []string{u.email, u.next} {
		status, login, err := c.send("POST", "/v1/auth/login", "", object{"email": email, "password": crashPassword})
		switch {
		case err != nil:
			t.Errorf("login after a crash: %v", err)
		case status == 200:
			in = append(in, email)
			u.takesSecondStep(t, c, login)
		case status != 401:
			t.Errorf("login after a crash: %d", status)
		case later:
			if status, _, err := c.send("POST", "/v1/auth/register", "", object{"email": email, "password": crashPassword, "full_name": "V"}); err != nil || status != 201 {
				t.Errorf("an address that nobody logs in with cannot be registered: %d %v", status, err)
			}
		}
	}
	switch {
	case len(in) > 1 || len(in) == 0 && u.registered == acknowledged:
		t.Errorf("who was registered logs in with %d addresses", len(in))
	case u.moved == acknowledged && in[0] != u.next, u.moved == notCalled && len(in) == 1 && in[0] != u.email:
		t.Errorf("logs in with the other address; its change: %v", u.moved)
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

// takesSecondStep finishes a login, if its first step asks for more, with a backup code.
func (u *crashUser) takesSecondStep(t *testing.T, c client, login object) {
	asks := login["requires_2fa"] == true
	if asks != (u.enrolled == acknowledged) && u.enrolled != unknown {
		t.Errorf("a login asks for a second factor: %v; that it is on: %v", asks, u.enrolled)
	}
	if !asks {
		return
	}
	status, _, err := c.send("POST", "/v1/auth/verify-2fa", "", object{"temp_token": login.text("temp_token"), "code": u.backup[0]})
	if u.backup = u.backup[1:]; err != nil || status != 200 {
		t.Errorf("a login asks for a second factor, and does not take it: %d %v", status, err)
	}
}

func holdToAll(t *testing.T, c client, users []*crashUser, later bool) {
	var workers sync.WaitGroup
	for w := range crashWorkers {
		workers.Go(func() {
			for i := w; i < len(users); i += crashWorkers {
				users[i].holdsTo(t, c, later)
			}
		})
	}
	workers.Wait()
}

// TestWhatWasAcknowledgedSurvivesKill9 (ST-5, PR-3) kills the server, in the midst of
// writes, at points that the seed chooses; with -crashes 200, more often.
func TestWhatWasAcknowledgedSurvivesKill9(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it starts processes")
	}
	t.Run("on bbolt", func(t *testing.T) {
		testCrashes(t, "bolt:"+filepath.Join(t.TempDir(), "auth.db"), *crashes)
	})
	if redistest.Available(t) {
		t.Run("on Redis", func(t *testing.T) {
			testCrashes(t, "redis://"+redistest.Start(t).Addr(), *crashes/3)
		})
	}
}

func testCrashes(t *testing.T, spec string, crashes int) {
	random := rand.New(rand.NewPCG(crashSeed, 0))
	var all, last []*crashUser
	for n := range crashes {
		server := startToBeKilled(t, spec)
		holdToAll(t, server.client, last, false)
		r := &crashRound{client: server.client, kill: sync.OnceFunc(func() { _ = server.cmd.Process.Kill() })}
		r.use(t, n, 1+random.Int64N(120))
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
	settle(t, spec, all, crashes)
}

// The same where it is Redis that is killed, which syncs every write to its file, and
// the server lives on.
func TestWhatWasAcknowledgedSurvivesKill9OfRedis(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short: it starts processes")
	}
	if !redistest.Available(t) {
		return
	}
	const crashes = 8
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	spec := "redis://" + redis.Addr()
	server := startToBeKilled(t, spec)
	random := rand.New(rand.NewPCG(crashSeed, 1))
	var all []*crashUser
	for n := range crashes {
		r := &crashRound{client: server.client, kill: sync.OnceFunc(redis.Kill), dead: 503}
		r.use(t, n, 1+random.Int64N(120))
		redis.Restart()
		servertest.Within(t, patience, func() error {
			status, _, err := server.send("POST", "/v1/auth/login", "", object{"email": "nobody@example.com", "password": crashPassword})
			if err == nil && status == 503 {
				return errors.New("the server does not find that Redis is back")
			}
			return err
		})
		holdToAll(t, server.client, r.users, false)
		all = append(all, r.users...)
		if t.Failed() {
			t.Fatalf("in life %d, seed %d", n, crashSeed)
		}
	}
	settle(t, spec, all, crashes)
}

// startToBeKilled starts a server on this store.
func startToBeKilled(t *testing.T, spec string, env ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), env...), crashStore+"="+spec)
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

// settle holds a server whose clock is a minute ahead to all, and fails the test if
// there was too little to hold it to.
func settle(t *testing.T, spec string, all []*crashUser, crashes int) {
	t.Helper()
	var registered, moved, enrolled int
	for _, u := range all {
		for n, o := range map[*int]outcome{&registered: u.registered, &moved: u.moved, &enrolled: u.enrolled} {
			if o == acknowledged {
				*n++
			}
		}
	}
	server := startToBeKilled(t, spec, crashLater+"=1m")
	holdToAll(t, server.client, all, true)
	if registered < crashes || moved+enrolled == 0 {
		t.Errorf("only %d registrations, %d changes of address and %d second factors in %d lives: the test tests nothing", registered, moved, enrolled, crashes)
	}
	t.Logf("%d users, %d moved, %d enrolled, over %d crashes", registered, moved, enrolled, crashes)
}
