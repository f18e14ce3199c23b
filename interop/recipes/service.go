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
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/datixlab/auth"
	"github.com/datixlab/auth/httpauth"
	"github.com/datixlab/auth/interop/trial"
	"github.com/datixlab/auth/store/memstore"
)

// What the recipes of the page say.
const (
	issuer   = "my-issuer"
	audience = "my-api"
	lifetime = time.Hour
	mount    = "/v1/auth"
)

// algorithms are the columns of the table.
var algorithms = []string{"ES256", "RS256", "EdDSA"}

// A service serves the API over HTTP, as a Manager that signs with one algorithm. Its key
// set has the keys of the other two services as well.
type service struct {
	algorithm   string
	url         string // of the server, without the mount
	certificate []byte // in PEM
	close       func()
	signer      crypto.Signer
	issue       func(ctx context.Context, cfg auth.Config) (token string, err error)
	bad         []forgery
}

// A forgery is a token that every recipe must refuse.
type forgery struct{ what, token string }

func startServices(ctx context.Context) (services []*service, err error) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	signers := []crypto.Signer{ec, rs, ed}
	for i, signer := range signers {
		var others []crypto.PublicKey
		for j, other := range signers {
			if i != j {
				others = append(others, other.Public())
			}
		}
		s, err := newService(ctx, algorithms[i], signer, others)
		if err != nil {
			return nil, err
		}
		services = append(services, s)
	}
	return services, nil
}

func newService(ctx context.Context, algorithm string, signer crypto.Signer, others []crypto.PublicKey) (*service, error) {
	secret := auth.Secret(rand.Text() + rand.Text())
	handler := func(cfg auth.Config) (http.Handler, error) {
		cfg.Secrets = []auth.Secret{secret}
		if cfg.SigningKey.Signer == nil {
			cfg.SigningKey.Signer = signer
		}
		cfg.VerifyKeys = others
		cfg.Logger = slog.New(slog.DiscardHandler)
		cfg.PasswordHash, cfg.InsecureCheapHashing = auth.HashParams{Memory: 8, Time: 1, Threads: 1}, true
		if cfg.Issuer == "" {
			cfg.Issuer = issuer
		}
		if cfg.Audience == "" {
			cfg.Audience = audience
		}
		m, err := auth.New(memstore.New(), cfg)
		if err != nil {
			return nil, err
		}
		h, err := httpauth.New(m, httpauth.Config{})
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		mux.Handle(mount+"/", http.StripPrefix(mount, h))
		return mux, nil
	}
	h, err := handler(auth.Config{})
	if err != nil {
		return nil, err
	}
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	s := &service{algorithm: algorithm, url: server.URL, close: server.Close, signer: signer,
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})}
	s.issue = func(ctx context.Context, cfg auth.Config) (string, error) {
		h, err := handler(cfg)
		if err != nil {
			return "", err
		}
		server := httptest.NewServer(h)
		defer server.Close()
		client := trial.Client{Base: server.URL + mount, HTTP: server.Client()}
		email, err := client.Register(ctx, "ada")
		if err != nil {
			return "", err
		}
		return client.Login(ctx, email)
	}
	return s, s.forge(ctx, others)
}

// forge makes the tokens that are the same for every recipe.
func (s *service) forge(ctx context.Context, others []crypto.PublicKey) error {
	var failed error
	issue := func(cfg auth.Config) string {
		token, err := s.issue(ctx, cfg)
		failed = errors.Join(failed, err)
		return token
	}
	good, another := issue(auth.Config{}), issue(auth.Config{})
	_, foreign, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	s.bad = []forgery{
		{"of another issuer", issue(auth.Config{Issuer: "another-issuer"})},
		{"for another audience", issue(auth.Config{Audience: "another-api"})},
		{"from two hours ago", issue(auth.Config{Now: ago(2 * lifetime)})},
		{"signed with a key that is not in the set", issue(auth.Config{SigningKey: auth.SigningKey{Signer: foreign}})},
	}
	if failed != nil {
		return failed
	}
	h, p, signature := split(good)
	_, otherPayload, otherSignature := split(another)
	header, err := base64.RawURLEncoding.DecodeString(h)
	if err != nil {
		return err
	}
	encode := base64.RawURLEncoding.EncodeToString
	none := encode([]byte(strings.Replace(string(header), `"`+s.algorithm+`"`, `"none"`, 1)))
	s.bad = append(s.bad,
		forgery{"with the payload of another", h + "." + otherPayload + "." + signature},
		forgery{"with the signature of another", h + "." + p + "." + otherSignature},
		forgery{"without a signature", none + "." + p + "."},
		forgery{"with an empty signature", h + "." + p + "."},
		forgery{"that is none", "no token at all"},
	)
	// The public key as the secret of an HMAC, in the forms in which programs hold it.
	der, err := x509.MarshalPKIXPublicKey(s.signer.Public())
	if err != nil {
		return err
	}
	hs := encode([]byte(strings.Replace(string(header), `"`+s.algorithm+`"`, `"HS256"`, 1)))
	for _, secret := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})} {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(hs + "." + p))
		s.bad = append(s.bad, forgery{"whose HMAC has the public key as its secret", hs + "." + p + "." + encode(mac.Sum(nil))})
	}
	return nil
}

// ago is a clock that is behind.
func ago(d time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(-d) }
}

func split(token string) (header, payload, signature string) {
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ = strings.Cut(rest, ".")
	return header, payload, signature
}

// judge says "yes" if a recipe with its leeway takes what is good, and "no" and why if it
// does not. It is an error if the recipe takes what is bad.
func (s *service) judge(ctx context.Context, v *verifier) (string, error) {
	good, err := s.issue(ctx, auth.Config{})
	if err != nil {
		return "", err
	}
	refusal, err := v.verify(good)
	if err != nil {
		return "", err
	}
	for _, f := range s.bad {
		refused, err := v.verify(f.token)
		if err != nil {
			return "", err
		}
		if refused == "" {
			return "", fmt.Errorf("a token %s is taken", f.what)
		}
	}
	if refusal != "" {
		return "no: " + refusal, nil
	}
	expired, err := s.issue(ctx, auth.Config{Now: ago(lifetime + 20*time.Second)})
	if err != nil {
		return "", err
	}
	if refusal, err = v.verify(expired); err != nil {
		return "", err
	}
	if (refusal == "") == v.expiresAtOnce {
		return "", fmt.Errorf("a token that expired 20 seconds ago is answered with %q", refusal)
	}
	return "yes", nil
}

// judgeBehind says whether a recipe without leeway takes a token that was made by a clock
// that is 2 to 3 seconds ahead: a token has whole seconds.
func (s *service) judgeBehind(ctx context.Context, v *verifier) (string, error) {
	good, err := s.issue(ctx, auth.Config{})
	if err != nil {
		return "", err
	}
	// The first token makes the recipe fetch the keys. Without a leeway it may be refused
	// already: this clock and that of the recipe differ by less than a second.
	if _, err := v.verify(good); err != nil {
		return "", err
	}
	ahead := func() time.Time { return time.Now().Truncate(time.Second).Add(3 * time.Second) }
	token, err := s.issue(ctx, auth.Config{Now: ahead})
	if err != nil {
		return "", err
	}
	refusal, err := v.verify(token)
	if err != nil {
		return "", err
	}
	if refusal != "" {
		return "no: " + refusal, nil
	}
	return "yes", nil
}
