package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
)

// golangJWT is the peer of the marks: ParseWithClaims of an HS256 token.
const golangJWT = "golang-jwt HS256"

// peerKey signs the HS256 tokens of the peers.
var peerKey = []byte("a key of 32 bytes for this alone")

// signers are one key of each algorithm that other services can check.
var signers = sync.OnceValue(func() []signer {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	return []signer{{"EdDSA", ed}, {"ES256", ec}, {"RS256", r}}
})

type signer struct {
	alg string
	crypto.Signer
}

func (s signer) config() auth.Config {
	return auth.Config{SigningKey: auth.SigningKey{Signer: s.Signer}}
}

// peerToken is a token of ours, signed by the peers' key.
func peerToken(ours auth.Secret) string {
	text := string(ours[:strings.LastIndexByte(string(ours), '.')])
	mac := hmac.New(sha256.New, peerKey)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// hmacOf is the least that proving an HS256 token can cost.
func hmacOf(token string) *subject {
	mac, text, sum := hmac.New(sha256.New, peerKey), []byte(token), make([]byte, 0, sha256.Size)
	return each("one HMAC-SHA256 of its length", func() error {
		mac.Reset()
		mac.Write(text)
		sum = mac.Sum(sum[:0])
		return nil
	})
}

type jwtClaims struct {
	jwt.RegisteredClaims
	Session  string   `json:"sid"`
	AuthTime int64    `json:"auth_time"`
	AMR      []string `json:"amr"`
	Org      string   `json:"org"`
	Role     string   `json:"role"`
}

// byGolangJWT checks the tokens in turn.
func byGolangJWT(alg string, key any, tokens ...string) *subject {
	keyFunc, turn := func(*jwt.Token) (any, error) { return key, nil }, 0
	return each("golang-jwt "+alg, func() error {
		turn = (turn + 1) % len(tokens)
		_, err := jwt.ParseWithClaims(tokens[turn], &jwtClaims{}, keyFunc, jwt.WithValidMethods([]string{alg}),
			jwt.WithIssuer("auth"), jwt.WithAudience("auth"), jwt.WithExpirationRequired())
		return err
	})
}

func byJWX(token string) *subject {
	text := []byte(token)
	return each("lestrrat-go/jwx HS256", func() error {
		_, err := jwxjwt.Parse(text, jwxjwt.WithKey(jwa.HS256(), peerKey), jwxjwt.WithIssuer("auth"), jwxjwt.WithAudience("auth"))
		return err
	}).reaches(golangJWT, mark{})
}

func byGoJOSE(token string) *subject {
	return each("go-jose HS256", func() error {
		parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
		if err != nil {
			return err
		}
		var registered josejwt.Claims
		var own struct {
			Session  string   `json:"sid"`
			AuthTime int64    `json:"auth_time"`
			AMR      []string `json:"amr"`
			Org      string   `json:"org"`
			Role     string   `json:"role"`
		}
		if err := parsed.Claims(peerKey, &registered, &own); err != nil {
			return err
		}
		return registered.Validate(josejwt.Expected{Issuer: "auth", AnyAudience: josejwt.Audience{"auth"}, Time: time.Now()})
	}).reaches(golangJWT, mark{})
}

func check(name string, h *authtest.Harness, token auth.Secret) *subject {
	return each(name, func() error { _, err := h.VerifyAccessToken(ever, token); return err })
}

// tokensSeenBefore check one token again and again, as the next requests of a client
// do.
func tokensSeenBefore(f *fixture) []*subject {
	memory, bolt := f.manager(f.onMemory(), auth.Config{}), f.manager(f.onBolt(), auth.Config{})
	token := auth.Secret(memory.Register().Token())
	peers := peerToken(token)
	all := []*subject{
		hmacOf(peers),
		byGolangJWT("HS256", peerKey, peers),
		byJWX(peers),
		byGoJOSE(peers),
		check("memory, HS256", memory, token).reaches(golangJWT, atMost(0.02).withAllocs(0)),
	}
	for _, key := range signers() {
		h := f.manager(f.onMemory(), key.config())
		all = append(all, check("memory, "+key.alg, h, auth.Secret(h.Register().Token())).reaches(golangJWT, atMost(0.02).withAllocs(0)))
	}
	return append(all, check("bbolt, HS256", bolt, auth.Secret(bolt.Register().Token())).reaches(golangJWT, atMost(0.02).withAllocs(0)))
}

// seenFirst is how many new tokens a Manager sees in a row.
const seenFirst = 512

// firstSight checks tokens that the Manager has never seen: again and again with a new
// Manager on the same store. Each Manager has seen the tokens in known before that.
func firstSight(f *fixture, name string, h *authtest.Harness, cfg auth.Config, all, known []auth.Secret, waits bool) *subject {
	start := func(one *fixture) *authtest.Harness {
		fresh := one.manager(h.Store, cfg)
		for _, token := range known {
			_, err := fresh.VerifyAccessToken(ever, token)
			must(err)
		}
		return fresh
	}
	pass := func() time.Duration {
		one := &fixture{}
		defer one.end()
		fresh := start(one)
		return elapsed(waits, func() {
			for _, token := range all {
				_, err := fresh.VerifyAccessToken(ever, token)
				must(err)
			}
		})
	}
	s := &subject{name: name, sample: func() float64 {
		took, n := pass(), 1
		for ; took < sampleTime; n++ {
			took += pass()
		}
		return float64(took) / float64(n*len(all))
	}}
	s.allocs = func() float64 {
		fresh, i := start(f), 0
		return testing.AllocsPerRun(len(all)-1, func() {
			_, err := fresh.VerifyAccessToken(ever, all[i])
			must(err)
			i++
		})
	}
	return s
}

// unknownSession checks tokens of sessions that the Manager has not seen either.
func unknownSession(f *fixture, name string, h *authtest.Harness, cfg auth.Config, waits bool) *subject {
	return firstSight(f, name, h, cfg, tokens(h, seenFirst), nil, waits)
}

// renewed is how often each session is refreshed; all of its tokens are valid.
const renewed = 16

// knownSession checks new tokens of sessions of which the Manager has seen another
// token.
func knownSession(f *fixture, name string, s store.Store, waits bool) *subject {
	cfg := auth.Config{Now: standing(), RefreshGrace: time.Minute}
	h := f.manager(s, cfg)
	last := tokens(h, seenFirst/renewed)
	var before []auth.Secret
	for range renewed {
		for i := range last {
			next, err := h.Refresh(ever, last[i])
			must(err)
			before = append(before, last[i])
			last[i] = next.Token
		}
	}
	return firstSight(f, name, h, cfg, before, last, waits)
}

func tokensSeenFirst(f *fixture) []*subject {
	memory, bolt := f.manager(f.onMemory(), auth.Config{}), f.manager(f.onBolt(), auth.Config{})
	var peers []string // as many as ours, so that the processor's caches have none of them either
	for _, token := range tokens(memory, seenFirst) {
		peers = append(peers, peerToken(token))
	}
	ours := atMost(0.15).withAllocs(3)
	all := []*subject{
		hmacOf(peers[0]),
		byGolangJWT("HS256", peerKey, peers...),
		knownSession(f, "memory, HS256, known session", f.onMemory(), false).reaches(golangJWT, ours),
		knownSession(f, "bbolt, HS256, known session", f.onBolt(), false).reaches(golangJWT, ours),
		unknownSession(f, "memory, HS256, unknown session", memory, auth.Config{}, false).reaches(golangJWT, ours),
		unknownSession(f, "bbolt, HS256, unknown session", bolt, auth.Config{}, false).reaches(golangJWT, ours),
	}
	for _, key := range signers() {
		h := f.manager(f.onMemory(), key.config())
		var theirs []string
		for _, token := range tokens(h, seenFirst) {
			theirs = append(theirs, string(token))
		}
		all = append(all,
			byGolangJWT(key.alg, key.Public(), theirs...),
			unknownSession(f, "memory, "+key.alg+", unknown session", h, key.config(), false).reaches("golang-jwt "+key.alg, mark{}))
	}
	return all
}

// maxLag is the Options.MaxLag of a store on a server that is measured.
const maxLag = 20 * time.Millisecond

// A remote is a kind of store on a server.
type remote struct {
	trip  string       // the name of a round trip
	ask   func() error // makes one
	with  func(lag time.Duration) store.Store
	asked func() float64 // how much the server was asked by the store that with returned first for maxLag
	asks  string         // what asked counts
}

// tokensOn check tokens on a server, and count what it is asked meanwhile.
func tokensOn(f *fixture, on remote) []*subject {
	watching, h := f.manager(on.with(maxLag), auth.Config{}), f.manager(on.with(0), auth.Config{})
	token := auth.Secret(h.Register().Token())
	peers := peerToken(token)
	before := check("seen before, MaxLag 20 ms", watching, auth.Secret(watching.Register().Token())).waiting()
	questions := &subject{name: "seen before, MaxLag 20 ms, " + on.asks, unit: "a check", sample: func() float64 {
		const checks = 100_000
		began := on.asked()
		before.run(checks)
		return (on.asked() - began) / checks
	}}
	return []*subject{
		byGolangJWT("HS256", peerKey, peers),
		each(on.trip, on.ask).waiting(),
		before.reaches(golangJWT, atMost(0.1)),
		check("seen before, without", h, token).waiting(),
		questions.reaches("", limit(0.01)),
		knownSession(f, "seen first, known session, MaxLag 20 ms", on.with(maxLag), true).reaches(golangJWT, atMost(0.3)),
		unknownSession(f, "seen first, unknown session", h, auth.Config{}, true).reaches(on.trip, mark{}),
	}
}

func tokensOnRedis(f *fixture) []*subject {
	c, questions := f.redisClient(), 0.0
	return tokensOn(f, remote{
		trip: "one round trip, PING",
		ask:  func() error { return c.Ping(ever).Err() },
		with: f.onRedisWith,
		asks: "commands that reach Redis",
		asked: func() float64 {
			n, err := strconv.ParseFloat(f.redisServer().Field("stats", "total_commands_processed"), 64)
			must(err)
			questions++ // this one
			return n - questions
		},
	})
}

func tokensOnPostgres(f *fixture) []*subject {
	const connections = 16
	pool := f.postgresPool(f.postgresConfig(connections))
	var watching *counter
	return tokensOn(f, remote{
		trip: "one round trip, SELECT 1",
		ask:  func() error { _, err := pool.Exec(ever, "SELECT 1"); return err },
		with: func(lag time.Duration) store.Store {
			config, statements := f.postgresConfig(connections), new(counter)
			config.ConnConfig.Tracer = statements
			if lag != 0 && watching == nil {
				watching = statements
			}
			return f.onPostgresWith(lag, config)
		},
		asks:  "statements that reach Postgres",
		asked: func() float64 { return float64(watching.Load()) },
	})
}

// A counter counts the statements of a pool.
type counter struct{ atomic.Int64 }

// TraceQueryStart implements pgx.QueryTracer.
func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.Add(1)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// verifiers check tokens with the public keys alone, without a store.
func verifiers(f *fixture) []*subject {
	var all []*subject
	for _, key := range signers() {
		h := f.manager(f.onMemory(), key.config())
		token := h.Register().Token()
		v, err := auth.NewVerifier(auth.VerifierConfig{Issuer: "auth", Keys: []crypto.PublicKey{key.Public()}})
		must(err)
		all = append(all,
			byGolangJWT(key.alg, key.Public(), token),
			each("Verifier "+key.alg, func() error { _, err := v.Verify(auth.Secret(token)); return err }).reaches("golang-jwt "+key.alg, mark{}))
	}
	return all
}
