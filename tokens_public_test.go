package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/authtest"
	"github.com/datixlab/auth/store"
	"github.com/datixlab/auth/store/memstore"
)

// signers are one key of each algorithm.
var signers = sync.OnceValue(func() map[string]crypto.Signer {
	_, ed, errEd := ed25519.GenerateKey(rand.Reader)
	ec, errEC := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r, errRSA := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(errEd, errEC, errRSA); err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{"EdDSA": ed, "ES256": ec, "RS256": r}
})

// eachAlgorithm runs a test with a key of each algorithm.
func eachAlgorithm(t *testing.T, test func(t *testing.T, alg string, key crypto.Signer)) {
	t.Helper()
	for alg, key := range signers() {
		t.Run(alg, func(t *testing.T) { test(t, alg, key) })
	}
}

func signedBy(key crypto.Signer, more ...crypto.PublicKey) auth.Config {
	return auth.Config{SigningKey: auth.SigningKey{Signer: key}, VerifyKeys: more}
}

// headerOf returns the header of a token.
func headerOf(t *testing.T, token string) (h struct{ Alg, Kid, Typ string }) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil || json.Unmarshal(text, &h) != nil {
		t.Fatalf("header %q, %v", text, err)
	}
	return h
}

func TestATokenIsSignedByTheKeyThatIsGiven(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg string, key crypto.Signer) {
		eachStore(t, func(t *testing.T, s store.Store) {
			h := authtest.With(t, s, signedBy(key))
			alice := h.Register()
			token := refreshed(t, h.Manager, alice.Token())
			if got := headerOf(t, token); got.Alg != alg || got.Typ != "at+jwt" || len(got.Kid) != 43 {
				t.Errorf("header %+v", got)
			}
			if !verify(t, h.Manager, alice.Token()) || !verify(t, h.Manager, token) {
				t.Error("refused")
			}
			if _, err := verifierOf(t, h).Verify(auth.Secret(token)); err != nil {
				t.Errorf("the Verifier: %v", err)
			}
			if err := h.RevokeSessions(t.Context(), alice.ID); err != nil {
				t.Fatal(err)
			}
			if verify(t, h.Manager, token) {
				t.Error("it is accepted after a revocation")
			}
		})
	})
}

// What golang-jwt makes of the token, with the key of the JWKS alone.
func TestATokenIsVerifiedByGolangJWTWithThePublishedKey(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg string, key crypto.Signer) {
		h := authtest.With(t, memstore.New(), signedBy(key))
		alice := h.Register()
		keys, err := auth.ParseJWKS(h.JWKS())
		if err != nil || len(keys) != 1 {
			t.Fatal(keys, err)
		}
		for range 20 { // an ES256 signature is 64 bytes long whatever its numbers are
			parsed, err := jwt.Parse(alice.Login(), func(*jwt.Token) (any, error) { return keys[0], nil },
				jwt.WithValidMethods([]string{alg}), jwt.WithIssuer("auth"), jwt.WithAudience("auth"), jwt.WithTimeFunc(h.Clock.Now))
			if err != nil {
				t.Fatal(err)
			}
			if sub, err := parsed.Claims.GetSubject(); err != nil || sub != alice.ID {
				t.Errorf("sub %q, %v", sub, err)
			}
		}
	})
}

// nodeVerifies is a program that knows nothing of this library.
const nodeVerifies = `
const { jwks, token } = JSON.parse(require("fs").readFileSync(0))
const [h, p, s] = token.split(".")
const header = JSON.parse(Buffer.from(h, "base64url"))
const jwk = jwks.keys.find(k => k.kid === header.kid && k.alg === header.alg)
const how = {
  EdDSA: { name: "Ed25519" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
}[header.alg]
const subtle = require("crypto").webcrypto.subtle
subtle.importKey("jwk", { ...jwk, alg: undefined }, how, false, ["verify"])
  .then(key => subtle.verify(how, key, Buffer.from(s, "base64url"), Buffer.from(h + "." + p)))
  .then(good => console.log(good))
`

