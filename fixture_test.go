package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/internal/emptystore"
	"github.com/datixlab/auth/internal/pgtest"
	"github.com/datixlab/auth/internal/redistest"
	"github.com/datixlab/auth/internal/servertest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/boltstore"
	"github.com/datixlab/auth/store/memstore"
	"github.com/datixlab/auth/store/redisstore"
)

func init() { logging.Disable() } // the client's own remarks on servers that are down

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(func() int { return redistest.Main(m) }))
}

// eachStore runs a test of a rule of package auth, which is above the store contract: on memory, and
// on bbolt, where values are bytes of a file. If EVERYWHERE of the environment is set, it is
// [everyStore].
func eachStore(t *testing.T, test func(t *testing.T, s store.Store)) {
	t.Helper()
	onStores(t, everywhere, everywhere, test)
}

// everyStore runs a test on every store. It is for what the engine decides as well as package auth:
// what happens at once, in several processes or in a failure; what expires, is listed, or is known
// not to have changed.
func everyStore(t *testing.T, test func(t *testing.T, s store.Store)) {
	t.Helper()
	onStores(t, true, true, test)
}

// everyFastStore is everyStore for a test that makes thousands of calls. A call costs PostgreSQL five
// times what it costs Redis, and both have to decide in the same way, so PostgreSQL has its turn
// only if EVERYWHERE is set.
func everyFastStore(t *testing.T, test func(t *testing.T, s store.Store)) {
	t.Helper()
	onStores(t, true, everywhere, test)
}

var everywhere = os.Getenv("EVERYWHERE") != ""

// onStores gives the stores their turns at the same time, and together with other tests: bbolt waits
// for its disk and a server for its clients while memory computes. The test is done when all
// are, so nothing may follow eachStore or its like. With -short it is memory alone.
func onStores(t *testing.T, onRedisToo, onPostgresToo bool, test func(t *testing.T, s store.Store)) {
	t.Helper()
	t.Parallel()
	turn := func(name string, open func(t *testing.T) store.Store) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
	if !servertest.SaidOnMemory(t) {
		turn("memory", onMemory)
	}
	if testing.Short() {
		return
	}
	turn("bolt", onBolt)
	if onRedisToo && redistest.Available(t) {
		turn("redis", func(t *testing.T) store.Store {
			return onRedis(t, redistest.SharedServer(t).Addr(), fmt.Sprintf("test%d:", prefixes.Add(1)))
		})
	}
	if onPostgresToo && pgtest.Available(t) {
		turn("postgres", func(t *testing.T) store.Store { return emptystore.Postgres(t) })
	}
}