func TestATokenIsVerifiedByAnIndependentProgramWithThePublishedKey(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("node is not installed: run make deps")
		}
		t.Log("node is not installed: what it verifies is left out; make deps installs it")
		return
	}
	eachAlgorithm(t, func(t *testing.T, alg string, key crypto.Signer) {
		h := authtest.With(t, memstore.New(), signedBy(key))
		good := h.Register().Token()
		parts := strings.Split(good, ".")
		other := h.Register().Token()
		for token, want := range map[string]string{good: "true", strings.Join(append(parts[:2:2], strings.Split(other, ".")[2]), "."): "false"} {
			in, err := json.Marshal(map[string]any{"jwks": json.RawMessage(h.JWKS()), "token": token})
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(node, "-e", nodeVerifies)
			cmd.Stdin = bytes.NewReader(in)
			out, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != want {
				t.Errorf("node says %s, %v, want %s", out, err, want)
			}
		}
	})
}

func TestTheJWKSHasEveryPublicKeyAndNeverASecretOne(t *testing.T) {
	if got := string(authtest.New(t).JWKS()); got != `{"keys":[]}` {
		t.Errorf("with HS256: %s", got)
	}
	ed, ec, r := signers()["EdDSA"], signers()["ES256"], signers()["RS256"]
	h := authtest.With(t, memstore.New(), signedBy(ed, ec.Public(), r.Public()))
	got := h.JWKS()
	keys, err := auth.ParseJWKS(got)
	if err != nil || len(keys) != 3 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for i, want := range []crypto.Signer{ed, ec, r} {
		if !keys[i].(interface{ Equal(crypto.PublicKey) bool }).Equal(want.Public()) {
			t.Errorf("key %d is another", i)
		}
	}
	for _, private := range []string{`"d"`, `"p"`, `"q"`, `"k"`, "oct", "HS256"} {
		if strings.Contains(string(got), private) {
			t.Errorf("it has %s: %s", private, got)
		}
	}
	clear(got)
	if string(h.JWKS()) == string(got) {
		t.Error("a caller can change it")
	}
}

// RFC 7638, 3.1, and RFC 8037, A.3.
func TestAKeyIsNamedByItsThumbprint(t *testing.T) {
	for want, document := range map[string]string{
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs": `{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}]}`,
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k": `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
	} {
		keys, err := auth.ParseJWKS([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		h := authtest.With(t, memstore.New(), auth.Config{VerifyKeys: keys})
		if !strings.Contains(string(h.JWKS()), `"kid":"`+want+`"`) {
			t.Errorf("not %s: %s", want, h.JWKS())
		}
	}
}

type brokenSigner struct {
	public crypto.PublicKey
	sign   func() ([]byte, error)
}

func (s brokenSigner) Public() crypto.PublicKey { return s.public }

func (s brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return s.sign() }

func TestAKeyThatIsWeakOrMissingOrThereTwiceIsRefusedByName(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := signers()
	ed := good["EdDSA"].Public()
	rsaKey := good["RS256"].Public().(*rsa.PublicKey)
	bad := map[string]crypto.PublicKey{
		"nil": nil, "a nil RSA key": (*rsa.PublicKey)(nil), "a nil ECDSA key": (*ecdsa.PublicKey)(nil), "no ECDSA key": &ecdsa.PublicKey{}, "no RSA key": &rsa.PublicKey{},
		"RSA of 1024 bits": weak.Public(), "P-384": p384.Public(),
		"no point":         &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}, //nolint:staticcheck // made in no other way
		"an exponent of 3": &rsa.PublicKey{N: rsaKey.N, E: 3}, "an even exponent": &rsa.PublicKey{N: rsaKey.N, E: 65538}, "an even modulus": &rsa.PublicKey{N: new(big.Int).Add(rsaKey.N, big.NewInt(1)), E: 65537},
		"a huge modulus": &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 9000), E: 65537},
		"a short key":    ed25519.PublicKey("short"), "a zero key": make(ed25519.PublicKey, 32), "the neutral point": append(ed25519.PublicKey{1}, make([]byte, 31)...),
		"no point of Ed25519":    append(ed25519.PublicKey{2}, make([]byte, 31)...),
		"a point written as y+p": slices.Concat(ed25519.PublicKey{0xf0}, bytes.Repeat([]byte{0xff}, 30), []byte{0x7f}),
		"a private key":          good["ES256"], "a secret": []byte(goodSecret),
	}
	refused := func(what, field string, cfg auth.Config) {
		t.Helper()
		cfg.Secrets = []auth.Secret{goodSecret}
		m, err := auth.New(memstore.New(), cfg)
		if err == nil {
			_ = m.Close()
			t.Errorf("%s: accepted", what)
		} else if !strings.Contains(err.Error(), "Config."+field+": ") {
			t.Errorf("%s: the error does not name %s: %v", what, field, err)
		}
	}
	for what, key := range bad {
		refused(what, "SigningKey", signedBy(brokenSigner{public: key}))
		refused(what, "VerifyKeys[1]", auth.Config{VerifyKeys: []crypto.PublicKey{ed, key}})
		if _, err := auth.NewVerifier(auth.VerifierConfig{Issuer: "auth", Keys: []crypto.PublicKey{ed, key}}); err == nil || !strings.Contains(err.Error(), "Keys[1]: ") {
			t.Errorf("a Verifier with %s: %v", what, err)
		}
	}
	refused("a nil signer of its type", "SigningKey", signedBy((*rsa.PrivateKey)(nil)))
	refused("an empty signer", "SigningKey", signedBy(ed25519.PrivateKey(nil)))
	refused("the signer's key again", "VerifyKeys[0]", signedBy(good["EdDSA"], ed))
	refused("one key twice", "VerifyKeys[1]", auth.Config{VerifyKeys: []crypto.PublicKey{ed, ed}})
	refused("more than 32 keys", "VerifyKeys[32]", auth.Config{VerifyKeys: make([]crypto.PublicKey, 33)})
}