func onMemory(t *testing.T) store.Store {
	s := memstore.New()
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func onBolt(t *testing.T) store.Store {
	s, err := boltstore.OpenOrCreate(filepath.Join(t.TempDir(), "auth.db"), boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

var prefixes atomic.Int64 // that onStores has used

// onRedis opens a store on the Redis at this address.
func onRedis(t *testing.T, addr, prefix string) store.Store {
	t.Helper()
	return onRedisWith(t, addr, redisstore.Options{Prefix: prefix})
}

func onRedisWith(t *testing.T, addr string, o redisstore.Options) store.Store {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	u := redisAt(addr)
	if o.MaxLag > 0 {
		u.Dialer = nil // a watch goes by its deadlines
	}
	s, err := redisstore.OpenOrCreate(t.Context(), u, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// redisAt is how a store is opened on Redis servers that a busy machine may keep from answering for
// seconds. A Store limits its timeouts to one second, and a patientConn makes them longer again.
func redisAt(addrs ...string) redis.UniversalOptions {
	return redis.UniversalOptions{
		Addrs: addrs, DialTimeout: raceTime, ReadTimeout: raceTime, WriteTimeout: raceTime, PoolTimeout: raceTime,
		PoolSize: 250, // no racer waits for the connection of another
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return patientConn{c.(*net.TCPConn)}, nil
		},
	}
}

// A patientConn is a connection whose deadlines are raceTime away.
type patientConn struct{ *net.TCPConn }

func (c patientConn) SetDeadline(t time.Time) error      { return c.TCPConn.SetDeadline(later(t)) }
func (c patientConn) SetReadDeadline(t time.Time) error  { return c.TCPConn.SetReadDeadline(later(t)) }
func (c patientConn) SetWriteDeadline(t time.Time) error { return c.TCPConn.SetWriteDeadline(later(t)) }

func later(t time.Time) time.Time {
	if t.After(time.Now()) {
		t = time.Now().Add(raceTime)
	}
	return t
}

// raceTime is what a race of this suite may take, on a machine that is busy.
const raceTime = time.Minute

// atOnce calls f for 0 to n-1 at the same time, once all callers stand at the same
// barrier, and returns what each call returned. It fails the test if they are not done
// within raceTime.
func atOnce(t *testing.T, n int, f func(i int) error) []error {
	t.Helper()
	errs := make([]error, n)
	var ready, running sync.WaitGroup
	gate, done := make(chan struct{}), make(chan struct{})
	ready.Add(n)
	for i := range n {
		running.Go(func() {
			ready.Done()
			<-gate
			errs[i] = f(i)
		})
	}
	ready.Wait()
	close(gate)
	go func() {
		running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(raceTime):
		t.Fatalf("%d racers were not done in %v", n, raceTime)
	}
	return errs
}

// countIs returns how many of errs are target; a nil target counts successes.
func countIs(errs []error, target error) (n int) {
	for _, err := range errs {
		if errors.Is(err, target) {
			n++
		}
	}
	return n
}

// clientAt is the context of a request from addr.
func clientAt(t *testing.T, addr string) context.Context {
	t.Helper()
	return auth.WithClient(t.Context(), auth.Client{Addr: netip.MustParseAddr(addr)})
}

// plenty is a limit that no test reaches, not even one that turns its clock back.
var plenty = store.Limit{Burst: 1_000_000, Every: time.Second}

// noLoginLimits limits nothing but codes, so that a test of codes can log in as it likes.
func noLoginLimits() auth.Limits {
	return auth.Limits{
		LoginByAddress: plenty, LoginByAccountAddress: plenty, LoginByAccount: plenty, RegisterByAddress: plenty,
	}
}

// unlimited are budgets that no test of something else runs out of.
func unlimited() auth.Limits {
	l := store.Limit{Burst: 1_000_000, Every: time.Millisecond}
	return auth.Limits{
		LoginByAddress: l, LoginByAccountAddress: l, LoginByAccount: l,
		RegisterByAddress: l, CodeByAccount: l, APIKeyByAccount: l,
	}
}

// twin is another Manager, as of another process, on the store and clock of h.
func twin(t *testing.T, h *authtest.Harness, cfg auth.Config) *authtest.Harness {
	t.Helper()
	return twinOn(t, h, h.Store, cfg)
}

// twinOn is twin over another store, or over a wrapper of the same.
func twinOn(t *testing.T, h *authtest.Harness, s store.Store, cfg auth.Config) *authtest.Harness {
	t.Helper()
	cfg.Now = h.Clock.Now
	other := authtest.With(t, s, cfg)
	other.Clock = h.Clock
	return other
}

// signUp registers an account with the Harness's password.
func signUp(m *auth.Manager, email string) (auth.User, error) {
	return m.Register(context.Background(), auth.Registration{
		Email: email, Password: authtest.Password, FullName: "Ada Lovelace", OrganizationName: "Analytical Engines",
	})
}

// register returns the error of a registration alone.
func register(ctx context.Context, m *auth.Manager, email string) error {
	_, err := m.Register(ctx, auth.Registration{Email: email, Password: authtest.Password, FullName: "Ada Lovelace"})
	return err
}

// login returns the error of a login alone.
func login(ctx context.Context, m *auth.Manager, email string, pw auth.Secret) error {
	_, err := m.Login(ctx, email, pw)
	return err
}

// failLogins makes n logins with a wrong password. All must be within the budgets.
func failLogins(ctx context.Context, t *testing.T, m *auth.Manager, email string, n int) {
	t.Helper()
	for i := range n {
		if err := login(ctx, m, email, "wrong, and long enough"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Fatalf("wrong password %d: %v", i, err)
		}
	}
}

// exhaustAccountBudget uses up what the defaults allow for an account, with wrong
// passwords from the five addresses 203.0.113.1 to 203.0.113.5.
func exhaustAccountBudget(t *testing.T, m *auth.Manager, email string) {
	t.Helper()
	for i := range 5 {
		for range 5 {
			_ = login(clientAt(t, fmt.Sprintf("203.0.113.%d", i+1)), m, email, "wrong, and long enough")
		}
	}
}

// disabledAndDeleted returns a user who is disabled and one who is deleted.
func disabledAndDeleted(t *testing.T, h *authtest.Harness) (disabled, deleted *authtest.User) {
	t.Helper()
	disabled, deleted = h.Register(), h.Register()
	if err := h.DisableUser(t.Context(), disabled.ID); err != nil {
		t.Fatal(err)
	}
	if err := h.DeleteUser(t.Context(), deleted.ID); err != nil {
		t.Fatal(err)
	}
	return disabled, deleted
}

const otherPassword auth.Secret = "another long password"

// verify reports whether the token is accepted; anything but a clear answer, or one
// that names a user all the same, fails the test.
func verify(t *testing.T, m *auth.Manager, token string) bool {
	t.Helper()
	id, err := m.VerifyAccessToken(context.Background(), auth.Secret(token))
	if err != nil && (err != auth.ErrInvalidToken || !reflect.DeepEqual(id, auth.Identity{})) {
		t.Errorf("verify: %+v, %v", id, err)
	}
	return err == nil
}

// identityOf returns the identity of a token, which must be accepted.
func identityOf(t *testing.T, m *auth.Manager, token auth.Secret) auth.Identity {
	t.Helper()
	id, err := m.VerifyAccessToken(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// refreshed is Refresh, which must succeed.
func refreshed(t *testing.T, m *auth.Manager, token string) string {
	t.Helper()
	fresh, err := m.Refresh(context.Background(), auth.Secret(token))
	if err != nil {
		t.Fatalf("refresh: %v", err)
	}
	return string(fresh.Token)
}

// payload returns the claims of a token, unverified.
func payload(t *testing.T, token auth.Secret) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(string(token), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// firstStep is a login up to its temp token.
func firstStep(t *testing.T, h *authtest.Harness, email string) auth.Secret {
	t.Helper()
	r, err := h.Login(t.Context(), email, authtest.Password)
	if err != nil || !r.TwoFactorRequired() || r.AccessToken.Token != "" {
		t.Fatalf("first step: %+v, %v", r, err)
	}
	return r.TempToken
}

// secondStep returns the error of a second step alone.
func secondStep(ctx context.Context, m *auth.Manager, temp, code auth.Secret) error {
	_, err := m.VerifyTwoFactor(ctx, temp, code)
	return err
}

// wrongCode is a code that is not the given one nor, but for twice in a million times,
// one of its neighbours.
func wrongCode(right string) auth.Secret {
	last := right[len(right)-1]
	return auth.Secret(right[:len(right)-1] + string('0'+(last-'0'+5)%10))
}

// enrol begins to set up a second factor.
func enrol(t *testing.T, h *authtest.Harness, id auth.Identity) auth.TwoFactorEnrollment {
	t.Helper()
	e, err := h.EnableTwoFactor(t.Context(), id, authtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func codeAt(e auth.TwoFactorEnrollment, at time.Time) auth.Secret {
	return auth.Secret(authtest.TOTPCode(e.Secret, at))
}

// wrongFor is a code that is not accepted at the time.
func wrongFor(e auth.TwoFactorEnrollment, at time.Time) auth.Secret {
	for i := 0; ; i++ {
		code := auth.Secret(fmt.Sprintf("%06d", i))
		if code != codeAt(e, at.Add(-step)) && code != codeAt(e, at) && code != codeAt(e, at.Add(step)) {
			return code
		}
	}
}

// confirmed is an enrolment that is on. Its code has been used.
func confirmed(t *testing.T, h *authtest.Harness, u *authtest.User) auth.TwoFactorEnrollment {
	t.Helper()
	id := u.Identity()
	e := enrol(t, h, id)
	if err := h.ConfirmTwoFactor(t.Context(), id, codeAt(e, h.Clock.Now())); err != nil {
		t.Fatal(err)
	}
	return e
}

// withSecondFactor registers a user with a second factor. It advances the clock by one
// step, so that the next code has not been used.
func withSecondFactor(t *testing.T, h *authtest.Harness) (*authtest.User, auth.TwoFactorEnrollment) {
	t.Helper()
	u := h.Register()
	e := confirmed(t, h, u)
	h.Clock.Advance(step)
	return u, e
}

// sessionOf is a new session of a user without a second factor, on h.
func sessionOf(t *testing.T, h *authtest.Harness, email string) auth.Identity {
	t.Helper()
	r, err := h.Login(t.Context(), email, authtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	return identityOf(t, h.Manager, r.AccessToken.Token)
}

func newKey(t *testing.T, m *auth.Manager, id auth.Identity, k auth.NewAPIKey) (auth.APIKey, string) {
	t.Helper()
	if k.Name == "" {
		k.Name = "test"
	}
	made, key, err := m.CreateAPIKey(t.Context(), id, k)
	if err != nil {
		t.Fatal(err)
	}
	return made, string(key)
}

func verifyKey(m *auth.Manager, key string) error {
	_, err := m.VerifyAPIKey(context.Background(), auth.Secret(key))
	return err
}

// member registers an address and returns the identity of its first session.
func member(t *testing.T, m *auth.Manager, email string) auth.Identity {
	t.Helper()
	if _, err := signUp(m, email); err != nil {
		t.Fatalf("register %s: %v", email, err)
	}
	r, err := m.Login(context.Background(), email, authtest.Password)
	if err != nil {
		t.Fatalf("log in with %s: %v", email, err)
	}
	return identityOf(t, m, r.AccessToken.Token)
}

func emailOf(name string, round int) string {
	return name + string(rune('a'+round/26)) + string(rune('a'+round%26)) + "@example.com"
}

func sameUser(a, b auth.User) bool {
	return a.ID == b.ID && a.Email == b.Email && a.FullName == b.FullName && a.Role == b.Role &&
		a.OrganizationID == b.OrganizationID && a.TwoFactorEnabled == b.TwoFactorEnabled &&
		slices.Equal(a.AssignedAgents, b.AssignedAgents) && a.Disabled == b.Disabled && a.CreatedAt.Equal(b.CreatedAt)
}

// userOf is the account as it is now.
func userOf(t *testing.T, h *authtest.Harness, userID string) auth.User {
	t.Helper()
	u, err := h.User(t.Context(), userID)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// last is the last event of a type; it closes the Manager first.
func last(t *testing.T, h *authtest.Harness, of auth.EventType) (found auth.Event) {
	t.Helper()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, e := range h.Events.All() {
		if e.Type == of {
			found = e
		}
	}
	return found
}

func codesLeft(t *testing.T, h *authtest.Harness, u *authtest.User) int {
	t.Helper()
	status, err := h.TwoFactorStatus(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	return status.BackupCodesLeft
}

// fieldCodes returns what an InputError says of its fields, as "field: code".
func fieldCodes(err error) (codes []string) {
	var input *auth.InputError
	if errors.As(err, &input) {
		for _, f := range input.Fields {
			codes = append(codes, f.Field+": "+f.Code)
		}
	}
	return codes
}

// holds reports whether text has any of the words, which are said in neither case.
func holds(text []byte, words ...string) string {
	low := bytes.ToLower(text)
	for _, w := range words {
		if bytes.Contains(low, bytes.ToLower([]byte(w))) {
			return w
		}
	}
	return ""
}

func retryAfter(t *testing.T, err error) time.Duration {
	t.Helper()
	var e *auth.RetryError
	if !errors.As(err, &e) || !errors.Is(err, auth.ErrRateLimited) || e.After <= 0 {
		t.Fatalf("%v, want ErrRateLimited with a time to wait", err)
	}
	return e.After
}

// stall returns a tap that holds up the next call that match picks, just before it
// is made, and two functions: to wait until it is held, and to let it go on.
func stall(t *testing.T, tap *tapStore, match func(storeCall) bool) (held, release func()) {
	at, on := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	found := false
	picked := func(c storeCall) bool {
		mu.Lock()
		defer mu.Unlock()
		if found || !match(c) {
			return false
		}
		found = true
		return true
	}
	tap.tap(func(ctx context.Context, c storeCall) error {
		if picked(c) {
			close(at)
			<-on
		}
		return nil
	}, nil)
	held = func() {
		t.Helper()
		select {
		case <-at:
		case <-time.After(raceTime):
			t.Fatal("the call that is to be held up is never made")
		}
	}
	return held, func() { close(on) }
}

// keysOf returns what another service reads in the JWKS.
func keysOf(t testing.TB, h *authtest.Harness) []crypto.PublicKey {
	t.Helper()
	keys, err := auth.ParseJWKS(h.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// verifierOf is another service that has read the JWKS.
func verifierOf(t testing.TB, h *authtest.Harness) *auth.Verifier {
	t.Helper()
	v, err := auth.NewVerifier(auth.VerifierConfig{Issuer: "auth", Keys: keysOf(t, h), Now: h.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// allocatedBy returns how many bytes f allocates. A hash allocates the memory of its cost and a
// QR code 150 kB, so the bytes are the work that a clock would measure.
func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