// With a signer that does not sign, no login succeeds, nothing is used up and checks go on.
func TestASignerThatFailsIsUnavailableAndHalfDoesNothing(t *testing.T) {
	t.Parallel()
	ec, ed := signers()["ES256"], signers()["EdDSA"]
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		key  crypto.Signer
		sign func() ([]byte, error)
	}{
		"fails":                  {ec, func() ([]byte, error) { return nil, errors.New("no power") }},
		"panics":                 {ec, func() ([]byte, error) { panic("no power") }},
		"says nothing":           {ed, func() ([]byte, error) { return nil, nil }},
		"says nonsense":          {ec, func() ([]byte, error) { return []byte("nonsense"), nil }},
		"signs with another key": {ec, func() ([]byte, error) { d := sha256.Sum256(nil); return foreign.Sign(rand.Reader, d[:], crypto.SHA256) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			h := authtest.With(t, s, signedBy(tc.key))
			broken := twin(t, h, signedBy(brokenSigner{tc.key.Public(), tc.sign}))
			alice, bob := h.Register(), h.Register()
			e := confirmed(t, h, bob)
			h.Clock.Advance(step)
			before := alice.Token()
			for range 30 { // more than the budget of wrong passwords
				if err := login(t.Context(), broken.Manager, alice.Email, authtest.Password); !errors.Is(err, auth.ErrUnavailable) {
					t.Fatalf("login: %v", err)
				}
			}
			if _, err := broken.Refresh(t.Context(), auth.Secret(before)); !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("refresh: %v", err)
			}
			if !verify(t, broken.Manager, before) {
				t.Error("a check asks the signer, or the refresh is half done")
			}
			if sessions, err := h.Sessions(t.Context(), alice.ID); err != nil || len(sessions) != 1 {
				t.Errorf("%d sessions, %v", len(sessions), err)
			}
			temp, code := firstStep(t, h, bob.Email), codeAt(e, h.Clock.Now())
			if err := secondStep(t.Context(), broken.Manager, temp, code); !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("second step: %v", err)
			}
			if err := secondStep(t.Context(), h.Manager, temp, code); err != nil {
				t.Errorf("temp token and code were used up: %v", err)
			}
		})
	}
}

func TestASignerThatHangsIsGivenUpAndCalledABoundedNumberOfTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := signers()["EdDSA"]
		var calls atomic.Int64
		release := make(chan struct{})
		hang := brokenSigner{key.Public(), func() ([]byte, error) {
			calls.Add(1)
			<-release
			return nil, errors.New("too late")
		}}
		h := authtest.New(t)
		alice := h.Register()
		broken := manyProcesses(twin(t, h, signedBy(hang)))
		began := time.Now()
		for i, err := range atOnce(t, 100, func(int) error {
			_, err := broken.Refresh(context.Background(), auth.Secret(alice.Token()))
			return err
		}) {
			if !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("refresh %d: %v", i, err)
			}
		}
		if took := time.Since(began); took != 2*time.Second || calls.Load() != 64 {
			t.Errorf("given up after %v, %d calls", took, calls.Load())
		}
		if !verify(t, broken.Manager, alice.Token()) {
			t.Error("checking waits for the signer")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := broken.Refresh(ctx, auth.Secret(alice.Token())); !errors.Is(err, auth.ErrUnavailable) {
			t.Errorf("for a client that has gone: %v", err)
		}
		close(release)
	})
}

// RC-12 where every signature is another.
func TestManyRefreshesOfAnES256TokenContinueOneSession(t *testing.T) {
	h := authtest.With(t, memstore.New(), signedBy(signers()["ES256"]))
	alice := h.Register()
	ids := make([]any, 20)
	errs := atOnce(t, len(ids), func(i int) error {
		fresh, err := h.Refresh(context.Background(), auth.Secret(alice.Token()))
		if err == nil {
			ids[i] = payload(t, fresh.Token)["jti"]
		}
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("%v and %v", id, ids[0])
		}
	}
}

// Of the two signatures that anybody can make of one, and of the spellings of either,
// one is good.
func TestATokenOfAPublicKeyHasOneTextOnly(t *testing.T) {
	t.Parallel()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	eachAlgorithm(t, func(t *testing.T, alg string, key crypto.Signer) {
		h := authtest.With(t, memstore.New(), signedBy(key))
		verifier := verifierOf(t, h)
		for range 20 {
			token := h.Register().Token()
			dot := strings.LastIndexByte(token, '.') + 1
			sig, err := base64.RawURLEncoding.DecodeString(token[dot:])
			if err != nil {
				t.Fatal(err)
			}
			variants := []string{token + "=", token + "\n", token[:dot] + "\r\n" + token[dot:], token[:dot] + base64.RawURLEncoding.EncodeToString(append([]byte{0}, sig...))}
			for _, c := range alphabet {
				if v := token[:len(token)-1] + string(c); v != token {
					variants = append(variants, v)
				}
			}
			if alg == "ES256" {
				s := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(sig[32:]))
				s.FillBytes(sig[32:])
				other := token[:dot] + base64.RawURLEncoding.EncodeToString(sig)
				if _, err := jwt.Parse(other, func(*jwt.Token) (any, error) { return key.Public(), nil }, jwt.WithTimeFunc(h.Clock.Now)); err != nil {
					t.Fatalf("the other signature is not good at all, the test proves nothing: %v", err)
				}
				variants = append(variants, other)
			}
			for _, v := range variants {
				if verify(t, h.Manager, v) {
					t.Errorf("accepted: %q", v)
				}
				if _, err := verifier.Verify(auth.Secret(v)); err != auth.ErrInvalidToken {
					t.Errorf("the Verifier: %v for %q", err, v)
				}
			}
		}
	})
}

// JW-11, RC-25: from HS256 to a key, to another key, and back; with a new key known
// everywhere before it signs, no live token is refused.
func TestNoTokenIsRefusedWhileSigningKeysAreRotated(t *testing.T) {
	ed, ec, r := signers()["EdDSA"], signers()["ES256"], signers()["RS256"]
	steps := []auth.Config{
		{},
		{VerifyKeys: []crypto.PublicKey{ed.Public()}},
		signedBy(ed),
		signedBy(ed, ec.Public()),
		signedBy(ec, ed.Public()),
		signedBy(ec, r.Public()),
		signedBy(r, ec.Public()),
		{VerifyKeys: []crypto.PublicKey{r.Public()}},
	}
	eachStore(t, func(t *testing.T, s store.Store) {
		h := authtest.With(t, s, auth.Config{})
		users := []*authtest.User{h.Register(), h.Register(), h.Register()}
		for i := range len(steps) - 1 {
			old, fresh := twin(t, h, steps[i]).Manager, twin(t, h, steps[i+1]).Manager
			errs := atOnce(t, len(users), func(n int) error {
				token := auth.Secret(users[n].Login())
				for k := range 20 {
					m := []*auth.Manager{old, fresh}[(k+n)%2]
					next, err := m.Refresh(t.Context(), token)
					if err != nil {
						return fmt.Errorf("step %d, refresh: %w", i, err)
					}
					token = next.Token
					for _, m := range []*auth.Manager{old, fresh} {
						if id, err := m.VerifyAccessToken(t.Context(), token); err != nil || id.User.ID != users[n].ID {
							return fmt.Errorf("step %d, verify: %q, %w", i, id.User.ID, err)
						}
					}
				}
				return nil
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
		}
		signed := twin(t, h, auth.Config{SigningKey: auth.SigningKey{Signer: ed}})
		token := refreshed(t, signed.Manager, users[0].Login())
		if verify(t, h.Manager, token) {
			t.Error("a token of a key that is not known is accepted")
		}
	})
}

// LO-2
func TestNothingPrintsASigningKey(t *testing.T) {
	t.Parallel()
	for alg, key := range signers() {
		cfg := signedBy(key)
		secrets := []string{}
		switch k := key.(type) {
		case ed25519.PrivateKey:
			secrets = append(secrets, string(k[:32]))
		case *ecdsa.PrivateKey:
			raw, err := k.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			secrets = append(secrets, string(raw))
		case *rsa.PrivateKey:
			secrets = append(secrets, string(k.D.Bytes()), k.D.String())
		}
		h := authtest.With(t, memstore.New(), cfg)
		auth.AwaitBackground(h.Manager) // printing reads what it writes
		checkPrinted(t, alg+" in the JWKS", h.JWKS(), secrets)
		type holder struct{ hidden any }
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			for what, v := range map[string]any{"Config": cfg.SigningKey, "*SigningKey": &cfg.SigningKey, "a Manager": h.Manager, "a Manager in a struct": holder{h.Manager}} {
				checkPrinted(t, alg+" in "+what, []byte(fmt.Sprintf(verb, v)), secrets)
			}
		}
		if text, err := json.Marshal(cfg.SigningKey); string(text) != `"[secret]"` || err != nil {
			t.Errorf("as JSON: %s, %v", text, err)
		}
	}
}

// Who cannot read the set of keys of a peer because of one key cannot check any token.
func TestAServiceReadsTheKeysOfASetDespiteAnOddOneAndHearsOfIt(t *testing.T) {
	h := authtest.With(t, memstore.New(), signedBy(signers()["EdDSA"], signers()["ES256"].Public()))
	odd := `{"kty":"RSA","kid":"old","e":"AQAB","n":"AQAB"}`
	set := []byte(strings.Replace(string(h.JWKS()), `[`, `[`+odd+`,`, 1))
	var told []string
	keys, err := auth.ParseJWKSFunc(set, func(err error) { told = append(told, err.Error()) })
	if err != nil || len(keys) != 2 || len(told) != 1 || !strings.Contains(told[0], `keys[0] (kid "old")`) {
		t.Errorf("%d keys, %v, told %q", len(keys), err, told)
	}
	again, err := auth.ParseJWKS(set)
	if err != nil || len(again) != 2 {
		t.Fatalf("%d keys, %v", len(again), err)
	}
	v, err := auth.NewVerifier(auth.VerifierConfig{Issuer: "auth", Keys: again, Now: h.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(auth.Secret(h.Register().Token())); err != nil {
		t.Error(err)
	}
}
